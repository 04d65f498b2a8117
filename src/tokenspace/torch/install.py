"""Put the layer and the head into a model of transformers, and take them out again.

The model keeps its code and its names: the embedding's module and the output head's are replaced where they stand, tied ones stay
tied, a bias grows with its head. Everything else stops training.
"""

# ruff: noqa: SLF001 - torch.nn.Module keeps what is registered in private dictionaries, and layer and head are one thing in two files
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tokenspace.errors import ArgumentError, DuplicateTokenError, ShapeError, TokenError
from tokenspace.extension import HEAD
from tokenspace.torch.head import Head, TiedHead
from tokenspace.torch.joining import checked_tokens, grown_to, initial_rows
from tokenspace.torch.layer import EmbeddingLayer
from tokenspace.torch.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tokenspace.extension import Proof


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """What `extend` put into a model.

    Attributes
    ----------
    layer : EmbeddingLayer
    head : Head, TiedHead or None
        None where the model has no output head, or one that is not its vocabulary's.
    ids : array of shape (m,), int64
        The new tokens' rows.
    """

    layer: EmbeddingLayer
    head: Head | TiedHead | None
    ids: NDArray[np.int64]

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return what trains: the new rows, and of a head of its own those and its new biases."""
        modules = [self.layer] if self.head is None else [self.layer, self.head]
        return [parameter for module in modules for parameter in module.parameters()]

    def proofs(self) -> dict[str, Proof]:
        """Show for the layer, and for a head's own rows, whether what does not train is what it was.

        Returns
        -------
        dict of Proof
            Under "layer" and, where the head has rows or biases of its own, "head".
        """
        found = {"layer": self.layer.proof()}
        if self.head is not None and self.head._selection is not None:
            found["head"] = self.head.proof()
        return found


def extend(
    model: torch.nn.Module,
    tokens: Iterable[str] | int,
    *,
    init: str | ArrayLike | torch.Tensor = "mean",
    head_init: str | ArrayLike | torch.Tensor | None = None,
    parts: Sequence[Sequence[int]] | None = None,
    tokenizer: Any = None,
    ids: ArrayLike | None = None,
    **options: Any,
) -> Extended:
    """Give a model of transformers rows for new tokens, and let nothing else of it train.

    Parameters
    ----------
    model : torch.nn.Module
        With `get_input_embeddings` and `get_output_embeddings`, or with a module inside that has them (sentence-transformers).
    tokens : iterable of str, or int
        The new tokens, or how many.
    init : str, or array or tensor of shape (m, d), default "mean"
        How the rows start: a name of `tokenspace.extension.INITIALISERS`, or the rows.
    head_init : as init, optional
        For an untied head. Left out, `tokenspace.extension.HEAD` says what goes with `init`; a head's bias starts at its mean.
    parts : sequence of m sequences of int, optional
        Row ids that each token starts from; with a tokenizer they are what it makes of the tokens today.
    tokenizer : optional
        A tokenizer of transformers, to which the tokens are added; the ids it gives them are used, in reserved rows or behind them.
    ids : array of shape (m,), optional
        Where the rows go; left out, behind the others. Not with a tokenizer.
    **options
        As `tokenspace.extension.new_rows`.

    Returns
    -------
    Extended

    Raises
    ------
    ArgumentError
        If the model has no embedding to extend, its head is not a `torch.nn.Linear`, or tokens and ids do not go together.
    DuplicateTokenError
        If the tokenizer has a token already, or one is given twice.
    TokenError
        If a token is empty or no string.
    RowIdError, ShapeError, NotFiniteError
        If ids or initial rows do not fit.

    Notes
    -----
    All that held the embedding's weight holds it still; `config.vocab_size` and its like become the new number of rows. The model's
    own loss makes all logits: call `head.cross_entropy(hidden, targets)` instead for the memory it saves. While the model is
    extended `tie_weights` and `resize_token_embeddings` do not apply; `merge` first. Rows in a reserved place are written where they
    stand: keep a copy of the model if you need them.
    """
    old, output = _ends(model)
    n = old.num_embeddings
    added: Any = tokens if isinstance(tokens, (int, str)) else list(tokens)
    m = checked_tokens(added, None)[0]
    if tokenizer is not None:
        pieces = _pieces(tokenizer, added, n)
        parts = pieces if parts is None else parts
    places = np.arange(n, n + m) if ids is None else np.asarray(ids)
    Selection(places, grown_to(places, n, can_grow=True))  # all that can be wrong is found before anything changes
    if places.shape != (m,):
        message = f"each of the {m} new tokens needs an id; seen ids of shape {places.shape}"
        raise ShapeError(message)
    rows = initial_rows(old.weight, m, init=init, parts=parts, **options)
    head_rows = None
    tied = output is not None and output.weight is old.weight
    if output is not None and not tied:
        usual = HEAD.get(init, init) if isinstance(init, str) else "mean"
        head_rows = initial_rows(output.weight, m, init=usual if head_init is None else head_init, parts=parts, **options)
    if tokenizer is not None:
        places = _taught(tokenizer, added)
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - torch's
    layer = _layer_for(old)
    _replace(model, old, layer)
    head = None if output is None else TiedHead(layer, output.bias).train(output.training) if tied else Head.from_module(output)
    if output is not None and head is not None:
        _replace(model, output, head)
        _alias(model, output.bias, head)
    layer.place(places, rows)
    if isinstance(head, Head):
        head.place(places, head_rows)
    _rename_size(model, head, n, layer.num_embeddings)
    return Extended(layer, head, places)


def merge(model: torch.nn.Module) -> torch.nn.Module:
    """Put plain modules of torch back in the place of what `extend` put in; tied ones are tied, and train.

    Parameters
    ----------
    model : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        The same.

    Notes
    -----
    No number is copied. What `extend` froze stays frozen.
    """
    plain: dict[int, Any] = {}
    for module in list(model.modules()):
        if isinstance(module, EmbeddingLayer) and id(module) not in plain:
            plain[id(module)] = _unlayered(module)
            _replace(model, module, plain[id(module)])
    for module in list(model.modules()):
        if isinstance(module, (Head, TiedHead)):
            linear = module.merge()
            if isinstance(module, TiedHead) and id(module.layer) in plain:
                linear.weight = plain[id(module.layer)].weight
            for alias in module.__dict__.pop("aliases", []):
                alias.undo(linear.bias)
            _replace(model, module, linear)
    return model


class _Alias:
    """A second name of a head's bias, as BERT's `cls.predictions.bias` is: kept in state dicts only."""

    def __init__(self, owner: torch.nn.Module, name: str, head: Head | TiedHead) -> None:
        self.owner, self.name, self.head = owner, name, head
        del owner._parameters[name]
        self.hooks = [owner.register_state_dict_post_hook(self), owner.register_load_state_dict_pre_hook(self.load)]

    def __call__(self, module: torch.nn.Module, state: dict[str, Any], prefix: str, metadata: object) -> None:
        """Write the bias under this name too, whenever the owner's state is asked for."""
        del module, metadata
        bias: Any = self.head.bias
        self.head._write_through()
        state[prefix + self.name] = bias.detach()

    def load(self, module: torch.nn.Module, state: dict[str, Any], prefix: str, *rest: object) -> None:
        """Leave loading to the head."""
        del module, rest
        state.pop(prefix + self.name, None)

    def undo(self, bias: torch.nn.Parameter) -> None:
        """Give the owner its Parameter again."""
        for hook in self.hooks:
            hook.remove()
        self.owner.register_parameter(self.name, bias)


def _ends(model: torch.nn.Module) -> tuple[torch.nn.Embedding, torch.nn.Linear | None]:
    """Return the input embedding and the output head."""
    home: Any = next((module for module in model.modules() if hasattr(module, "get_input_embeddings")), None)
    if home is None:
        message = f"a {type(model).__name__} does not say which its input embedding is (no get_input_embeddings)"
        raise ArgumentError(message, hint="replace it yourself: EmbeddingLayer.from_module(model.embedding)")
    first, last = home.get_input_embeddings(), getattr(home, "get_output_embeddings", lambda: None)()
    if not isinstance(first, torch.nn.Embedding) or isinstance(first, EmbeddingLayer):
        message = f"the input embedding must be a torch.nn.Embedding that is not extended yet; seen {type(first).__name__}"
        raise ArgumentError(message, hint="merge(model) first, or call its extend()" if isinstance(first, EmbeddingLayer) else "")
    if last is not None and not isinstance(last, torch.nn.Linear):
        message = f"the output head must be a torch.nn.Linear; seen {type(last).__name__}"
        raise ArgumentError(message)
    return first, last


def _places(model: torch.nn.Module, module: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, str]]:
    """Yield parent and name of every place a module stands in."""
    for parent in model.modules():
        for name, child in parent._modules.items():
            if child is module:
                yield parent, name


def _replace(model: torch.nn.Module, old: torch.nn.Module, new: torch.nn.Module) -> None:
    """Set `new` wherever `old` stands, and wherever an embedding with the same weight does (encoders and decoders that share one)."""
    twins = [old]
    if isinstance(old, torch.nn.Embedding) and isinstance(new, EmbeddingLayer):
        twins += [m for m in model.modules() if m is not old and isinstance(m, torch.nn.Embedding) and m.weight is old.weight]
    for twin in twins:
        for parent, name in list(_places(model, twin)):
            setattr(parent, name, new)


def _alias(model: torch.nn.Module, bias: torch.nn.Parameter | None, head: Head | TiedHead) -> None:
    """Find the bias's other names and let the head answer for them."""
    if bias is None:
        return
    owners = [(m, name) for m in model.modules() for name, p in m._parameters.items() if p is bias and m is not head]
    head.__dict__["aliases"] = [_Alias(owner, name, head) for owner, name in owners]


STORES = ("_parameters", "_buffers", "_modules")
"""Where torch.nn.Module keeps what is registered; the rest of a module's attributes are its own."""


def _layer_for(module: torch.nn.Embedding) -> EmbeddingLayer:
    """Return a layer in a module's place; what a subclass does with the rows in its forward (a scale) is still done."""
    plain = EmbeddingLayer.from_module(module)
    if type(module) is torch.nn.Embedding:
        return plain
    layer = _blank(type(module))
    layer.__dict__.update({key: value for key, value in module.__dict__.items() if key not in plain.__dict__} | plain.__dict__)
    for store in STORES:
        layer.__dict__[store] = module.__dict__[store] | plain.__dict__[store]
    layer._non_persistent_buffers_set = set(module._non_persistent_buffers_set)
    return layer


def _unlayered(layer: EmbeddingLayer) -> torch.nn.Module:
    """Return what `_layer_for` took the place of, with the rows as they are now."""
    plain: Any = layer.merge()
    kind: Any = type(layer)._stands_for
    if kind is None:
        return plain
    module = kind.__new__(kind)
    ours = {*vars(EmbeddingLayer(1, 1)), "weight"}
    module.__dict__.update({key: value for key, value in layer.__dict__.items() if key not in ours} | plain.__dict__)
    for store in STORES:
        kept = {key: value for key, value in layer.__dict__[store].items() if key != "new_rows"}
        module.__dict__[store] = kept | plain.__dict__[store]
    module._non_persistent_buffers_set = set(layer._non_persistent_buffers_set)
    return module


def _blank(kind: Any) -> Any:
    """Return an object, still without attributes, that is a layer and does with its rows what `kind` does."""
    names = {"__module__": kind.__module__, "__reduce_ex__": _reduced, "_stands_for": kind}
    joined: Any = type(f"Extended{kind.__name__}", (kind, EmbeddingLayer), names)
    return joined.__new__(joined)


def _reduced(layer: EmbeddingLayer, protocol: Any) -> Any:
    """Pickle a layer of a class made at run time, by the class it was made from."""
    del protocol
    return _blank, (type(layer)._stands_for,), layer.__getstate__()


def _pieces(tokenizer: Any, tokens: Any, n: int) -> list[list[int]]:
    """Return what a tokenizer makes of new tokens today; it must know none of them, and fit the model's n rows."""
    if isinstance(tokens, int):
        message = "with a tokenizer the new tokens themselves are needed; seen their number"
        raise ArgumentError(message)
    words = [tokens] if isinstance(tokens, str) else tokens
    known = tokenizer.get_vocab()
    for token in words:
        if token in known:
            message = f"each new token needs a row of its own; the tokenizer has {token!r} already, as {known[token]}"
            raise DuplicateTokenError(message)
    if len(known) > n:
        message = f"the tokenizer has {len(known)} tokens and the model {n} rows: they do not belong together"
        raise ArgumentError(message)
    return [list(tokenizer(token, add_special_tokens=False)["input_ids"]) for token in words]


def _taught(tokenizer: Any, tokens: Any) -> NDArray[np.int64]:
    """Add tokens to a tokenizer; return the ids it gives them."""
    words = [tokens] if isinstance(tokens, str) else tokens
    tokenizer.add_tokens(words)
    ids = np.array(tokenizer.convert_tokens_to_ids(words), dtype=np.int64)
    if len(np.unique(ids)) != len(words):
        message = f"the tokenizer gave {len(np.unique(ids))} ids for {len(words)} tokens: it takes some of them for the same"
        raise TokenError(message)
    return ids


def _rename_size(model: torch.nn.Module, head: torch.nn.Module | None, old: int, new: int) -> None:
    """Bring the rest up to date: every `vocab_size`, in modules and configurations however deep, and what has a number a token.

    The latter is the `final_logits_bias` of BART and its kin, and the second bias of an untied BERT, which it keeps beside its head
    and does not use; both grow by zeros that do not train.
    """
    seen: set[int] = set()
    todo: list[Any] = list(model.modules())
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        values = getattr(thing, "__dict__", {})
        if values.get("vocab_size") == old:
            thing.vocab_size = new
        todo += [value for value in values.values() if hasattr(value, "to_diff_dict")]  # a configuration of transformers
    for owner in model.modules():
        names = (
            {"final_logits_bias", "bias"}
            if head is not None and any(child is head for child in owner.children())
            else {"final_logits_bias"}
        )
        for store in (owner._parameters, owner._buffers):
            for name in names & set(store):
                values = store[name]
                if values is not None and values.shape[-1] == old:
                    grown = torch.cat([values.detach(), values.new_zeros(*values.shape[:-1], new - old)], -1)
                    store[name] = torch.nn.Parameter(grown, requires_grad=False) if store is owner._parameters else grown
