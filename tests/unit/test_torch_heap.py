"""The heap under a training step: tidied it grows less, and no number changes."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from tokenspace.native import door  # noqa: E402
from tokenspace.torch import EmbeddingLayer, heap  # noqa: E402

STANDING = 3
"""Blocks that the program below holds at once at most; in units of 8 MB, for one counts twice."""

GROWTH = """
import ctypes
from tokenspace.native import door

block = 8 << 20
libc = ctypes.CDLL(None)
libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.aligned_alloc.restype, libc.aligned_alloc.argtypes = ctypes.c_void_p, 2 * [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: all of it in the heap, and kept
    assert libc.mallopt(option, 1 << 30)
tidy = door.kernel("tidy_heap") if TIDY else lambda: None
began = libc.sbrk(0)
for _ in range(20):
    tidy()
    first, second = libc.aligned_alloc(64, block), libc.aligned_alloc(64, 2 * block)
    libc.free(first)
    small = [libc.malloc(size) for size in (40, 56, 72, 88)]  # kept: in the crumbs of the large ones, if these are what is offered
    third = libc.aligned_alloc(64, block)
    libc.free(second)
    libc.free(third)
print((libc.sbrk(0) - began) / block)
"""

needs_kernels = pytest.mark.skipif(door.level() == "numpy", reason="nothing compiled, or the twins asked for")


def grown(*, tidy):
    done = subprocess.run([sys.executable, "-c", f"TIDY = {tidy}\n{GROWTH}"], capture_output=True, text=True, check=True)
    return float(done.stdout)


@needs_kernels
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library's heap")
def test_a_tidied_heap_grows_less():
    assert grown(tidy=True) < max(grown(tidy=False), STANDING + 2)  # from glibc 2.39 on it grows little by itself


@needs_kernels
def test_only_many_rows_on_the_cpu_are_worth_it(monkeypatch):
    calls = []
    monkeypatch.setattr(heap, "kernel", lambda name: lambda: calls.append(name))
    for size, device in ((heap.LARGE - 1, "cpu"), (heap.LARGE, "meta"), (heap.LARGE, "cpu")):
        with heap.tidied(size, torch.device(device)):
            calls.append(device)
    assert calls == ["cpu", "meta", "tidy_heap", "cpu", "tidy_heap"]


@pytest.mark.parametrize("mode", [None, "sum", "max"])
def test_room_for_the_optimiser_is_set_aside_until_the_first_gradient(mode):
    heap.release()
    layer = EmbeddingLayer(10, 4, mode=mode)
    layer.extend(3)
    (room,) = heap._room
    assert room.nbytes == heap.STATES * 3 * 4 * 4
    ids = torch.tensor([[0, 10]])
    with torch.no_grad():
        layer(ids)
    assert heap._room
    layer(ids).sum().backward()
    assert not heap._room


def test_room_is_one_the_largest_asked_for_and_none_that_the_system_would_give():
    heap.release()
    heap.keep(heap.KEPT)
    assert not heap._room
    for trained, kept in ((1000, 1000), (10, 1000), (2000, 2000)):
        heap.keep(trained)
        assert [room.nbytes for room in heap._room] == [heap.STATES * kept]
    heap.release()


def test_a_step_on_many_rows_is_the_same_with_and_without(monkeypatch):
    def losses():
        torch.manual_seed(0)
        layer = EmbeddingLayer(500, 1024)
        layer.extend(8, init="mean")
        optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1)
        ids = torch.randint(0, 508, (2, 512))
        assert ids.numel() * 1024 * 4 >= heap.LARGE
        found = []
        for _ in range(3):
            loss = (layer(ids) - 1).square().mean()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            found.append(loss.item())
        return found, layer.weight.detach().clone()

    here, rows = losses()
    monkeypatch.setattr(heap, "kernel", lambda name: None)
    there, same = losses()
    assert here == there
    assert torch.equal(rows, same)
