"""The commands of sentences: encode, distil, sts, mine, attend and train siamese, from the command line's side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import tokenspace as ts
from tokenspace.cli import main
from tokenspace.encode import Static, sif_weights

WORDS = ["the", "cat", "dog", "sat", "mat", "king", "queen", "man"]


@pytest.fixture
def table(tmp_path) -> ts.EmbeddingTable:
    made = ts.EmbeddingTable(WORDS, np.random.default_rng(0).standard_normal((len(WORDS), 6)).astype(np.float32))
    ts.save(made, tmp_path / "t.tokenspace")
    return made


def run(*arguments: Any, **more: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), **more)


def test_lines_from_standard_input_become_a_table_on_standard_output(table, tmp_path) -> None:
    done = run("encode", tmp_path / "t.tokenspace", input="the cat\n\nking zzz\n")
    assert done.exit_code == 0, done.stderr
    (tmp_path / "out").write_bytes(done.stdout_bytes)
    np.testing.assert_array_equal(ts.open(tmp_path / "out").matrix, Static(table).encode(["the cat", "", "king zzz"]))
    assert "1 of them without a known token" in done.stderr


def test_options_of_encode_reach_the_encoder(table, tmp_path) -> None:
    (tmp_path / "text").write_text("The CAT, sat\nking\nqueen man\n")
    (tmp_path / "counts").write_text("".join(f"{word} {row + 1}\n" for row, word in enumerate(WORDS)) + "other 9\n")
    out = tmp_path / "out"
    given = ("--tokenizer", "words", "--sif", "--counts", tmp_path / "counts", "--length", 2, "--normalize", "--names", "text", "--json")
    done = run("encode", tmp_path / "t.tokenspace", "--text", tmp_path / "text", "--out", out, *given)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 3
    encoder = Static(table, tokenizer="words", weights=sif_weights(8, np.arange(1, 9)), length=2, normalize=True)
    np.testing.assert_array_equal(ts.open(out).matrix, encoder.encode(["The CAT, sat", "king", "queen man"]))
    for wrong, code in (
        ((), 1),
        (("--resume",), 2),
        (("--force", "--counts", tmp_path / "counts"), 2),
        (("--force", "--batch", 3), 2),
        (("--force", "--sif", "--counts", tmp_path / "text"), 1),
    ):
        assert run("encode", tmp_path / "t.tokenspace", "--text", tmp_path / "text", "--out", out, *wrong).exit_code == code, wrong


def test_sentence_pairs_are_judged_and_retrieved(table, tmp_path) -> None:
    (tmp_path / "pairs.tsv").write_text("the cat\tcat\t5\nking\tqueen\t4\nman\tmat\t1\nsat\tdog the\t2\nzzz\tcat\t0\n")
    done = run("sts", tmp_path / "t.tokenspace", "--pairs", tmp_path / "pairs.tsv")
    assert done.exit_code == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["set", "measure", "spearman", "low", "high", "used", "total"]
    assert [line[1] for line in lines[1:]] == ["euclidean", "inner_product", "cosine"]
    assert lines[1][5:] == ["4", "5"]
    assert "1 sentences have no known token" in done.stderr
    found = json.loads(run("sts", tmp_path / "t.tokenspace", "--pairs", tmp_path / "pairs.tsv", "--retrieval", "--json").stdout)
    assert [score["score"] for score in found["scores"]] == ["recall@1", "recall@5", "recall@10"]
    (tmp_path / "bad.tsv").write_text("a\tb\t1\nc\n")
    bad = run("sts", tmp_path / "t.tokenspace", "--pairs", tmp_path / "bad.tsv")
    assert (bad.exit_code, "line 2" in bad.stderr) == (1, True)


def test_pairs_and_groups_are_mined(table, tmp_path) -> None:
    done = run("mine", tmp_path / "t.tokenspace", "-k", 3, "--most", 4, "-m", "euclidean")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["rank", "token", "id", "other", "other_id", "euclidean"]
    expected = list(ts.search.paraphrase_mining(table.matrix, 3, "euclidean", most=4))
    assert [(float(line[5]), int(line[2]), int(line[4])) for line in lines[1:]] == expected
    found = json.loads(run("mine", tmp_path / "t.tokenspace", "--groups", "-1", "--smallest", 2, "--json").stdout)["found"]
    assert sorted(line["id"] for line in found) == list(range(8))
    assert run("mine", tmp_path / "t.tokenspace", "--groups", "0.5", "-k", 3).exit_code == 2


def test_an_encoder_is_distilled_trained_and_looked_into(tmp_path) -> None:
    pytest.importorskip("transformers")
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tiny_models import bert

    folder = bert(tmp_path / "bert", "BertForMaskedLM")
    done = run("distil", folder, "--out", tmp_path / "static", "-d", 4, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["d"] == ts.open(tmp_path / "static").d == 4
    weights = [line.split("\t") for line in run("attend", folder, "the cat", "--layer", 1).stdout.splitlines()]
    assert weights[0] == ["layer", "head", "query", "token", "key", "other", "score", "weight"]
    assert len(weights) == 1 + 3 * 4 * 4
    assert sum(float(line[7]) for line in weights[1:5]) == pytest.approx(1, abs=1e-6)
    document = json.loads(run("attend", folder, "the cat", "--show", "measures", "--json").stdout)
    assert (document["layer"], len(document["pairs"])) == (1, 6)
    assert {"cosine_static", "cosine_contextual", "euclidean_static"} <= set(document["pairs"][0])
    document = json.loads(run("attend", folder, "the [MASK]", "--show", "next", "-k", 3, "--json").stdout)
    assert (document["same_as_logits"], len(document["next"])) == (True, 3)
    assert run("attend", folder, "the", "--layer", 2).exit_code == 2
    assert run("attend", folder, "the", "--show", "next", "--head", 1).exit_code == 2
    (tmp_path / "text").write_text("the cat\n")
    assert run("encode", folder, "--sif", "--text", tmp_path / "text", "--out", tmp_path / "o").exit_code == 2
    assert run("encode", folder, "--rows", "--text", tmp_path / "text", "--out", tmp_path / "o").exit_code == 0


def test_a_bag_is_trained_stopped_and_resumed(tmp_path, monkeypatch) -> None:
    pytest.importorskip("torch")
    (tmp_path / "pairs.tsv").write_text("".join(f"the cat {i % 5}\tcat {i % 5} sat\t{i % 2}\n" for i in range(60)))
    given = ("train", "siamese", "--pairs", tmp_path / "pairs.tsv", "--out", tmp_path / "bag.npz", "--objective", "cosine", "--steps", 6)
    from tokenspace.cli import train_siamese

    class Stopping(train_siamese.Steps):
        def __call__(self, done: int, steps: int, loss: float) -> None:
            if done == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_siamese, "Steps", Stopping)
        assert run(*given, "--scale", 0, 1).exit_code == 130
    done = run(*given, "--scale", 0, 1, "--resume", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 6
    assert "held out" in done.stderr
    assert run(*given).exit_code == 1
    assert run(*given, "--force", "--column", "first").exit_code == 2
    assert run(*given, "--force", "--scale", 0, "0.5").exit_code == 1
