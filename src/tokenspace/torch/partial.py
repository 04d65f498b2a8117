"""A module of which some rows train and the others cannot: what the layer and the heads have in common.

The whole matrix stays one tensor, in the layout in which it is stored, and leaves `parameters()`; what trains is a small parameter.
Where the chosen rows are a run of a float32 or float64 matrix the parameter is a **view** of them, so an optimiser that updates it
updates the matrix, and there is nothing to merge. Else (half precision, rows here and there) it is a float32 master, written
through before each use. What others write into the matrix's chosen rows, ``weight[id] = row`` or a new ``weight``, is taken into it.

The whole is a plain attribute, not a registered buffer: DistributedDataParallel sends every buffer to all processes before every
forward, which at 256,000 x 2048 is 1 GB a step. State dicts, moves between devices and copies are looked after here instead.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from tokenspace.errors import ArgumentError, ShapeError
from tokenspace.extension import Proof, proof
from tokenspace.torch import heap
from tokenspace.torch.arrays import as_array
from tokenspace.torch.selection import WIDE, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

BLOCK = 1 << 24
"""Bytes hashed at a time; a copy of that size is made where the rows lie on another device."""

COMPARED = ("cpu",)
"""Devices on which chosen rows are compared with what was written there. Elsewhere that would wait for the device: the count of changes
that autograd keeps has to tell, which does not see what is written to ``weight.data``."""

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, slots=True)
class Left:
    """How a tensor of n rows was left, so that what others write to it is noticed.

    Attributes
    ----------
    place, version : int
        Its address and autograd's count of its changes.
    seen : int
        That count of the parameter whose numbers it then held; -1 for those of none.
    rows : tensor, or None
        A copy of the chosen rows in it, where the parameter is a master and not a view.
    """

    place: int
    version: int
    seen: int
    rows: torch.Tensor | None


class Partial(torch.nn.Module):
    """Rows of `_pairs`' tensors, of which those of a `Selection` train.

    A subclass names in `_pairs` its tensors of n rows and the parameter that holds the chosen rows of each.
    """

    _pairs: ClassVar[Mapping[str, str]] = {"weight": "new_rows"}

    _selection: Selection | None
    _digest: str
    _left: dict[str, Left]
    _own: dict[str, Any]

    def _begin(self) -> None:
        """Set up, after the subclass has made its tensors; all of them train."""
        self._selection = None
        self._digest = ""
        self._left = {}
        self._own = {}
        for part in self._pairs.values():
            self.register_parameter(part, None)

    # ------------------------------------------------------------------------------------------------------- choose what trains

    def _choose(self, ids: Any, n: int, rows: Mapping[str, torch.Tensor], *, record: bool) -> None:
        """Let rows `ids` of n train, starting from `rows`, and grow the tensors to n where they are shorter.

        Peak memory is one more tensor of n rows where they grow, and nothing where they do not.
        """
        selection = Selection(ids, n)
        whole = {name: self._whole(name) for name in self._pairs if self._whole(name) is not None}
        old = next(iter(whole.values()))
        self._write_through()
        if record:
            self._digest = _digest([old[run] for run in selection.others() if run.start < len(old)])
        selection.moved(lambda ids: ids.to(old.device))
        for name, full in whole.items():
            grown = full
            if n > len(full):
                grown = torch.empty((n, *full.shape[1:]), dtype=full.dtype, device=full.device)
                grown[: len(full)] = full
            self._set_whole(name, grown)
            if name in rows:
                selection.put(grown, rows[name].to(grown.device))
        self._selection = selection
        for name, part in self._pairs.items():
            full = self._whole(name)
            if full is None:
                continue
            values = selection.part(full)
            if not selection.is_view(full):
                values = values.to(full.dtype if full.dtype in WIDE else torch.float32, copy=True)
            self.register_parameter(part, torch.nn.Parameter(values))
            self._leave(name, part)
        self._own = {part: self._parameters[part] for part in self._chosen()}
        heap.keep(sum(rows.nbytes for rows in self._own.values() if rows.device.type == "cpu"))

    def _release(self) -> None:
        """Let all rows train again."""
        self._write_through()
        self._selection = None
        self._digest = ""
        self._own = {}
        for name, part in self._pairs.items():
            full = self._whole(name)
            self.register_parameter(part, None)
            if full is not None:
                self.__dict__.pop(name, None)
                self.register_parameter(name, torch.nn.Parameter(full))

    def _whole(self, name: str) -> Any:
        """Return one of the tensors of n rows without its history, or None."""
        full = self.__dict__.get(name)
        full = self._parameters.get(name) if full is None else full
        return None if full is None else full.detach()

    def _set_whole(self, name: str, full: torch.Tensor) -> None:
        self._parameters.pop(name, None)
        self.__dict__[name] = full

    def _write_through(self, *, adopt: bool = False) -> None:
        """Bring float32 masters into the rows they stand for; costs what the chosen rows cost.

        A changed master is written so that autograd notices: a backward that still needs the old rows then fails, as it should. Where
        autograd saw no change the same numbers are written unseen, for optimisers that write to ``parameter.data``; one that was given
        other memory there becomes a view again. What others wrote into the chosen rows meanwhile is taken over first. A tensor that
        stands where the parameter was, as `torch.func.functional_call` puts it there, is written only if `adopt` is true: it is to
        serve one call, and to be saved where someone set it for good.
        """
        if self._selection is None:
            return
        for name, part in self._pairs.items():
            rows = self._parameters.get(part)
            full = self.__dict__.get(name)
            if rows is None or full is None or full.is_meta or not (adopt or rows is self._own.get(part)):
                continue
            selection, left, own = self._selection, self._left[part], rows is self._own.get(part)
            if selection.is_view(full):
                if own and full.data_ptr() != left.place:
                    self._join(name, part, selection.part(full))
                elif rows.data_ptr() != selection.part(full).data_ptr():
                    self._join(name, part, rows.detach())
            elif left.rows is None or left.rows.dtype != full.dtype:
                self._join(name, part, selection.part(full))
            else:
                with torch.no_grad():
                    if own and self._is_changed(full, left):
                        now = selection.part(full)
                        rows.copy_(torch.where(now == left.rows, rows, now))
                    selection.put(full if left.seen != _version(rows) else full.data, rows.detach())
                self._leave(name, part, rows)

    def _is_changed(self, full: torch.Tensor, left: Left) -> bool:
        """Return whether others have written to the chosen rows of `full` since it was left; where it is not on the CPU, to any rows."""
        if full.device.type not in COMPARED:
            return _version(full) != left.version or full.data_ptr() != left.place
        if full.is_shared():  # with processes that train the same rows, and whose writing is no news
            return False
        selection: Any = self._selection
        return not np.array_equal(_bits(selection.part(full)), _bits(left.rows))

    def _leave(self, name: str, part: str, rows: torch.Tensor | None = None) -> None:
        """Note how a tensor of n rows is left: holding the numbers of `rows`, or others."""
        selection: Any = self._selection
        full, kept = self.__dict__[name], None
        if not selection.is_view(full):
            before = self._left.get(part)
            if rows is not None and before is not None and before.rows is not None:
                kept = before.rows.copy_(rows.detach())
            else:
                with torch.inference_mode(mode=False):  # it is written to later, in whatever mode
                    kept = selection.part(full).clone()
        self._left[part] = Left(0 if full.is_meta else full.data_ptr(), _version(full), -1 if rows is None else _version(rows), kept)

    def __setattr__(self, name: str, value: Any) -> None:
        """Take another matrix in the place of the one whose rows train: they go on from its numbers.

        Raises
        ------
        ShapeError
            If it is of another shape.
        """
        old = self.__dict__.get(name) if isinstance(value, torch.Tensor) and name in self._pairs else None
        selection = self.__dict__.get("_selection")
        if old is None or selection is None or self._plainly():
            super().__setattr__(name, value)
            return
        if value.shape != old.shape:
            message = f"{name} must be of shape {tuple(old.shape)}, as long as chosen rows of it train; seen {tuple(value.shape)}"
            raise ShapeError(message, hint="extend the layer or the head to grow it, or merge it first")
        self.__dict__[name] = value.detach()
        self._join(name, self._pairs[name], selection.part(value.detach()))

    def _plainly(self) -> bool:
        """Return whether plain autograd must serve: a tracer looks on, or another tensor stands where the parameter was."""
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():  # noqa: SLF001 - there is no public question
            return True
        return any(self._parameters.get(part) is not own for part, own in self._own.items())

    # -------------------------------------------------------------------------------------- what torch.nn.Module does with tensors

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:  # noqa: FBT001, FBT002 - torch's
        """Move or convert: `to`, `half`, `cuda`, `share_memory`; the parameter stays a view, or becomes one, or a master."""
        if self._selection is None:
            return super()._apply(fn, recurse)
        self._write_through()
        masters = {part: self._parameters[part].detach() for part in self._chosen()}
        super()._apply(fn, recurse)
        for part, name in self._chosen().items():
            self.__dict__[name] = fn(self.__dict__[name])
            self._join(name, part, masters[part])
        self._selection.moved(lambda ids: ids.to(self.__dict__[next(iter(self._chosen().values()))].device))
        return self

    def _join(self, name: str, part: str, master: torch.Tensor) -> None:
        """Make the parameter a view of its rows again, or a master, with the numbers of `master`."""
        selection: Any = self._selection
        full, rows = self.__dict__[name], self._parameters[part]
        gradient, rows.grad = rows.grad, None
        real = not (full.is_meta or master.is_meta)
        if selection.is_view(full):
            view = selection.part(full)
            if real and master.data_ptr() != view.data_ptr():
                view.copy_(master)
            rows.data = view
        else:
            kind = full.dtype if full.dtype in WIDE else torch.float32
            rows.data = master.to(full.device, kind, copy=True) if real else torch.empty(rows.shape, dtype=kind, device=full.device)
        rows.grad = None if gradient is None else gradient.to(rows.device, rows.dtype)
        self._own[part] = rows
        self._leave(name, part)

    def _chosen(self) -> dict[str, str]:
        """Return parameter name -> tensor name, of those that are there."""
        return {part: name for name, part in self._pairs.items() if self._parameters.get(part) is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come out of a copy or a pickle: the parameter is a view of the copied rows again."""
        super().__setstate__(state)
        if self._selection is not None:
            for part, name in self._chosen().items():
                if self._selection.is_view(self.__dict__[name]):
                    self._join(name, part, self._parameters[part].detach())
                else:
                    self._leave(name, part)

    def __getstate__(self) -> dict[str, Any]:
        """Go into a copy or a pickle with the masters written through."""
        self._write_through()
        return self.__dict__.copy()

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:  # noqa: FBT001 - torch's
        """Save what the module would hold had it never been extended: `weight` of n rows, no other key."""
        self._write_through(adopt=True)
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for part, name in self._chosen().items():
            destination.pop(prefix + part)
            destination[prefix + name] = self.__dict__[name]

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,  # noqa: FBT001 - torch's
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load into the n rows what `_save_to_state_dict` saves, or `torch.nn.Embedding` does."""
        selection: Any = self._selection
        chosen = self._chosen() if selection is not None else {}
        own = {prefix + name for name in chosen.values()}
        rest = {key: value for key, value in state_dict.items() if key not in own}
        missing: list[str] = []
        super()._load_from_state_dict(rest, prefix, local_metadata, strict, missing, unexpected_keys, error_msgs)
        missing_keys += [key for key in missing if key.removeprefix(prefix) not in chosen]
        for part, name in chosen.items():
            key, full = prefix + name, self.__dict__[name]
            if key not in state_dict:
                missing_keys += [key] if strict else []
                continue
            value = state_dict[key].detach()
            if value.shape != full.shape:
                error_msgs.append(f"size mismatch for {key}: the checkpoint has {tuple(value.shape)}, the module {tuple(full.shape)}.")
                continue
            with torch.no_grad():
                if local_metadata.get("assign_to_params_buffers"):
                    self.__dict__[name] = full = value
                else:
                    full.copy_(value)
                self._join(name, part, selection.part(full))

    # ---------------------------------------------------------------------------------------------------------------- the proof

    def digest(self) -> str:
        """Return the SHA-256 of the rows that do not train, in row order, as `tokenspace.extension.digest` gives it.

        Returns
        -------
        str
            64 hexadecimal digits.

        Raises
        ------
        ArgumentError
            If all rows train.

        Notes
        -----
        Reads all old rows: 0.4 to 2 GB/s, on the CPU.
        """
        if self._selection is None:
            message = "all rows train: there are no old ones to keep"
            raise ArgumentError(message, hint="extend the layer, or choose rows with train_rows")
        full = self.__dict__[next(iter(self._chosen().values()))]
        return _digest([full[run] for run in self._selection.others()])

    def proof(self, older: NDArray[Any] | torch.Tensor | None = None) -> Proof:
        """Show whether the rows that do not train are, bit for bit, what they were when the rows to train were chosen.

        Parameters
        ----------
        older : array or tensor of shape (n, d), optional
            The matrix as it was, if you kept it: then all its rows are compared and the first one that differs is named. Left out,
            digests are.

        Returns
        -------
        tokenspace.extension.Proof
            True where nothing but the chosen rows differs. From digests alone `first_difference` is None in either case.

        Raises
        ------
        ArgumentError
            If all rows train, or neither a digest was recorded nor an older matrix is given.
        ShapeError
            If this matrix cannot hold the older one's rows.
        """
        if older is not None:
            self._write_through()
            now = as_array(self._whole(next(iter(self._pairs))))
            return proof(as_array(older) if isinstance(older, torch.Tensor) else older, now)
        seen = self.digest()
        if not self._digest:
            message = "no digest was recorded when the rows to train were chosen"
            raise ArgumentError(message, hint="leave record=True, or pass the older matrix")
        selection: Any = self._selection
        return Proof(selection.n - len(selection), len(selection), self._digest, seen, None)


def _version(tensor: torch.Tensor) -> int:
    """Return autograd's count of a tensor's changes; -1 for one made in inference mode, which has none."""
    return -1 if tensor.is_inference() else tensor._version  # noqa: SLF001 - what autograd itself checks


def _bits(rows: Any) -> NDArray[Any]:
    """Return rows as the integers that their bits are, which are equal where NaN is too; shares memory."""
    return rows.detach().view(INTEGERS[rows.element_size()]).numpy()


def _digest(runs: Iterable[torch.Tensor]) -> str:
    """Return the SHA-256 of the rows' bytes."""
    total = hashlib.sha256()
    for rows in runs:
        step = max(1, BLOCK // max(1, rows[:1].numel() * rows.element_size()))
        for start in range(0, len(rows), step):
            total.update(as_array(rows[start : start + step].contiguous()).view("uint8").data)
    return total.hexdigest()
