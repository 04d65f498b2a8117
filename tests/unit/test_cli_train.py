"""``tokenspace train``."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.cli import main, train_word2vec
from tokenspace.cli.train import MODELS
from tokenspace.train import plan

LINES = "the king wears the crown\nthe queen wears the crown\nthe dog has the bone\nthe cat has the bone\n" * 60


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text").write_text(LINES)
    return str(tmp_path / "text")


def call(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["train", *map(str, arguments)])
    return end.value.code


def test_the_names_written_out_for_help_are_those_of_the_models():
    assert train_word2vec.ALPHA == plan.MODELS
    assert set(train_word2vec.COMMANDS) <= set(MODELS)


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_a_text_becomes_a_table_and_a_report(model, text, tmp_path, capsys):
    out = tmp_path / "t.tokenspace"
    assert call(model, "--text", text, "--out", out, "--dim", 8, "--threads", 1, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tokens"], told["words"], told["ended"], told["out"]) == (9, 1_200, "done", str(out))
    same = getattr(ts.train, model)(text, dim=8, threads=1)
    np.testing.assert_array_equal(ts.open(out).matrix, same.matrix)


def test_a_model_grows_on_the_command_line_with_proof(text, tmp_path, capsys):
    assert call("skipgram", "--text", text, "--out", tmp_path / "a.npz", "--model", tmp_path / "m", "--dim", 8) == 0
    (tmp_path / "more").write_text("the mouse has the bone\n" * 9)
    assert call("skipgram", "--text", tmp_path / "more", "--extend", tmp_path / "m", "--out", tmp_path / "b.npz") == 0
    assert "input rows: 9 old rows identical" in capsys.readouterr().out
    assert ts.open(tmp_path / "b.npz").proof(ts.open(tmp_path / "a.npz"))
    assert "mouse" in ts.open(tmp_path / "b.npz")


def test_a_stop_leaves_a_table_and_says_how_to_go_on(text, tmp_path, capsys, monkeypatch):
    def stop(_self, _progress):
        raise KeyboardInterrupt

    options = ("--text", text, "--dim", 8, "--threads", 1, "--epochs", 300, "--checkpoint", tmp_path / "state")
    assert call("skipgram", *options, "--out", tmp_path / "whole.npz") == 0
    (tmp_path / "state").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("tokenspace.cli.train.Watch.__call__", stop)
        assert call("skipgram", *options, "--out", tmp_path / "part.npz") == 130
    assert ts.open(tmp_path / "part.npz").n == 9
    assert "--resume goes on" in capsys.readouterr().err
    assert call("skipgram", *options, "--out", tmp_path / "rest.npz", "--resume") == 0
    np.testing.assert_array_equal(ts.open(tmp_path / "rest.npz").matrix, ts.open(tmp_path / "whole.npz").matrix)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--text", "absent", "--out", "o.npz"], 1, "no such file"),
        (["--text", "TEXT", "--out", "absent/o.npz"], 1, "no such folder"),
        (["--text", "TEXT", "--out", "TEXT"], 1, "is there already"),
        (["--text", "TEXT", "--out", "o.npz", "--min-count", "999"], 2, "lower min_count"),
        (["--text", "TEXT", "--out", "o.npz", "--window", "99"], 2, "--window"),
        (["--text", "TEXT", "--out", "o.npz", "--alpha", "1e30"], 1, "smaller learning rate"),
    ],
)
def test_what_goes_wrong_is_one_message_and_a_code(arguments, code, words, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("skipgram", *(text if argument == "TEXT" else argument for argument in arguments)) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "o.npz").exists()


def test_words_that_were_not_in_the_text_are_answered_for_where_words_are_made_of_pieces(text, tmp_path, capsys):
    out = tmp_path / "t.tokenspace"
    assert call("skipgram", "--text", text, "--out", out, "--dim", 8, "--minn", 2, "--maxn", 4, "--bucket", 99, "--threads", 1) == 0
    for arguments in (["near", "crowns", "-t", str(out)], ["measure", "kings", "crowns", "-t", str(out)]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
    assert "crowns" in capsys.readouterr().out


def test_an_ending_that_names_no_format_is_refused_before_the_training(text, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ts.train, "skipgram", None)  # is not called
    assert call("skipgram", "--text", text, "--out", tmp_path / "t.what") == 2
    assert ".tokenspace" in capsys.readouterr().err


def test_the_width_of_an_extended_table_may_be_left_out_but_not_changed(text, tmp_path, capsys):
    assert call("glove", "--text", text, "--out", tmp_path / "a.npz", "--model", tmp_path / "m", "--dim", 8, "--epochs", 1) == 0
    (tmp_path / "more").write_text("the mouse has the bone\n" * 9)
    assert call("glove", "--text", tmp_path / "more", "--extend", tmp_path / "m", "--out", tmp_path / "b.npz", "--dim", 9) == 2
    assert "has 8 numbers a row" in capsys.readouterr().err
    assert call("glove", "--text", tmp_path / "more", "--extend", tmp_path / "m", "--out", tmp_path / "b.npz", "--epochs", 1) == 0
