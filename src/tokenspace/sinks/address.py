"""Where a store is: an address with a scheme, whose secrets never get into a message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from tokenspace.errors import ArgumentError

SCHEME = re.compile(r"([a-z][a-z0-9]+(?:\+[a-z0-9]+)?)://", re.IGNORECASE)
"""Two letters at least and two slashes: a drive such as C: is none."""

SECRET = re.compile(r"pass|key|secret|token", re.IGNORECASE)
"""Parameters of an address, by a part of their names, whose values are nobody's business."""

FOLDER = re.compile(r"lancedb.*|.+\+file")
"""Schemes whose addresses are paths, which hold no user and may hold any letter."""

HIDDEN = "***"


@dataclass(frozen=True)
class Address:
    """An address, taken apart as far as it takes to keep its secrets.

    Attributes
    ----------
    scheme : str
        In lower case: ``postgresql``, ``qdrant+https``...
    rest : str
        What follows the two slashes.
    shown : str
        The address without password and keys, for people.
    secrets : tuple of str
        Password and keys, as they stand there and decoded.
    """

    scheme: str
    rest: str
    shown: str
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Address:
        """Take an address apart.

        Raises
        ------
        ArgumentError
            If a name or password holds a letter that ends one: what is the password could not be told then. Nothing of it is shown.
        """
        found = SCHEME.match(text)
        if found is None:
            message = f"expected the address of a store, scheme://..., seen {text!r:.60}"
            raise ArgumentError(message)
        scheme, rest = found[1].lower(), text[found.end() :]
        if FOLDER.fullmatch(scheme):
            return cls(scheme, rest, f"{scheme}://{rest}", ())
        user, at, place = rest.rpartition("@")
        if at and re.search(r"[/@?#]", user):
            message = f"the address {found[0]}{HIDDEN} cannot be taken apart: expected {found[0]}USER:PASSWORD@HOST:PORT/NAME, one @ in it"
            raise ArgumentError(message, hint="in a name or a password write @ as %40, / as %2F, ? as %3F, # as %23")
        name, colon, password = user.partition(":")
        where, question, query = place.partition("?")
        secrets = {password, *(value for key, value in parse_qsl(query, keep_blank_values=True) if SECRET.search(key))}
        pairs = [pair.partition("=") for pair in query.split("&")]
        secrets |= {value for key, _, value in pairs if SECRET.search(key)}
        kept = "&".join(f"{key}{sign}{HIDDEN if SECRET.search(key) and value else value}" for key, sign, value in pairs)
        shown = f"{scheme}://{name}{colon}{HIDDEN if password else ''}{at}{where}{question}{kept}"
        known = {secret for secret in secrets if secret}
        return cls(scheme, rest, shown, tuple(sorted(known | {unquote(secret) for secret in known}, key=len, reverse=True)))

    def scrubbed(self, text: object) -> str:
        """Return somebody else's message on one line, without the address's secrets."""
        said = " ".join(str(text).split())
        for secret in self.secrets:
            said = said.replace(secret, HIDDEN)
        return said


def is_address(text: str) -> bool:
    """Return whether a text is an address with a scheme rather than the name of a file."""
    return SCHEME.match(text) is not None
