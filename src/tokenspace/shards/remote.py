"""Files behind an address (``s3://...``, ``memory://...``): fetched by fsspec into the cache folder, once, and known by their digest."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from tokenspace.cache import cache_folder
from tokenspace.errors import MissingExtraError, ShardNotFoundError


def is_address(name: object) -> bool:
    """Return whether a name is an address and no path."""
    return isinstance(name, str) and "://" in name


def local_path(address: str) -> Path | None:
    """Return the path behind a ``file://`` address; None for any other."""
    return Path(address.partition("://")[2]) if address.startswith("file://") else None


def joined(folder: str, name: str) -> str:
    """Return the address of a file in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def fetched(address: str, sha256: str) -> Path:
    """Return a copy of a file in the cache folder, fetched where there is none of that digest.

    Parameters
    ----------
    address : str
    sha256 : str
        What the file is known by; whoever uses the copy holds it against that.

    Returns
    -------
    Path

    Raises
    ------
    ShardNotFoundError
        If the file cannot be had.
    MissingExtraError
        If fsspec, or the package that it needs for the address, is not installed.

    Notes
    -----
    Copies stay until somebody deletes the folder ``shards`` of the cache folder (``tokenspace doctor`` names it).
    """
    target = cache_folder() / "shards" / f"{sha256[:32]}-{hashlib.blake2b(address.encode(), digest_size=4).hexdigest()}"
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with _opened(address) as source, beside.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def read(address: str) -> bytes:
    """Return a small file whole.

    Raises
    ------
    ShardNotFoundError, MissingExtraError
        As `fetched`.
    """
    with _opened(address) as file:
        data: bytes = file.read()
        return data


def _opened(address: str) -> Any:
    try:
        import fsspec  # noqa: PLC0415 - an optional package
    except ImportError as error:
        message = f"{address} is read with the package fsspec, which is not installed"
        raise MissingExtraError(message, hint='pip install "tokenspace[remote]"') from error
    try:
        return fsspec.open(address, "rb").open()
    except ImportError as error:
        message = f"fsspec needs another package for {address}: {error}"
        raise MissingExtraError(message, hint="install it") from error
    except (OSError, ValueError) as error:
        message = f"{address} cannot be read: {error!s:.200}"
        raise ShardNotFoundError(message, hint="is the address right, and may you read it?") from None
