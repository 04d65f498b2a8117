"""A Transformer with what makes one vector of its token representations: pooling, dense layers, length 1."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch.nn import functional

from tokenspace.errors import ArgumentError, MissingExtraError, MissingPartError, ModelFolderError
from tokenspace.texts.cutting import open_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Pooling = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

CUT = 20
"""Letters a token, at the most, that are looked at of a text: what stands behind length · CUT letters is cut off unread. Tokens have 4 to 5
letters on average; a text of words of more than 20 letters, one token each, would be read less far than by sentence-transformers."""


class SentenceModel(torch.nn.Module):
    """A network that makes a vector of each text.

    Parameters
    ----------
    network : torch.nn.Module
        Of transformers, an encoder.
    tokenizer : tokenizers.Tokenizer
    modules : sequence of callable
        What comes behind the token representations: the first takes them, of shape (b, l, h), and the mask (b, l, 1), the others the
        vectors (b, h).
    d : int
        Numbers a vector.
    length : int
        Tokens read of a text at the most.
    folder : path
    """

    def __init__(self, network: Any, tokenizer: Any, modules: Sequence[Any], *, d: int, length: int, folder: Path) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.pooling: Pooling = modules[0]
        self.layers = torch.nn.ModuleList(modules[1:])
        self.d, self.length, self.folder = d, length, folder
        self.special = tokenizer.num_special_tokens_to_add(is_pair=False)
        self.segments = "token_type_ids" in network.forward.__code__.co_varnames

    @classmethod
    def opened(cls, folder: Path, *, length: int | None = None) -> Self:
        """Open a model folder.

        Raises
        ------
        MissingExtraError
            If transformers is not installed.
        ModelFolderError
            If it cannot be opened as an encoder, or has a module that is not known here.
        ArgumentError
            If `length` does not leave room for a token.
        """
        try:
            from transformers import AutoModel  # noqa: PLC0415 - takes seconds, and only here
        except ImportError as error:
            message = "a Transformer is opened with transformers, which is not installed"
            raise MissingExtraError(message, hint="pip install 'tokenspace[transformers]'") from error
        listed = _modules(folder)
        inner = folder / str(listed[0].get("path", ""))
        if not inner.resolve().is_relative_to(folder.resolve()):
            raise ModelFolderError(folder / "modules.json", f"a module's path leads out of the folder: {listed[0].get('path')!r}")
        try:
            network: Any = AutoModel.from_pretrained(inner, local_files_only=True, trust_remote_code=False).float()
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelFolderError(folder, f"it cannot be opened as a Transformer: {error!s:.200}") from error
        network.eval()
        if getattr(network.config, "is_encoder_decoder", False):
            network = network.get_encoder()
        tokenizer = open_tokenizer(inner)
        tokenizer.no_padding()
        most = int(length or _told(inner, "sentence_bert_config.json").get("max_seq_length") or _positions(inner, network))
        if most <= tokenizer.num_special_tokens_to_add(is_pair=False):
            message = f"length must leave room for a token beside the special ones; seen {most}"
            raise ArgumentError(message)
        tokenizer.enable_truncation(most)
        width = int(network.config.hidden_size)
        modules, width = _behind(folder, listed[1:], width)
        return cls(network, tokenizer, modules, d=width, length=most, folder=folder).eval()

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of texts, special ones too, cut to the length."""
        cut = [text if len(text) <= CUT * self.length else text[: CUT * self.length] for text in texts]
        return [one.ids for one in self.tokenizer.encode_batch_fast(cut)]

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return vectors of shape (b, d) for ids of shape (b, l) and the mask of what is text."""
        more = {"token_type_ids": torch.zeros_like(ids)} if self.segments else {}
        hidden = self.network(input_ids=ids, attention_mask=mask, **more).last_hidden_state
        vectors = self.pooling(hidden, mask[:, :, None].to(hidden.dtype))
        for layer in self.layers:
            vectors = layer(vectors)
        return vectors

    def vectors(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Return the vectors of texts given as ids, without gradients."""
        with torch.inference_mode():
            vectors: NDArray[np.float32] = self(*padded(ids)).float().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Write the weights into a copy of the folder that has all but them."""
        from safetensors.torch import save_file  # noqa: PLC0415 - here alone

        listed = _modules(folder)
        self.network.save_pretrained(folder / str(listed[0].get("path", "")))
        dense = [module for module in listed[1:] if str(module.get("type", "")).endswith("Dense")]
        layers = [layer for layer in self.layers if isinstance(layer, torch.nn.Sequential)]
        for module, layer in zip(dense, layers, strict=True):
            weights = {f"linear.{name.partition('.')[2]}": value.detach().clone() for name, value in layer.state_dict().items()}
            save_file(weights, folder / str(module["path"]) / "model.safetensors")

    @contextlib.contextmanager
    def threads(self, count: int | None) -> Iterator[None]:
        """Give PyTorch so many threads meanwhile; None leaves its setting."""
        before = torch.get_num_threads()
        if count is not None:
            torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def padded(ids: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids of shape (b, l), filled up with 0 on the right, and the mask of what is text, both int64."""
    lengths = np.array([len(some) for some in ids])
    mask = np.arange(int(lengths.max(initial=1)))[None, :] < lengths[:, None]
    filled = np.zeros(mask.shape, dtype=np.int64)
    filled[mask] = np.concatenate([np.asarray(some, dtype=np.int64) for some in ids]) if len(ids) else 0
    return torch.from_numpy(filled), torch.from_numpy(mask.astype(np.int64))


class Unit(torch.nn.Module):
    """Brings vectors to length 1; zero ones stay zero."""

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Divide each by its length."""
        return functional.normalize(vectors, dim=1)


def _last(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return hidden[torch.arange(len(hidden)), mask[:, :, 0].sum(dim=1).long().clamp(min=1) - 1]


def _weighted(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    place = mask * torch.arange(1, hidden.shape[1] + 1, dtype=hidden.dtype)[None, :, None]
    return (hidden * place).sum(dim=1) / place.sum(dim=1).clamp(min=1e-9)


POOLINGS: dict[str, Pooling] = {
    "cls": lambda hidden, _: hidden[:, 0],
    "max": lambda hidden, mask: hidden.masked_fill(mask == 0, -torch.inf).max(dim=1).values,
    "mean": lambda hidden, mask: (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9),
    "mean_sqrt_len_tokens": lambda hidden, mask: (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9).sqrt(),
    "weightedmean": _weighted,
    "lasttoken": _last,
}
"""sentence-transformers' names; where a folder asks for several, their vectors stand side by side in this order."""

LONG = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens"}
"""What stands behind ``pooling_mode_`` in its configuration where that is not the name itself."""

ACTIVATIONS: dict[str, Callable[[], torch.nn.Module]] = {
    "torch.nn.modules.activation.Tanh": torch.nn.Tanh,
    "torch.nn.modules.activation.ReLU": torch.nn.ReLU,
    "torch.nn.modules.activation.GELU": torch.nn.GELU,
    "torch.nn.modules.activation.Sigmoid": torch.nn.Sigmoid,
    "torch.nn.modules.linear.Identity": torch.nn.Identity,
}
"""Activations of dense layers, by the name a folder gives; no name is imported."""


def _told(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    if not file.is_file():
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFolderError(file, f"it is no JSON: {error!s:.80}") from None
    return told if isinstance(told, dict) else {"": told}


def _modules(folder: Path) -> list[dict[str, Any]]:
    """Return the modules that a folder of sentence-transformers lists; of another one the Transformer and the mean."""
    listed: list[dict[str, Any]] = _told(folder, "modules.json").get("", [])
    if not listed:
        return [{"type": "Transformer", "path": ""}]
    kind = str(listed[0].get("type", "")).rpartition(".")[2]
    if kind != "Transformer":
        hint = "a static one is opened as a table: tokenspace.open(folder)"
        raise ModelFolderError(folder / "modules.json", f"expected a Transformer as the first module, seen {kind!r}", hint=hint)
    return listed


def _positions(folder: Path, network: Any) -> int:
    """Return how many tokens a network reads, where nothing says how many it shall."""
    told = _told(folder, "tokenizer_config.json").get("model_max_length")
    most = getattr(network.config, "max_position_embeddings", None) or 512
    return min(int(most), int(told)) if told else int(most)


def _behind(folder: Path, listed: list[dict[str, Any]], width: int) -> tuple[list[Any], int]:
    """Return what comes behind the Transformer, and how many numbers come out of it."""
    modules: list[Any] = []
    for module in listed:
        kind, path = str(module.get("type", "")).rpartition(".")[2], folder / str(module.get("path", ""))
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelFolderError(folder / "modules.json", f"a module's path leads out of the folder: {module.get('path')!r}")
        if kind == "Pooling" and not modules:
            modules.append(_pooling(path))
            width *= len(modules[0].modes)
        elif kind == "Normalize" and modules:
            modules.append(Unit())
        elif kind == "Dropout" and modules:
            continue  # of no effect but in training
        elif kind == "Dense" and modules:
            modules.append(_dense(path, width))
            width = modules[-1][0].out_features
        else:
            problem = f"expected Pooling, then Normalize, Dense or Dropout; seen the module {kind!r}"
            raise ModelFolderError(folder / "modules.json", problem)
    return modules or [Pooled(["mean"])], width


class Pooled(torch.nn.Module):
    """Makes one vector of token representations, by one or several ways.

    Parameters
    ----------
    modes : list of str
        Names of `POOLINGS`.
    """

    def __init__(self, modes: list[str]) -> None:
        super().__init__()
        self.modes = modes

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Pool."""
        return torch.cat([POOLINGS[mode](hidden, mask) for mode in self.modes], dim=1)


def _pooling(path: Path) -> Pooled:
    told = _told(path, "config.json")
    named = told.get("pooling_mode")
    modes = [str(name) for name in (named if isinstance(named, list) else [named])] if named else []
    modes = modes or [mode for mode in POOLINGS if told.get(f"pooling_mode_{LONG.get(mode, mode)}")] or ["mean"]
    unknown = [mode for mode in modes if mode not in POOLINGS]
    if unknown:
        raise ModelFolderError(path / "config.json", f"expected a pooling of {', '.join(POOLINGS)}; seen {unknown[0]!r}")
    return Pooled(modes)


def _dense(path: Path, width: int) -> torch.nn.Sequential:
    from safetensors.torch import load_file  # noqa: PLC0415 - of folders with such a layer alone

    told = _told(path, "config.json")
    name = str(told.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if name not in ACTIVATIONS:
        raise ModelFolderError(path / "config.json", f"expected an activation of {', '.join(ACTIVATIONS)}; seen {name!r}")
    file = path / "model.safetensors"
    if not file.is_file():
        raise MissingPartError(file, "expected the weights of a dense layer, seen no such file")
    weights = load_file(file)
    linear = torch.nn.Linear(width, int(told.get("out_features", width)), bias=bool(told.get("bias", True)))
    try:
        linear.load_state_dict({key.removeprefix("linear."): value for key, value in weights.items()})
    except RuntimeError as error:
        raise ModelFolderError(file, f"its tensors do not fit: {error!s:.120}") from None
    return torch.nn.Sequential(linear, ACTIVATIONS[name]())
