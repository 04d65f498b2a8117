"""Which tensors of a model have one row a token: the input embedding, its copies, the output heads and their biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.folders import config
from tokenspace.checkpoint.folders.contents import STATIC, Folder
from tokenspace.checkpoint.streams.comparing import equal
from tokenspace.checkpoint.tensors.safetensors_file import FLOATS
from tokenspace.errors import DtypeError, UnknownArchitectureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenspace.checkpoint.tensors.safetensors_file import Stored
    from tokenspace.checkpoint.tensors.weights import Weights

INPUTS = (
    "word_embeddings.weight",  # BERT and kin, Bloom, Falcon
    "word_embedding.weight",  # XLNet
    "embed_tokens.weight",  # Llama, Mistral, Qwen, Gemma, Phi, OPT, Whisper's decoder
    "tok_embeddings.weight",  # ModernBERT, InternLM 2
    "shared.weight",  # T5, BART
    "wte.weight",  # GPT-2, GPT-J, MPT
    "embed_in.weight",  # GPT-NeoX, Pythia
    "token_embedding.weight",  # CLIP's text model
    "backbone.embeddings.weight",  # Mamba
    "backbone.embedding.weight",  # Mamba, as first published
    "transformer.embeddings.weight",  # XLM
    "tokens_embed.weight",  # GPT, the first
    "transformer.w.weight",  # CTRL
    "rwkv.embeddings.weight",  # RWKV
    "embedding.weight",  # sentence-transformers' StaticEmbedding
)
"""How input embeddings are called: the ends of their names, each with the models that use it."""

HEADS = (
    "lm_head.weight",
    "embed_out.weight",  # GPT-NeoX
    "lm_head.decoder.weight",  # RoBERTa
    "lm_head.linear.weight",  # Phi 1
    "predictions.decoder.weight",  # BERT, ALBERT
    "vocab_projector.weight",  # DistilBERT
    "generator_lm_head.weight",  # ELECTRA
    "lm_loss.weight",  # XLNet
    "pred_layer.proj.weight",  # XLM, FlauBERT
    "proj_out.weight",  # Whisper
    "decoder.weight",  # ModernBERT
    "output.weight",  # InternLM 2
    "head.weight",  # RWKV
)
"""How output heads are called."""

BIASES = (
    "lm_head.bias",
    "lm_head.decoder.bias",
    "lm_head.linear.bias",
    "predictions.bias",  # BERT, ALBERT
    "predictions.decoder.bias",
    "vocab_projector.bias",
    "generator_lm_head.bias",
    "lm_loss.bias",
    "pred_layer.proj.bias",
    "decoder.bias",
    "embed_out.bias",
    "final_logits_bias",  # BART, Marian: of shape (1, n)
)
"""How the heads' biases are called."""

WITH_HEAD = ("ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForConditionalGeneration", "ForPreTraining", "MTModel", "WithLMHead")
"""Ends of the names of architectures that have a head, even where the file holds none because it is the embedding."""


@dataclass(frozen=True)
class Roles:
    """What the tensors with one row a token are.

    Attributes
    ----------
    embedding : str
        The input embedding.
    copies : tuple of str
        Tensors that hold the embedding again, byte for byte: its other names, and heads that are tied to it.
    heads : tuple of str
        Output heads of their own.
    biases : tuple of str
        The heads' biases.
    head : str
        "tied", "untied" or "none".
    """

    embedding: str
    copies: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()
    head: str = "none"

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (self.embedding, *self.copies, *self.heads, *self.biases)

    def __str__(self) -> str:
        """Say what the head is."""
        return f"{self.head}, with bias" if self.biases else self.head


def roles_of(folder: Folder, weights: Weights, settings: dict[str, Any], *, chosen: Sequence[str] = ()) -> Roles:
    """Tell which tensors have one row a token.

    Parameters
    ----------
    folder : Folder
    weights : Weights
    settings : dict
        The content of config.json; empty for a module that has none.
    chosen : sequence of str
        The input embedding's name, then those of heads, where the names above do not tell.

    Returns
    -------
    Roles

    Raises
    ------
    UnknownArchitectureError
        If no tensor, or more than one, may be the embedding; or if another tensor has as many rows and no known role. The candidates
        are listed.
    DtypeError
        If the embedding is quantised.

    Notes
    -----
    Headers are compared, not bytes; only where a head is there although the configuration ties it are the two read through.
    """
    tensors = weights.tensors
    place = folder.root / folder.within("config.json")
    config.check_size(place, settings)
    sizes = config.vocabulary_sizes(settings)
    embedding, copies = _chosen(folder, tensors, chosen) if chosen else input_embedding(folder, tensors, sizes)
    table = tensors[embedding]
    if table.dtype not in FLOATS:
        message = f"the embedding {embedding!r} is stored as {table.dtype}; expected {', '.join(FLOATS)}"
        raise DtypeError(message, hint="extend the model before it is quantised")
    if sizes and table.rows not in sizes:
        problem = f"vocab_size is {' and '.join(map(str, sizes))}, but {embedding!r} has {table.rows:,} rows"
        raise UnknownArchitectureError(place, problem, hint="which of the two is wrong?")
    same = [name for name, tensor in tensors.items() if tensor.shape == table.shape and tensor.dtype in FLOATS and name != embedding]
    heads = list(chosen[1:]) or [name for name in same if _ends(name, HEADS) and name not in copies]
    biases = [name for name, tensor in tensors.items() if tensor.is_bias and tensor.rows == table.rows and _ends(name, BIASES)]
    _check_others(folder, tensors, table, {embedding, *copies, *heads, *biases})
    ties = config.ties(settings)
    tied = [name for name in heads if ties is not False and equal(tensors[name].whole(), table.whole())]
    return Roles(
        embedding,
        (*copies, *tied),
        tuple(name for name in heads if name not in tied),
        tuple(biases),
        _head(heads, tied, ties=ties, settings=settings),
    )


def _head(heads: list[str], tied: list[str], *, ties: bool | None, settings: dict[str, Any]) -> str:
    if heads:
        return "tied" if len(tied) == len(heads) else "untied"
    named = any(str(name).endswith(WITH_HEAD) for name in settings.get("architectures") or ())
    return "tied" if named and ties is not False else "none"


def _ends(name: str, ends: Iterable[str]) -> bool:
    return any(name == end or name.endswith(f".{end}") for end in ends)


def _chosen(folder: Folder, tensors: dict[str, Stored], chosen: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Check the names that the caller gave."""
    for name in chosen:
        if name not in tensors:
            problem = f"there is no tensor {name!r:.80}; with two axes there are {_listed(tensors, _matrices(tensors))}"
            raise UnknownArchitectureError(folder.root, problem)
        if len(tensors[name].shape) != 2 or tensors[name].rows != tensors[chosen[0]].rows:  # noqa: PLR2004 - a matrix has two axes
            problem = f"{name!r:.80} has the shape {tensors[name].shape}, {chosen[0]!r:.80} {tensors[chosen[0]].shape}"
            raise UnknownArchitectureError(folder.root, problem, hint="an embedding and its heads have one row a token each")
    return chosen[0], ()


def input_embedding(folder: Folder, tensors: dict[str, Stored], sizes: tuple[int, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the input embedding's name and those of its copies; only where there are copies is more read than headers.

    Raises
    ------
    UnknownArchitectureError
        If there is none, or several that differ.
    """
    ends = (*INPUTS, "embeddings") if folder.module == STATIC or not sizes else INPUTS[:-1]
    named = [name for name in _matrices(tensors) if _ends(name, ends)]
    found = [name for name in named if tensors[name].rows in sizes] or named
    found.sort(key=lambda name: (not _ends(name, ["shared.weight"]), name.count("."), name))
    if not found:
        problem = f"no tensor is named like an input embedding; with two axes there are {_listed(tensors, _matrices(tensors))}"
        raise UnknownArchitectureError(folder.root, problem, hint="name it: embedding=... (--embedding NAME)")
    first = tensors[found[0]]
    others = [name for name in found[1:] if tensors[name].shape != first.shape or not equal(tensors[name].whole(), first.whole())]
    if others:
        problem = f"more than one tensor may be the input embedding: {_listed(tensors, found)}"
        raise UnknownArchitectureError(folder.root, problem, hint="name it: embedding=... (--embedding NAME)")
    return found[0], tuple(found[1:])


def _check_others(folder: Folder, tensors: dict[str, Stored], table: Stored, known: set[str]) -> None:
    """Refuse where a tensor outside the numbered layers has as many rows as the table, and no known role."""
    unknown = [
        name
        for name, tensor in tensors.items()
        if name not in known
        and tensor.shape
        and table.rows in {tensor.shape[0], tensor.rows}
        and not any(part.isdigit() for part in name.split("."))
        and "position" not in name
    ]
    if unknown:
        problem = f"as many rows as the embedding {table.name!r} ({table.rows:,}), and no known role: {_listed(tensors, unknown)}"
        raise UnknownArchitectureError(folder.root, problem, hint="name the embedding, then the heads: embedding=[...] (--embedding NAME)")


def _matrices(tensors: dict[str, Stored]) -> list[str]:
    return [name for name, tensor in tensors.items() if len(tensor.shape) == 2]  # noqa: PLR2004 - a matrix has two axes


def _listed(tensors: dict[str, Stored], names: Sequence[str], most: int = 8) -> str:
    """Write names with their shapes, those with most rows first."""
    first = sorted(names, key=lambda name: -tensors[name].shape[0])[:most]
    text = ", ".join(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}" for name in first)
    return (text or "none") + (f" and {len(names) - most} more" if len(names) > most else "")
