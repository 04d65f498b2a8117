"""What the tests' workers do: functions of a module that Ray's processes can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from tokenspace.search.spread import best_rows

READY = time.time()
"""When this process had imported what it needs."""


def doubled(part, common):
    """Return twice the part, and who did it."""
    return {"value": np.array(2 * part), "pid": np.array(os.getpid()), "of": np.array(common)}


def dies_once(part, common):
    """Search like any worker; but the first to come to the part named kills itself, by its own number."""
    asked, folder, place = common
    Path(folder, f"{part[1]}-{os.getpid()}").touch()
    mark = Path(folder, "died")
    if part[1] == place and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return best_rows(part, asked)


def dies_late(part, common):
    """Say when the worker was ready and the part was begun, and kill the first worker that comes to the part named, half a second on."""
    folder, place = common
    Path(folder, f"{part}-{os.getpid()}").write_text(f"{READY} {time.time()}")
    time.sleep(0.5)
    mark = Path(folder, "died")
    if part == place and not mark.exists():
        mark.write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": np.array(part)}


def dies_always(part, common):
    """Kill the worker whenever it comes to this part."""
    if part == common:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": np.array(part)}


def slow(part, common):
    """Take some time, and leave a line that says who did what."""
    folder, seconds = common
    time.sleep(seconds)
    Path(folder, f"{part}-{os.getpid()}-{os.getppid()}").touch()
    return {"value": np.array(part)}


def refuses(part, common):
    """Raise one of our errors."""
    from tokenspace.errors import ZeroVectorError

    message = f"part {part} of {common} has no cosine"
    raise ZeroVectorError(message, hint="use another measure")


def large(part, common):
    """Return a result of a megabyte, and note when it was made."""
    Path(common, f"made-{part}").touch()
    return {"value": np.full(1 << 17, part, dtype=np.float64)}
