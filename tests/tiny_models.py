"""Transformers of some kB, made where a test needs one: random weights, and a tokenizer of some words and letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tokenizers
import torch
import transformers

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    "the",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "king",
    "queen",
    "man",
    "woman",
    "of",
    "and",
    "in",
    "city",
    "river",
    "bank",
    "money",
    "tree",
    "house",
]
UNKNOWN = "[UNK]"


def written_tokenizer(folder: Path, *, special: bool = True) -> None:
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{x}" for x in "abcdeinrst")]
    pieces = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ",", *letters]
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token=UNKNOWN))
    made.normalizer, made.pre_tokenizer = tokenizers.normalizers.BertNormalizer(), tokenizers.pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    if special:
        made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3))
    names = {"unk_token": UNKNOWN, "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)
    fast.model_max_length = 60
    fast.save_pretrained(folder)


def bert(folder: Path, kind: str = "BertModel") -> Path:
    config = transformers.BertConfig(
        vocab_size=70, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=30, max_position_embeddings=64
    )
    torch.manual_seed(0)
    model = getattr(transformers, kind)(config)
    if kind == "BertForMaskedLM":
        torch.nn.init.normal_(model.cls.predictions.bias)
    model.save_pretrained(folder)
    written_tokenizer(folder)
    return folder
