"""The first list, worked out while the server and the browser start; and, when it is painted, what makes the next ones quick."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tokenspace.explorer import lists

if TYPE_CHECKING:
    from tokenspace.explorer.opened import Opened

PAINTED = 1.5
"""Seconds until the page should stand: two cores have enough to do until then."""


def warm(opened: Opened) -> None:
    """Begin with what a table will be asked for first, in a thread of its own; does nothing where that is under way."""
    threading.Thread(target=opened.keep, args=("warm", lambda: _worked_out(opened)), daemon=True).start()


def _worked_out(opened: Opened) -> None:
    lists.opening(opened)
    time.sleep(PAINTED)
    opened.code()
