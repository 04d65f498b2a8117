"""Which examples are left out where an optional package is absent: those of the modules that import it at their top.

Named here one by one, because pytest's own switch for it (``--doctest-ignore-import-errors``) also passes over a test that is broken.
"""

from __future__ import annotations

from importlib.util import find_spec

NEEDING = {
    "torch": ("tokenspace/torch/*", "tokenspace/train/new_rows/*"),
}
"""Package, and the files that cannot be imported without it."""

collect_ignore_glob = [pattern for package, patterns in NEEDING.items() if find_spec(package) is None for pattern in patterns]
