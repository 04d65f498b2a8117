"""Vocabulary extension: a step on the new rows, on a tied head; resizing in memory; extending a file.

Batch 8 x 128, a tenth of the ids new, 100 new rows; AdamW, learning rate 1e-3, weight decay 0.01, unless a method's name says otherwise.
On one thread and once it takes some twelve minutes, most of them spent on the peers; `--full` adds full training of the large tables and
its masks, `--repeats 3 --threads 1 2` the spread over processes.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from measuring import Peak, most_allocated, random_rows, sha256, state_bytes, timed
from peers import ours, peft_tokens, plain_torch, transformers_resize

if TYPE_CHECKING:
    from collections.abc import Callable

NEW, BATCH, LENGTH, SHARE = 100, 8, 128, 0.1
SIZES = {
    "30522x384": (30_522, 384, torch.float32),
    "50257x768": (50_257, 768, torch.float32),
    "256000x2048-bf16": (256_000, 2048, torch.bfloat16),
    "1000000x384": (1_000_000, 384, torch.float32),
}
"""Rows, numbers a row, type: MiniLM, GPT-2, Gemma; and a million rows, to see whether a cost grows with them."""

STEPS, SECONDS = 40, 4.0
"""A method takes this many steps, or for so long; two at the least, after the warm one or two."""

DEFAULTS = {"repeats": 1, "threads": (1,)}


@dataclass(frozen=True)
class Task:
    """Something to do, and who does it; `peer` is whom the ratio is taken to, `slow` the sizes and methods that only --full measures."""

    peer: str
    sizes: tuple[str, ...]
    methods: dict[str, Callable[..., Any]]
    run: Callable[[Callable[..., Any], str], dict[str, Any]]
    slow: frozenset[tuple[str, str]] = frozenset()

    def measure(self, size: str, method: str) -> dict[str, Any]:
        """Measure one method."""
        torch.manual_seed(0)
        return self.run(self.methods[method], size)


def step(make: Callable[..., Any], size: str, *, own: bool = False, warmed: bool = False) -> dict[str, Any]:
    """Forward, backward and optimiser step of an embedding under a squared loss.

    With `own` the gradient of the looked-up rows is given, as the layers above it hand it down: the embedding's own part and no more.
    `warmed`, the process has taken such a step before the peak is watched, with a tensor in the rows' place: what PyTorch fetches
    once a process (threads of autograd, the optimiser's modules, room of the allocator) is no part of it then. `torch_mb` is the
    most that PyTorch's own blocks came to within one step, which does not depend on that.
    """
    n, d, dtype = SIZES[size]
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(0, n, (BATCH, LENGTH), generator=random)
    new = torch.rand(BATCH, LENGTH, generator=random) < SHARE
    ids = torch.where(new, torch.randint(n, n + NEW, (BATCH, LENGTH), generator=random), ids)
    wanted = (torch.randn(BATCH, LENGTH, d, generator=random) * 0.02).to(dtype)
    rows = torch.randn(NEW, d, generator=random) * 0.02
    trained = make(random_rows(n, d, dtype), rows.to(dtype))
    before = sha256(trained.old_rows())
    if warmed:
        warm(wanted)
    with Peak() as peak:

        def once() -> float:
            rows = trained.module(ids)
            if own:
                rows.backward(wanted)
                loss = rows[0, 0, 0]
            else:
                loss = ((rows - wanted).float() ** 2).mean() * 1000
                del rows  # a network lets go of it too
                loss.backward()
            trained.optimiser.step()
            trained.optimiser.zero_grad(set_to_none=True)
            return float(loss.detach())

        cpu, wall, losses = timed(once, STEPS, warm=2, seconds=SECONDS)
    after = sha256(trained.old_rows())
    error = f"old rows {'identical' if before == after else 'CHANGED'}"
    return {
        "cpu_ms": cpu,
        "wall_ms": wall,
        "peak_mb": peak.megabytes,
        "torch_mb": most_allocated(once) / 1e6,
        "state_mb": state_bytes(trained.optimiser) / 1e6,
        "sha256_before": before,
        "sha256_after": after,
        "losses": losses[:4],
        "error": error if own else f"{error}, loss {losses[3]:.5f} at step 4",
    }


def warm(wanted: torch.Tensor) -> None:
    """Take a step as `step` does, of a tensor of its own."""
    rows = torch.zeros_like(wanted, requires_grad=True)
    (((rows - wanted).float() ** 2).mean() * 1000).backward()
    one = torch.nn.Parameter(torch.zeros(1))
    one.grad = torch.zeros(1)
    torch.optim.AdamW([one]).step()


def head(make: Callable[..., Any], size: str) -> dict[str, Any]:
    """Do the same with a tied output head: cross-entropy over all tokens at 1,024 places, no layer between."""
    n, d, dtype = SIZES[size]
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(0, n + NEW, (BATCH, LENGTH), generator=random)
    wanted = torch.randint(0, n + NEW, (BATCH, LENGTH), generator=random)
    trained = make(random_rows(n, d, dtype), (torch.randn(NEW, d, generator=random) * 0.02).to(dtype))
    before = sha256(trained.old_rows())
    with Peak() as peak:

        def once() -> float:
            loss = trained.loss(ids, wanted)
            loss.backward()
            trained.optimiser.step()
            trained.optimiser.zero_grad(set_to_none=True)
            return float(loss.detach())

        cpu, wall, losses = timed(once, 3, warm=1)
    after = sha256(trained.old_rows())
    shown = " ".join(f"{loss:.5f}" for loss in losses)
    return {
        "cpu_ms": cpu,
        "wall_ms": wall,
        "peak_mb": peak.megabytes,
        "torch_mb": most_allocated(once) / 1e6,
        "state_mb": state_bytes(trained.optimiser) / 1e6,
        "sha256_before": before,
        "sha256_after": after,
        "error": f"old rows {'identical' if before == after else 'CHANGED'}, losses {shown}",
    }


def resize(make: Callable[..., Any], size: str) -> dict[str, Any]:
    """100 rows more."""
    n, d, dtype = SIZES[size]
    old = random_rows(n, d, dtype)
    work = make(old)
    with Peak() as peak:
        cpu, wall, results = timed(work, 1)
    different = len(torch.unique(results[0].float(), dim=0))
    return {"cpu_ms": cpu, "wall_ms": wall, "peak_mb": peak.megabytes, "error": f"{different} different rows of {NEW}"}


def write(make: Callable[..., Any], size: str) -> dict[str, Any]:
    """100 rows more in a model folder on disk."""
    n, d, dtype = SIZES[size]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "model")
        transformers_resize.save_model(folder, random_rows(n, d, dtype))
        work = make(folder, Path(scratch, "bigger"), NEW)
        with Peak() as peak:
            cpu, wall, _ = timed(work, 1)
        before, after = (sha256(transformers_resize.rows_of(here)[:n]) for here in (folder, Path(scratch, "bigger")))
    return {
        "cpu_ms": cpu,
        "wall_ms": wall,
        "peak_mb": peak.megabytes,
        "sha256_before": before,
        "sha256_after": after,
        "error": f"old rows {'identical' if before == after else 'CHANGED'}",
    }


TASKS = {
    "step": Task(
        "peft",
        tuple(SIZES),
        {
            "peft": peft_tokens.layer,
            "tokenspace": ours.layer,
            "sparse-filter": plain_torch.sparse_filter,
            "full": plain_torch.full,
            "hook-mask": plain_torch.hook_mask,
            "hook-mask-no-decay": plain_torch.hook_mask_no_decay,
            "floor": plain_torch.floor,
        },
        step,
        slow=frozenset(
            {("1000000x384", method) for method in ("full", "hook-mask", "hook-mask-no-decay", "sparse-filter")}
            | {("256000x2048-bf16", "hook-mask-no-decay")}
        ),
    ),
    "step-own-part": Task(
        "peft",
        tuple(SIZES),
        {"peft": peft_tokens.layer, "tokenspace": ours.layer, "sparse-filter": plain_torch.sparse_filter, "floor": plain_torch.floor},
        partial(step, own=True),
        slow=frozenset((size, method) for size in SIZES for method in ("sparse-filter", "floor")),
    ),
    "step-warmed": Task(
        "peft",
        ("256000x2048-bf16",),
        {"peft": peft_tokens.layer, "tokenspace": ours.layer, "floor": plain_torch.floor},
        partial(step, warmed=True),
    ),
    "tied-head": Task(
        "peft", ("50257x768",), {"peft": peft_tokens.tied, "tokenspace": ours.tied, "tokenspace-logits": ours.tied_logits}, head
    ),
    "resize": Task(
        "transformers-mean-resizing",
        ("30522x384", "256000x2048-bf16"),
        {
            "transformers-mean-resizing": transformers_resize.mean_resizing,
            "transformers-noise": transformers_resize.noise,
            "tokenspace-mean": ours.rows_by("mean"),
            "tokenspace-sample": ours.rows_by("sample"),
            "tokenspace-layer-sample": ours.layer_by("sample"),
        },
        resize,
    ),
    "write": Task(
        "load-cat-save",
        ("30522x384", "256000x2048-bf16"),
        {"load-cat-save": transformers_resize.load_cat_save, "tokenspace": ours.extend_on_disk},
        write,
    ),
}
