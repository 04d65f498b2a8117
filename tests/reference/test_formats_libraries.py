"""Tables written by the libraries themselves, here and now, at sizes that tests/files/foreign has no room for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tokenspace as ts
from tokenspace import errors, formats

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.reference
RANDOM = np.random.default_rng(7)
ROWS = RANDOM.standard_normal((60, 16)).astype(np.float32)
WORDS = [f"w{number}" for number in range(57)] + ["naïve", "москва", "東京"]


@pytest.mark.parametrize("options", [{"bucket": 500}, {"model": "cbow", "bucket": 30, "minn": 1, "maxn": 3}, {"minn": 0, "maxn": 0}])
def test_fasttext_gives_the_same_bits(options: dict[str, Any], tmp_path: Path) -> None:
    fasttext = pytest.importorskip("fasttext")
    text = tmp_path / "corpus.txt"
    text.write_text("\n".join(" ".join(RANDOM.choice(WORDS, 12)) for _ in range(200)), encoding="utf-8")
    model = fasttext.train_unsupervised(str(text), minCount=1, epoch=1, thread=1, verbose=0, dim=9, **options)
    model.save_model(str(tmp_path / "model.bin"))
    table = ts.open(tmp_path / "model.bin")
    assert list(table) == model.get_words()
    unseen = [] if options.get("maxn") == 0 else ["kings", "ß", "москвич", "x" * 80, "a b", "\u0085"]
    for word in (*table, *unseen):
        np.testing.assert_array_equal(table[word], model.get_word_vector(word))


@pytest.mark.parametrize("shape", [(60, 8), (1, 1)])
@pytest.mark.parametrize("nesting", ["list", "large_list", "fixed"])
@pytest.mark.parametrize("write", ["parquet", "file", "stream", "feather", "many batches"])
def test_columns_as_pyarrow_writes_them(write: str, nesting: str, shape: tuple[int, int], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    n, d = shape
    matrix = np.ascontiguousarray(ROWS[:n, :d]).astype(np.float64)
    kinds = {"list": pa.list_(pa.float64()), "large_list": pa.large_list(pa.float64()), "fixed": pa.list_(pa.float64(), d)}
    words = pa.array(WORDS[:n]).dictionary_encode() if nesting == "large_list" else pa.array(WORDS[:n])
    table = pa.table({"id": list(range(n)), "word": words, "embedding": pa.array(matrix.tolist(), kinds[nesting])})
    path = tmp_path / "x"
    if write == "parquet":
        parquet.write_table(table, path, row_group_size=7)
    elif write == "feather":
        feather.write_feather(table, path, compression="lz4")
    else:
        make = pa.ipc.new_stream if write == "stream" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as file, make(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=7 if write == "many batches" else None)
    opened = ts.open(path)
    assert formats.format_of(path).name == ("parquet" if write == "parquet" else "arrow")
    assert list(opened) == WORDS[:n]
    assert opened.matrix.tobytes() == matrix.tobytes()
    if write == "file":
        assert not opened.matrix.flags.owndata
    with pytest.raises(errors.HeaderError, match="'id' cannot hold the rows: it is int64"):
        ts.open(path, tensor="id")


@pytest.mark.parametrize(
    "kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16", "F32", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
)
def test_gguf_of_every_common_kind(kind: str, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    number = gguf.GGMLQuantizationType[kind]
    block, width = gguf.GGML_QUANT_SIZES[number]
    rows = RANDOM.standard_normal((60, 512)).astype(np.float32)
    try:
        packed = gguf.quants.quantize(rows, number)
    except NotImplementedError:
        packed = RANDOM.integers(0, 60, (60, 512 // block * width)).astype(np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "x", "llama")
    writer.add_token_list(WORDS)
    writer.add_token_scores([0.5] * 60)
    writer.add_array("mixed", [[1, 2], [3]])
    writer.add_tensor("blk.0.attn_q.weight", rows)
    writer.add_tensor("token_embd.weight", packed, raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    table = ts.open(tmp_path / "x")
    assert list(table) == WORDS
    np.testing.assert_array_equal(table.matrix.astype(np.float32), gguf.quants.dequantize(packed, number))
    half = ts.open(tmp_path / "x", dtype="float16")
    assert half.dtype == np.float16


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_gensim_of_every_protocol(protocol: int, tmp_path: Path) -> None:
    models = pytest.importorskip("gensim.models")
    model = models.Word2Vec([WORDS] * 3, vector_size=8, min_count=1, epochs=1, workers=1)
    for limit in (0, 10**9):  # rows in a file of their own, and in the pickle
        for name, kept in (("x.model", model), ("x.kv", model.wv)):
            kept.save(str(tmp_path / name), pickle_protocol=protocol, sep_limit=limit)
            table = ts.open(tmp_path / name, format="gensim")
            assert list(table) == model.wv.index_to_key
            assert table.matrix.tobytes() == model.wv.vectors.tobytes()


def test_model2vec_opens_what_is_written_for_it_and_the_other_way(tmp_path: Path) -> None:
    model2vec = pytest.importorskip("model2vec")
    for words in (WORDS, ["[UNK]", *WORDS[1:]]):
        table = ts.EmbeddingTable(words, ROWS)
        ts.save(table, tmp_path / "ours", format="model2vec")
        model = model2vec.StaticModel.from_pretrained(str(tmp_path / "ours"))
        mean = (table["w3"] + table["москва"]) / 2
        np.testing.assert_allclose(model.encode(["w3 nothing москва"])[0], mean, rtol=1e-6)
        model.save_pretrained(str(tmp_path / "theirs"))
        assert formats.format_of(tmp_path / "theirs").name == "model2vec"
        for name in ("ours", "theirs"):
            assert list(ts.open(tmp_path / name)) == words
            assert ts.open(tmp_path / name).matrix.tobytes() == ROWS.tobytes()
    small = model2vec.StaticModel.from_pretrained(str(tmp_path / "ours"), quantize_to="int8")
    small.save_pretrained(str(tmp_path / "int8"))
    np.testing.assert_array_equal(ts.open(tmp_path / "int8").matrix, small.embedding.astype(np.float32))


MODELS = ("bert", "t5", "gpt2", "llama")


def tiny(name: str) -> Any:
    transformers = pytest.importorskip("transformers")
    narrow = {"intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "vocab_size": 64}
    if name == "bert":
        return transformers.BertModel(transformers.BertConfig(**narrow))
    if name == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(num_key_value_heads=2, **narrow))
    if name == "t5":
        return transformers.T5ForConditionalGeneration(
            transformers.T5Config(vocab_size=64, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
        )
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, **ends))


@pytest.mark.parametrize("how", ["single", "sharded", "bin"])
@pytest.mark.parametrize("name", MODELS)
def test_the_input_embedding_of_a_model_folder(name: str, how: str, tmp_path: Path) -> None:
    model = tiny(name)
    torch = pytest.importorskip("torch")
    if how == "bin":
        model.config.save_pretrained(tmp_path)
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    else:
        model.save_pretrained(tmp_path, max_shard_size="3KB" if how == "sharded" else "1GB")
    expected = model.get_input_embeddings().weight.detach().numpy()
    for file, content, words in tokenizers():
        (tmp_path / file).write_bytes(content)
        table = ts.open(tmp_path)
        assert list(table) == words
        np.testing.assert_array_equal(table.matrix, expected[: len(words)])  # rows behind the last token are padding
        assert not table.matrix.flags.owndata
        (tmp_path / file).unlink()
    formats.format_of(tmp_path)


def tokenizers() -> list[tuple[str, bytes, list[str]]]:
    """Return tokenizer files of each kind, with the tokens in them."""
    vocab = {word: row for row, word in enumerate(WORDS)}
    added = [{"id": 60, "content": "<new>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}]
    whole = json.dumps({"added_tokens": added, "model": {"type": "WordLevel", "vocab": vocab}}, ensure_ascii=False)
    unigram = json.dumps({"added_tokens": [], "model": {"type": "Unigram", "vocab": [[word, -1.5] for word in WORDS]}})
    pieces = b"".join(
        b"\x0a" + bytes([len(each) + 7]) + b"\x0a" + bytes([len(each)]) + each + b"\x15\0\0\0\0" for each in map(str.encode, WORDS)
    )
    return [
        ("tokenizer.json", whole.encode(), [*WORDS, "<new>"]),
        ("tokenizer.json", unigram.encode(), WORDS),
        ("vocab.txt", "\n".join(WORDS).encode() + b"\n", WORDS),
        ("vocab.json", json.dumps(vocab).encode(), WORDS),
        ("spiece.model", pieces + b"\x12\x02\x08\x01", WORDS),
        ("tokenizer.model", pieces, WORDS),
    ]


def test_ids_with_holes_keep_their_rows(tmp_path: Path) -> None:
    model = tiny("bert")
    model.save_pretrained(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 5, "b": 2, "c": 60}')
    table = ts.open(tmp_path)
    assert list(table) == ["b", "a", "c"]
    np.testing.assert_array_equal(table.matrix, model.get_input_embeddings().weight.detach().numpy()[[2, 5, 60]])


def test_a_real_sentencepiece_model_names_the_rows(tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    (tmp_path / "corpus.txt").write_text("\n".join(f"hello world foo bar baz {number}" for number in range(200)))
    trained = {"input": str(tmp_path / "corpus.txt"), "model_prefix": str(tmp_path / "spiece"), "vocab_size": 40}
    sentencepiece.SentencePieceTrainer.train(minloglevel=5, **trained)
    tiny("bert").save_pretrained(tmp_path)
    processor = sentencepiece.SentencePieceProcessor(str(tmp_path / "spiece.model"))
    assert list(ts.open(tmp_path)) == [processor.id_to_piece(row) for row in range(processor.get_piece_size())]


def test_a_static_model_of_sentence_transformers(tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    from tokenizers import Tokenizer, models

    try:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    except ImportError:  # before 5.0 or so
        from sentence_transformers.models import StaticEmbedding

    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="w0"))  # noqa: S106 - a token
    library.SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=ROWS)], device="cpu").save(str(tmp_path / "x"))
    table = ts.open(tmp_path / "x")
    assert list(table) == WORDS
    assert table.matrix.tobytes() == ROWS.tobytes()


def test_safetensors_takes_the_only_table_of_a_file(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    save_file({"bias": ROWS[0], "rows": ROWS}, tmp_path / "x.safetensors")
    (tmp_path / "x.tokens").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    assert ts.open(tmp_path / "x.safetensors").matrix.tobytes() == ROWS.tobytes()
    ts.save(ts.EmbeddingTable(WORDS, ROWS), tmp_path / "y", format="safetensors")
    assert load_file(tmp_path / "y")["embedding"].tobytes() == ROWS.tobytes()


def test_lance_many_batches(tmp_path: Path) -> None:
    pytest.importorskip("lance")
    rows = RANDOM.standard_normal((20_000, 3)).astype(np.float32)
    table = ts.EmbeddingTable([f"w{number}" for number in range(20_000)], rows)
    ts.save(table, tmp_path / "x.lance")
    assert ts.open(tmp_path / "x.lance").matrix.tobytes() == rows.tobytes()
    assert ts.open(tmp_path / "x.lance").vocabulary == table.vocabulary


def test_a_lance_file_whose_error_quotes_a_nul_is_refused_and_does_not_end_the_process(tmp_path: Path) -> None:
    pytest.importorskip("lance")
    table = ts.EmbeddingTable(["a", "b"], [[1, 2], [3, 4]])
    ts.save(table, tmp_path / "x.lance")
    (file,) = (tmp_path / "x.lance" / "data").iterdir()
    whole = file.read_bytes()
    broken = whole.replace(b"/lance.encodings.ColumnEncoding", b"/lance.encodings.Co\0umnEncoding")
    assert broken != whole
    file.write_bytes(broken)
    call = [sys.executable, "-m", "tokenspace", "info", str(tmp_path / "x.lance")]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "it cannot be read" in done.stderr
