"""transformers: resize_token_embeddings; and what people do with safetensors to extend a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "transformer.wte.weight"


def small_model(rows: torch.Tensor) -> Any:
    """Return a GPT-2 without layers around a table; its head is tied."""
    n, d = rows.shape
    config = GPT2Config(vocab_size=8, n_embd=d, n_layer=0, n_head=1, n_positions=1024)
    model = GPT2LMHeadModel(config).to(rows.dtype).eval()
    model.transformer.wte = torch.nn.Embedding(n, d, _weight=rows)
    model.lm_head = torch.nn.Linear(d, n, bias=False, device="meta")
    model.lm_head.weight = model.transformer.wte.weight
    model.config.vocab_size = n
    return model


def mean_resizing(old: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Add rows by the mean and covariance of the old ones."""
    return _resizing(old, mean_resizing=True)


def noise(old: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Add rows by the model's own random initialisation."""
    return _resizing(old, mean_resizing=False)


def _resizing(old: torch.Tensor, **options: bool) -> Callable[[], torch.Tensor]:
    model = small_model(old)

    def work() -> torch.Tensor:
        rows: torch.Tensor = model.resize_token_embeddings(len(old) + 100, **options).weight.detach()[len(old) :]
        return rows

    return work


def load_cat_save(folder: Path, out: Path, count: int) -> Callable[[], None]:
    """Load all tensors, join rows, save all tensors."""

    def work() -> None:
        tensors = load_file(folder / "model.safetensors")
        rows = tensors[NAME]
        tensors[NAME] = torch.cat([rows, rows.float().mean(0).to(rows.dtype).expand(count, -1)])
        out.mkdir()
        save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})

    return work


def save_model(folder: Path, rows: torch.Tensor) -> None:
    """Write a model folder around a table, with a tokenizer of as many words."""
    from tokenizers import Tokenizer, models  # noqa: PLC0415 - this alone needs them

    model = small_model(rows)
    model.save_pretrained(folder)
    vocabulary = {f"w{number}": number for number in range(len(rows))}
    Tokenizer(models.WordLevel(vocabulary, unk_token="w0")).save(str(folder / "tokenizer.json"))  # noqa: S106 - a token of text
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))


def rows_of(folder: Path) -> torch.Tensor:
    """Return the table of a model folder."""
    return load_file(folder / "model.safetensors")[NAME]
