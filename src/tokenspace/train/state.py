"""Where a training stands, in a file beside its output: what trains and the optimiser's memory of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tokenspace.errors import ArgumentError, HeaderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch


class State:
    """A file with the rows, their optimiser's moments and the step, a few numbers a row.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, optimiser: torch.optim.Optimizer, settings: Mapping[str, Any], step: int) -> None:
        """Write it, whole or not at all."""
        tensors = {}
        for place, parameter in enumerate(_parameters(optimiser)):
            tensors[f"{place}"] = parameter.detach().clone()
            tensors |= {f"{place}.{name}": value.clone() for name, value in optimiser.state.get(parameter, {}).items()}
        beside = self.path.with_name(self.path.name + ".new")
        save_file(tensors, beside, metadata={"settings": json.dumps(dict(settings)), "step": str(step)})
        beside.replace(self.path)

    def read(self, optimiser: torch.optim.Optimizer, settings: Mapping[str, Any]) -> int:
        """Take up what the file has; return the step.

        Raises
        ------
        ArgumentError
            If there is no such file, or it was written with other settings.
        HeaderError
            If it is damaged.
        """
        if not self.path.exists():
            message = f"there is nothing to go on with: no {self.path}"
            raise ArgumentError(message, hint="it is there after a stop; start anew without resume (--resume)")
        try:
            with safe_open(self.path, framework="pt") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            before, step = json.loads(told["settings"]), int(told["step"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise HeaderError(self.path, f"it is no record of a training: {error!s:.80}", hint="remove it and start anew") from None
        differing = [name for name in settings if before.get(name) != settings[name]]
        if differing:
            name = differing[0]
            message = f"the training that was stopped had {name} {before.get(name)!r}; seen {settings[name]!r}"
            raise ArgumentError(message, hint="give the same values, or start anew without resume (--resume)")
        for place, parameter in enumerate(_parameters(optimiser)):
            held = tensors.get(f"{place}")
            if held is None or held.shape != parameter.shape:
                raise HeaderError(self.path, f"expected rows of shape {tuple(parameter.shape)}", hint="remove it and start anew")
            parameter.data.copy_(held)
            found = {name.partition(".")[2]: value for name, value in tensors.items() if name.startswith(f"{place}.")}
            if found:
                optimiser.state[parameter] = found
        return step


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]
