"""Qdrant: a collection whose points have the row as id, the token as payload, the vector as vector.

``qdrant://HOST:6333`` and ``qdrant+https://`` for a server, ``qdrant+file://FOLDER`` for the client's own store without one. A key stands
in the address (``qdrant+https://:KEY@HOST``) or, better, in the environment variable QDRANT_API_KEY.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from tokenspace.errors import ArgumentError, StoreError, StoreUnreachableError, TokenspaceError
from tokenspace.formats.extras import needed
from tokenspace.sinks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tokenspace.sinks.address import Address
    from tokenspace.sinks.sink import Content, Mark, Rows, Store

DISTANCES = {"euclidean": "Euclid", "inner_product": "Dot", "cosine": "Cosine"}
"""Qdrant's Cosine stores rows at length 1, so that is never taken unless asked for."""

SCHEMES = {"qdrant": "http", "qdrant+http": "http", "qdrant+https": "https", "qdrant+file": ""}
FORBIDDEN = '<>:"/\\|?*\0'
"""Letters that Qdrant allows in no collection's name."""

MOST_DIMENSIONS = 65_536
PATIENCE = 60
PAGE = 1 << 20
"""Bytes of numbers asked for at a time; as JSON three times that, a tenth of what a server takes."""

AGAIN = "run the same command again: it goes on from there"


@contextlib.contextmanager
def _open(address: Address, content: Content) -> Iterator[Store]:
    qdrant_client = needed("qdrant_client", extra="qdrant", why="filling Qdrant", package="qdrant-client")  # two seconds
    if not 0 < len(content.name) <= 255 or set(content.name) & set(FORBIDDEN) or content.name in {".", ".."}:  # noqa: PLR2004 - Qdrant's
        message = f"expected a collection name of 1 to 255 letters without {' '.join(FORBIDDEN[:-1])}, seen {content.name!r:.80}"
        raise ArgumentError(message, hint="name it with --into")
    if content.table.d > MOST_DIMENSIONS:
        message = f"Qdrant takes at most {MOST_DIMENSIONS:,} dimensions, seen {content.table.d:,}"
        raise ArgumentError(message)
    if not address.rest:
        message = f"expected a host or folder behind {address.scheme}://, seen none"
        raise ArgumentError(message)
    from qdrant_client.common.client_exceptions import QdrantException  # noqa: PLC0415
    from qdrant_client.http.exceptions import ApiException, ResponseHandlingException  # noqa: PLC0415

    client = None
    try:
        client = qdrant_client.QdrantClient(**_place(address))
        yield Qdrant(client, content)
    except TokenspaceError:
        raise
    except ResponseHandlingException as error:
        message = f"{address.shown}: {address.scrubbed(error)}"
        raise StoreUnreachableError(message, hint=f"is the server running, and at this address? {AGAIN}") from None
    except (ApiException, QdrantException, OSError, RuntimeError, ValueError) as error:
        message = f"{address.shown}: Qdrant says: {address.scrubbed(error):.500}"
        raise StoreError(message, hint=AGAIN) from None
    finally:
        if client is not None:
            client.close()


def _place(address: Address) -> dict[str, Any]:
    """Return how the client is to be called."""
    scheme = SCHEMES[address.scheme]
    if not scheme:
        return {"path": str(Path(address.rest).absolute())}
    user, at, host = address.rest.rpartition("@")
    key = unquote(user.partition(":")[2]) if at else os.environ.get("QDRANT_API_KEY", "")
    return {"url": f"{scheme}://{host.rstrip('/')}", "api_key": key or None, "timeout": PATIENCE, "check_compatibility": False}


class Qdrant:
    """A collection, opened to be filled."""

    batch = PAGE

    def __init__(self, client: Any, content: Content) -> None:
        from qdrant_client import models  # noqa: PLC0415

        self.client, self.content, self.models = client, content, models
        self.unit = content.measure == "cosine"

    def mark(self) -> Mark | None:
        """Return what the collection's metadata holds, and its measure, which cannot be changed later."""
        if not self.client.collection_exists(self.content.name):
            return None
        metadata = self.client.get_collection(self.content.name).config.metadata or {}
        mark = metadata.get("tokenspace")
        if not isinstance(mark, dict):
            return {}
        return {part: value for part, value in mark.items() if (part, value) != ("distance", self._distance)}

    @property
    def _distance(self) -> str:
        return DISTANCES[self.content.measure or "inner_product"]

    def create(self) -> None:
        """Make an empty collection."""
        models = self.models
        vectors = models.VectorParams(
            size=self.content.table.d,
            distance=models.Distance(self._distance),
            datatype=models.Datatype(self.content.dtype.name),
        )
        metadata = {"tokenspace": {**self.content.mark, "distance": self._distance}}
        self.client.create_collection(self.content.name, vectors_config=vectors, metadata=metadata)

    def drop(self) -> None:
        """Take the collection away."""
        self.client.delete_collection(self.content.name)

    def write(self, rows: Rows) -> None:
        """Add points, and wait until they are kept."""
        ids, tokens, matrix = rows
        payloads = [{"token": token.decode()} for token in tokens]
        vectors = matrix.astype(np.float32).tolist()
        self.client.upsert(self.content.name, self.models.Batch(ids=ids.tolist(), vectors=vectors, payloads=payloads), wait=True)

    def _pages(self, step: int, *, whole: bool) -> Iterator[list[Any]]:
        at: Any = None
        while True:
            points, at = self.client.scroll(self.content.name, limit=step, offset=at, with_vectors=whole, with_payload=whole)
            if points:
                yield points
            if at is None:
                return

    def ids(self) -> Iterator[NDArray[np.int64]]:
        """Yield the ids that are there; -1 for one that is no number."""
        for points in self._pages(10_000, whole=False):
            yield np.array([point.id if isinstance(point.id, int) else -1 for point in points], dtype=np.int64)

    def read(self) -> Iterator[Rows]:
        """Yield all points."""
        for points in self._pages(max(1, PAGE // (4 * self.content.table.d)), whole=True):
            ids = np.array([point.id for point in points], dtype=np.int64)
            tokens = [str((point.payload or {}).get("token")).encode("utf-8", "surrogateescape") for point in points]
            yield ids, tokens, np.array([point.vector for point in points], dtype=np.float64).astype(self.content.dtype)

    def finish(self) -> None:
        """Make the tokens findable; Qdrant builds the vectors' index by itself. Its client's own store has no indexes."""
        if not isinstance(self.client._client, _local()):  # noqa: SLF001 - there is no other way to ask
            self.client.create_payload_index(self.content.name, "token", self.models.PayloadSchemaType.KEYWORD)


def _local() -> type:
    from qdrant_client.local.qdrant_local import QdrantLocal  # noqa: PLC0415

    local: type = QdrantLocal
    return local


SINK = Sink("qdrant", "Qdrant", tuple(SCHEMES), ("float32", "float16"), _open)
