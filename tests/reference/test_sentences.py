"""Sentence vectors against sentence-transformers and model2vec: the same numbers, ids, pairs and groups."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from tokenspace import checkpoint  # noqa: E402
from tokenspace.encode import Static, encode_lines, open_encoder  # noqa: E402
from tokenspace.encode.distilling import distil, trimmed  # noqa: E402
from tokenspace.encode.transformer import Transformer, batches  # noqa: E402
from tokenspace.errors import ArgumentError, ModelFolderError, TokenError  # noqa: E402
from tokenspace.search import community, paraphrase_mining, semantic_search  # noqa: E402
from tokenspace.torch.attention import Reader  # noqa: E402
from tokenspace.torch.next_tokens import head_search, next_tokens  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))

from tiny_models import bert, written_tokenizer  # noqa: E402 - beside these folders

TEXTS = ["the cat sat", "", "a dog, a dog and the king of the city in a tree house", "zzz unknown", "man", "the " * 200, "man"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return bert(tmp_path_factory.mktemp("bert"))


def sentence_folder(folder: Path, modes: list[str], *, dense: bool = False, unit: bool = True) -> Path:
    """Write a folder of sentence-transformers with that library itself."""
    st = pytest.importorskip("sentence_transformers")
    bert(folder / "base")
    modules = st.sentence_transformer.modules if hasattr(st, "sentence_transformer") else st.models
    word = modules.Transformer(str(folder / "base"))
    parts = [word, modules.Pooling(24, pooling_mode=modes if len(modes) > 1 else modes[0])]
    torch.manual_seed(1)
    if dense:
        parts.append(modules.Dense(24 * len(modes), 7))
    if unit:
        parts.append(modules.Normalize())
    st.SentenceTransformer(modules=parts, device="cpu").save(str(folder / "st"))
    return folder / "st"


@pytest.mark.parametrize(
    ("modes", "dense", "unit"),
    [
        (["mean"], False, True),
        (["cls"], True, False),
        (["max", "mean"], True, True),
        (["weightedmean"], False, False),
        (["lasttoken"], False, True),
    ],
)
def test_vectors_are_those_of_sentence_transformers(tmp_path: Path, modes, dense, unit) -> None:
    folder = sentence_folder(tmp_path, modes, dense=dense, unit=unit)
    st = pytest.importorskip("sentence_transformers")
    expected = st.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    encoder = open_encoder(folder, batch=50)
    found, counts = encoder.counted(TEXTS)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert counts.tolist()[:2] == [3, 0]
    np.testing.assert_array_equal(encoder.encode(TEXTS)[4], found[6])


def test_a_plain_folder_is_read_with_the_mean(plain: Path, tmp_path: Path) -> None:
    encoder = Transformer(plain)
    tokenizer = transformers.AutoTokenizer.from_pretrained(plain)
    model = transformers.AutoModel.from_pretrained(plain).eval()
    for text in TEXTS[:4]:
        inside = tokenizer(text, return_tensors="pt", truncation=True)
        with torch.no_grad():
            hidden = model(**inside).last_hidden_state[0]
        np.testing.assert_allclose(encoder.encode(text), hidden.mean(dim=0).numpy(), atol=2e-6)
    (tmp_path / "text").write_text("\n".join(TEXTS) + "\n")
    encode_lines(encoder, tmp_path / "text", tmp_path / "out")
    np.testing.assert_allclose(ts.open(tmp_path / "out").matrix, encoder.encode(TEXTS), atol=1e-6)
    static = open_encoder(plain, kind="static")
    assert isinstance(static, Static)
    np.testing.assert_allclose(static.encode("the cat"), (static.table["the"] + static.table["cat"]) / 2, rtol=1e-6)


def test_folders_and_options_that_do_not_go_are_refused(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="length"):
        Transformer(plain, length=2)
    with pytest.raises(ArgumentError, match="weights"):
        open_encoder(plain, weights="sif")
    with pytest.raises(TokenError):
        Transformer(plain).encode(["a", None])
    folder = tmp_path / "st"
    folder.mkdir()
    for told, match in (
        ([{"type": "x.Transformer", "path": "../elsewhere"}], "out of the folder"),
        ([{"type": "x.CNN", "path": ""}], "CNN"),
    ):
        (folder / "modules.json").write_text(json.dumps(told))
        with pytest.raises(ModelFolderError, match=match):
            Transformer(folder)
    with pytest.raises(ModelFolderError):
        Transformer(tmp_path / "nothing")


@pytest.mark.parametrize("tokens", [1, 10, 1000])
def test_batches_hold_every_text_once_and_not_too_many_places(tokens: int) -> None:
    lengths = np.random.default_rng(0).integers(0, 30, 100)
    parts = list(batches(lengths, tokens))
    assert sorted(np.concatenate(parts).tolist()) == list(range(100))
    assert all(len(part) == 1 or len(part) * lengths[part].max() <= tokens for part in parts)


# ------------------------------------------------------------------------------------------------------------------- static


def test_static_vectors_are_those_of_model2vec(plain: Path, tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    done = distil(plain, tmp_path / "static", d=10)
    theirs, ours = model2vec.StaticModel.from_pretrained(tmp_path / "static"), open_encoder(tmp_path / "static")
    np.testing.assert_allclose(ours.encode(TEXTS), theirs.encode(TEXTS, max_length=None), atol=2e-6)  # 200 tokens added up in float32
    assert done.tokens == ours.table.n == len(theirs.tokens)
    theirs.save_pretrained(tmp_path / "theirs")
    np.testing.assert_allclose(open_encoder(tmp_path / "theirs").encode(TEXTS), ours.encode(TEXTS), atol=1e-6)


def test_a_distilled_folder_opens_in_sentence_transformers(plain: Path, tmp_path: Path) -> None:
    st = pytest.importorskip("sentence_transformers")
    distil(plain, tmp_path / "static", d=None, a=None, dtype="float16")
    found = st.SentenceTransformer(str(tmp_path / "static"), device="cpu").encode(TEXTS)
    ours = open_encoder(tmp_path / "static").encode(TEXTS)
    known = [bool(row.any()) for row in ours]
    assert known == [True, False, True, False, True, True, True]
    np.testing.assert_allclose(ours[known], found[known], atol=1e-3)  # theirs of no token is NaN


def test_each_token_goes_through_the_encoder_alone(plain: Path, tmp_path: Path) -> None:
    distil(plain, tmp_path / "static", d=None, a=None)
    table = ts.open(tmp_path / "static")
    assert not {"[CLS]", "[SEP]", "[MASK]", "[unused0]"} & set(table)
    model = transformers.AutoModel.from_pretrained(plain).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(plain)
    for token in ("cat", "##a", "[UNK]"):
        with torch.no_grad():
            hidden = model(torch.tensor([[3, tokenizer.convert_tokens_to_ids(token), 4]])).last_hidden_state[0]
        np.testing.assert_allclose(table[token], hidden.mean(dim=0).numpy(), atol=2e-6)
    distil(plain, tmp_path / "turned", d=5, a=1e-3)
    rows = np.asarray(table.matrix, dtype=np.float64)
    chance = 1 / np.arange(2, len(rows) + 2)
    turned = np.asarray(ts.open(tmp_path / "turned").matrix) / (1e-3 / (1e-3 + chance / chance.sum()))[:, None]
    centred = rows - rows.mean(axis=0)
    _, sizes, _ = np.linalg.svd(centred)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=0), sizes[:5], rtol=1e-4)


def test_what_cannot_be_distilled_is_said(plain: Path, tmp_path: Path) -> None:
    for wrong in ({"d": 25}, {"pooling": "other"}, {"leave_out": "("}, {"dtype": "int8"}):
        with pytest.raises(ArgumentError):
            distil(plain, tmp_path / "static", **wrong)
    distil(plain, tmp_path / "static", d=3)
    with pytest.raises(ts.errors.OutputError, match="there already"):
        distil(plain, tmp_path / "static")


def test_a_tokenizer_is_trimmed_whatever_its_model() -> None:
    scores = [("<unk>", 0.0), ("[unused1]", -1.0), ("a", -2.0), ("b", -3.0)]
    unigram = tokenizers.Tokenizer(tokenizers.models.Unigram(scores, unk_id=0, byte_fallback=False))
    unigram.add_special_tokens(["<s>"])
    settings, ids = trimmed(json.loads(unigram.to_str()), r"\[unused\d+\]")
    small = tokenizers.Tokenizer.from_str(json.dumps(settings))
    assert ids.tolist() == [0, 2, 3]
    assert small.encode("ab", add_special_tokens=False).ids == [1, 2]
    pairs = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1, "ab": 2, "[unused1]": 3, "c": 4}, [("a", "b")]))
    settings, ids = trimmed(json.loads(pairs.to_str()), r"\[unused\d+\]|a")
    assert ids.tolist() == [0, 1, 2, 4]
    tokenizers.Tokenizer.from_str(json.dumps(settings))


# ------------------------------------------------------------------------------------------------------------------- search


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(4)
    return (np.repeat(rng.standard_normal((80, 16)), 5, axis=0) + 0.4 * rng.standard_normal((400, 16))).astype(np.float32)


def test_searches_are_those_of_sentence_transformers(vectors: np.ndarray) -> None:
    util = pytest.importorskip("sentence_transformers").util
    for measure, score in (("cosine", util.cos_sim), ("inner_product", util.dot_score), ("euclidean", util.euclidean_sim)):
        theirs = util.semantic_search(torch.from_numpy(vectors[:50]), torch.from_numpy(vectors), top_k=7, score_function=score)
        ours = semantic_search(vectors[:50], vectors, 7, measure)
        assert [[hit["corpus_id"] for hit in hits] for hits in theirs] == ours.ids.tolist()
        sign = -1 if measure == "euclidean" else 1
        np.testing.assert_allclose(
            sign * np.array([[hit["score"] for hit in hits] for hits in theirs]), ours.scores, atol=5e-3
        )  # of float32 near 0
        mined = util.paraphrase_mining_embeddings(torch.from_numpy(vectors), top_k=5, max_pairs=300, score_function=score)
        assert {(i, j) for _, i, j in mined} == {(i, j) for _, i, j in paraphrase_mining(vectors, 5, measure, most=300)}
    theirs = util.community_detection(vectors, 0.6, min_community_size=3)
    assert [sorted(rows) for rows in theirs] == [sorted(rows.tolist()) for rows in community(vectors, 0.6, smallest=3)]


# ---------------------------------------------------------------------------------------------------------------- Transformers


def test_representations_are_those_of_transformers(plain: Path) -> None:
    found = Reader(plain).representations("the cat sat on a zebra")
    inside = transformers.AutoTokenizer.from_pretrained(plain)("the cat sat on a zebra", return_tensors="pt")
    model = transformers.AutoModel.from_pretrained(plain, attn_implementation="eager").eval()
    with torch.no_grad():
        made = model(**inside, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(found.hidden, torch.stack([layer[0] for layer in made]).numpy(), atol=2e-6)
    np.testing.assert_array_equal(found.static, model.get_input_embeddings().weight[inside["input_ids"][0]].detach().numpy())


def test_the_head_is_a_search_by_inner_product(tmp_path: Path) -> None:
    folder = bert(tmp_path / "masked", "BertForMaskedLM")
    found = next_tokens(folder, "the [MASK] sat", 20)
    assert found.place == 2
    assert found.ids.tolist() == found.own.tolist()
    np.testing.assert_allclose(found.scores, found.logits, atol=1e-5)
    with pytest.raises(ArgumentError, match="one \\[MASK\\]"):
        next_tokens(folder, "the cat sat")
    causal = tmp_path / "causal"
    torch.manual_seed(2)
    config = transformers.GPT2Config(vocab_size=70, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=3, eos_token_id=4)
    transformers.GPT2LMHeadModel(config).save_pretrained(causal)
    written_tokenizer(causal, special=False)
    found = next_tokens(causal, "the king of", 70)
    assert (found.place, len(set(found.ids.tolist())), len(set(found.tokens))) == (2, 70, 63)
    assert found.ids.tolist() == found.own.tolist()
    np.testing.assert_allclose(found.scores, found.logits, atol=1e-5)


def test_a_head_without_bias_is_searched_as_it_is() -> None:
    head = torch.nn.Linear(4, 9, bias=False)
    hidden = torch.randn(4)
    np.testing.assert_array_equal(head_search(head).search(hidden.numpy(), 3).ids, head(hidden).topk(3).indices.numpy())


def test_a_model_without_head_has_no_next_token(plain: Path) -> None:
    with pytest.raises(ArgumentError, match="no output head"):
        next_tokens(plain, "the")
    with pytest.raises(ArgumentError, match="no model folder"):
        next_tokens(plain.parent / "nothing", "the")
    assert checkpoint is not None
