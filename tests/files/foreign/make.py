"""Make the files beside this one anew, each with the library whose format it is; expected.json has what that library itself answers.

    python make.py fasttext finalfusion spacy gensim gguf lance    # those whose library is installed

Kept as files, so that every run of the tests reads what the real writers wrote, without their hundreds of megabytes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
WORDS = ["king", "queen", "naïve", "москва", "new_york", "東京"]
UNSEEN = ["unseen", "kings", "ß", "москвич", "東京都", "a-b"]
ROWS = np.random.default_rng(7).normal(size=(len(WORDS), 4)).astype(np.float32)
Answers = dict[str, dict[str, list[float]]]


def numbers(vector: Any) -> list[float]:
    return [float(number) for number in np.asarray(vector)]


def corpus(folder: Path) -> str:
    random = np.random.default_rng(7)
    path = folder / "corpus.txt"
    path.write_text("\n".join(" ".join(random.choice(WORDS, 12)) for _ in range(100)), encoding="utf-8")
    return str(path)


def fasttext(folder: Path) -> Answers:
    import fasttext as library

    answers = {}
    options: dict[str, Any] = {"dim": 4, "minCount": 1, "epoch": 1, "thread": 1, "verbose": 0}
    model = library.train_unsupervised(corpus(folder), bucket=40, minn=2, maxn=4, **options)
    model.save_model(str(HERE / "fasttext.bin"))
    answers["fasttext.bin"] = {word: numbers(model.get_word_vector(word)) for word in (*model.get_words(), *UNSEEN)}
    labelled = folder / "labelled.txt"
    lines = Path(corpus(folder)).read_text(encoding="utf-8").splitlines()
    labelled.write_text("\n".join(f"__label__{number % 2} {line}" for number, line in enumerate(lines)), encoding="utf-8")
    model = library.train_supervised(str(labelled), bucket=260, minn=2, maxn=4, **options)
    model.quantize(str(labelled), qnorm=True)
    model.save_model(str(HERE / "fasttext.ftz"))
    answers["fasttext.ftz"] = {word: numbers(model.get_word_vector(word)) for word in (*model.get_words(), *UNSEEN)}
    return answers


def finalfusion(_: Path) -> Answers:
    from finalfusion import Embeddings
    from finalfusion.norms import Norms
    from finalfusion.storage import NdArray, QuantizedArray
    from finalfusion.storage.quantized import PQ
    from finalfusion.vocab import SimpleVocab

    norms = np.linalg.norm(ROWS, axis=1).astype(np.float32)
    unit = ROWS / norms[:, None]
    Embeddings(storage=NdArray(unit), vocab=SimpleVocab(WORDS), norms=Norms(norms)).write(str(HERE / "plain.fifu"))
    random = np.random.default_rng(7)
    centroids, codes = random.normal(size=(2, 16, 2)).astype(np.float32), random.integers(0, 16, (len(WORDS), 2)).astype(np.uint8)
    projection = np.linalg.qr(random.normal(size=(4, 4)))[0].astype(np.float32)
    quantised = QuantizedArray(PQ(centroids, projection), codes, norms)
    Embeddings(storage=quantised, vocab=SimpleVocab(WORDS)).write(str(HERE / "quantised.fifu"))
    each = zip(WORDS, unit * norms[:, None], np.asarray(quantised), strict=True)
    answers: Answers = {"plain.fifu": {}, "quantised.fifu": {}}
    for word, plain, coded in each:
        answers["plain.fifu"][word], answers["quantised.fifu"][word] = numbers(plain), numbers(coded)
    return answers


def spacy(folder: Path) -> Answers:
    import spacy as library

    pipeline = library.blank("en")
    for word, row in zip((*WORDS, "shared"), (*ROWS, ROWS[0]), strict=True):
        pipeline.vocab.set_vector(word, row)
    pipeline.vocab.vectors.add("shared", row=pipeline.vocab.vectors.find(key="king"))
    pipeline.to_disk(folder / "pipeline")
    (HERE / "spacy" / "vocab").mkdir(parents=True, exist_ok=True)
    for name in ("vectors", "key2row", "strings.json", "vectors.cfg"):
        shutil.copy(folder / "pipeline" / "vocab" / name, HERE / "spacy" / "vocab" / name)
    return {"spacy": {word: numbers(pipeline.vocab.get_vector(word)) for word in (*WORDS, "shared")}}


def gensim(_: Path) -> Answers:
    from gensim.models import FastText, KeyedVectors

    vectors = KeyedVectors(4)
    vectors.add_vectors(WORDS, ROWS)
    vectors.save(str(HERE / "gensim.kv"), sep_limit=0)
    lines = [[str(word) for word in np.random.default_rng(7).choice(WORDS, 12)] for _ in range(50)]
    model = FastText(lines, vector_size=4, min_count=1, workers=1, epochs=1, bucket=20, min_n=2, max_n=3, seed=7)
    model.save(str(HERE / "gensim-fasttext.model"))
    words = (*model.wv.index_to_key, *UNSEEN)
    return {
        "gensim.kv": dict(zip(WORDS, map(numbers, ROWS), strict=True)),
        "gensim-fasttext.model": {word: numbers(model.wv[word]) for word in words},
    }


def gguf(_: Path) -> Answers:
    import gguf as library

    random = np.random.default_rng(7)
    answers: Answers = {}
    for name, values in {"F16": 8, "Q8_0": 32, "Q4_K": 256, "Q6_K": 256}.items():
        kind = library.GGMLQuantizationType[name]
        per_block, width = library.GGML_QUANT_SIZES[kind]
        rows = random.normal(size=(len(WORDS) + 2, values)).astype(np.float32)
        if name in {"F16", "Q8_0"}:
            packed = library.quants.quantize(rows, kind)
        else:  # the package does not quantise to these: any bytes will do
            packed = random.integers(0, 60, (len(rows), values // per_block * width)).astype(np.uint8)
        path = HERE / f"{name}.gguf"
        writer = library.GGUFWriter(path, "llama")
        writer.add_token_list(WORDS)
        writer.add_token_merges(["k i", "n g"])
        writer.add_tensor("token_embd.weight", packed, raw_dtype=kind)
        writer.add_tensor("output.weight", np.zeros((3, 8), np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        answers[path.name] = dict(zip(WORDS[:1], map(numbers, library.quants.dequantize(packed, kind)), strict=False))
    return answers


def lance(_: Path) -> Answers:
    import lance as library
    import pyarrow as pa

    shutil.rmtree(HERE / "table.lance", ignore_errors=True)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 4)
    library.write_dataset(pa.table({"word": WORDS, "vector": rows}), str(HERE / "table.lance"))
    return {"table.lance": dict(zip(WORDS, map(numbers, ROWS), strict=True))}


if __name__ == "__main__":
    expected = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.exists() else {}
    for wanted in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            expected |= globals()[wanted](Path(folder))
    EXPECTED.write_text(json.dumps(expected, ensure_ascii=False, indent=0, sort_keys=True) + "\n", encoding="utf-8")
