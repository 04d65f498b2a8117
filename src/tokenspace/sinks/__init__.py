"""Stores in which vectors are served, filled with a table: PostgreSQL with pgvector, LanceDB, Qdrant.

A store is one module with one `Sink` in it, and `SINKS` lists them by the schemes of their addresses. It is filled in batches, and is
asked first: what is there already is not sent again, so that a run that was killed goes on where it stopped. At the end every row is
read back.
"""

from __future__ import annotations

from tokenspace.sinks.address import Address, is_address
from tokenspace.sinks.filling import SINKS, Filled, default_name, fill
from tokenspace.sinks.stored import Stored

__all__ = ["SINKS", "Address", "Filled", "Stored", "default_name", "fill", "is_address"]
