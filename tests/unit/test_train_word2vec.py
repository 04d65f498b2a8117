"""Skip-gram and CBOW from text to a table."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import ArgumentError, HeaderError, NotFiniteError, OutputError, ProofError, TableNotFoundError
from tokenspace.train.corpus import read_corpus
from tokenspace.train.hogwild import Run
from tokenspace.train.model import Model
from tokenspace.train.plan import Plan

FIELDS = {"king": "crown", "queen": "crown", "dog": "bone", "cat": "bone", "car": "road", "bus": "road"}


def sentences(count=3_000, seed=1, words=tuple(FIELDS)):
    """Sentences in which words of one field have the same neighbours."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        word = words[chance.integers(len(words))]
        other = [FIELDS.get(word, "bone") + str(number) for number in chance.integers(0, 6, 4)]
        made.append([*other[:2], word, *other[2:]])
    return made


TEXT = sentences()
SMALL = {"dim": 16, "epochs": 3, "min_count": 1, "seed": 3, "alpha": 0.1, "sample": 0}


def cosine(table, a, b):
    return float(ts.cosine(table[a], table[b]))


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
@pytest.mark.parametrize("more", [{}, {"loss": "hs"}, {"minn": 2, "maxn": 4, "bucket": 500}], ids=["ns", "hs", "pieces"])
def test_words_with_the_same_neighbours_come_close(model, more):
    table = getattr(ts.train, model)(TEXT, threads=2, **SMALL | more | {"epochs": 6})
    for a, b, apart in (("king", "queen", "dog"), ("dog", "cat", "bus"), ("car", "bus", "king")):
        assert cosine(table, a, b) > cosine(table, a, apart) + 0.05
    losses = table.report.losses
    assert losses[-1] < losses[0]
    assert (len(losses), table.report.words, table.report.ended) == (6, 15_000, "done")


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_one_thread_and_deterministic_with_any_threads_give_the_same_bits(model):
    train = getattr(ts.train, model)
    runs = [train(TEXT, threads=1, **SMALL), *(train(TEXT, threads=n, deterministic=True, **SMALL) for n in (1, 2, 7))]
    assert len({run.matrix.tobytes() + run.model.outputs.tobytes() for run in runs}) == 1
    assert len({run.report.losses for run in runs}) == 1
    assert train(TEXT, threads=1, **SMALL | {"seed": 4}).matrix.tobytes() != runs[0].matrix.tobytes()


def test_cbow_goes_through_the_text_in_its_own_order():
    corpus = read_corpus(("a" * (1 + i % 3) for i in range(3 + j % 4)) for j in range(20_000))
    run = Run(Plan("cbow", epochs=2, seed=5), corpus, threads=1, old=None)
    assert [run.span(part) for part in range(2 * len(run.parts))] == 2 * run.parts


def test_each_epoch_of_skip_gram_goes_through_all_parts_in_an_order_of_its_own_while_the_rate_falls():
    corpus = read_corpus(("a" * (1 + i % 3) for i in range(3 + j % 4)) for j in range(20_000))
    plan = Plan("skipgram", epochs=3, seed=5)
    run, again, other = (Run(asked, corpus, threads=1, old=None) for asked in (plan, plan, replace(plan, seed=6)))
    n = len(run.parts)
    orders = [[one.span(part) for part in range(first, first + n)] for one in (run, again, other) for first in (0, n, 2 * n)]
    assert n > 10
    assert all(sorted(order) == run.parts for order in orders)
    assert orders[:3] == orders[3:6]
    assert len({tuple(order) for order in [run.parts, *orders[:3], *orders[6:]]}) == 7
    ids = np.cumsum([0, *(end - start for order in orders[:3] for start, end in order)])
    assert [run.alpha(part) for part in range(3 * n)] == pytest.approx(plan.alpha * (1 - ids[:-1] / ids[-1]))


def test_a_loss_does_not_depend_on_the_threads():
    losses = [ts.train.skipgram(TEXT, threads=n, **SMALL).report.losses[-1] for n in (1, 4)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


class StopAfter:
    """Presses Ctrl-C once so many words are done."""

    def __init__(self, words):
        self.words = words

    def __call__(self, progress):
        if progress.done >= self.words:
            raise KeyboardInterrupt


@pytest.fixture
def slow_parts(monkeypatch):
    """Let a little time pass between parts, so that a stop comes in the midst of them."""
    from tokenspace.train import hogwild, running

    step = hogwild.train_part
    monkeypatch.setattr(running, "TICK", 0.001)
    monkeypatch.setattr(hogwild, "train_part", lambda *arguments: (time.sleep(0.01), step(*arguments))[1])


@pytest.mark.parametrize("more", [{}, {"held_out": 0.1, "patience": 9, "alpha": 0.3}], ids=["plain", "held out"])
def test_a_training_that_was_stopped_and_resumed_is_the_unbroken_one_bit_for_bit(more, tmp_path, slow_parts):
    options = SMALL | more | {"threads": 1, "checkpoint": tmp_path / "state"}
    whole = ts.train.skipgram(TEXT, **options)
    stopped = ts.train.skipgram(TEXT, watch=StopAfter(9_000), **options)
    assert stopped.report.ended == "stopped"
    assert "stopped in epoch" in str(stopped.report)
    assert np.isfinite(stopped.matrix).all()
    again = ts.train.skipgram(TEXT, watch=StopAfter(32_000), resume=True, **options)
    assert again.report.ended == "stopped"
    ended = ts.train.skipgram(TEXT, resume=True, **options)
    assert ended.matrix.tobytes() == whole.matrix.tobytes()
    assert ended.model.outputs.tobytes() == whole.model.outputs.tobytes()
    assert (ended.report.losses, ended.report.held_out) == (whole.report.losses, whole.report.held_out)
    nothing = ts.train.skipgram(TEXT, resume=True, **options)  # left to do
    assert (nothing.report.losses, nothing.matrix.tobytes()) == (whole.report.losses, whole.matrix.tobytes())
    with pytest.raises(ArgumentError, match="seed"):
        ts.train.skipgram(TEXT, resume=True, **options | {"seed": 9})
    with pytest.raises(ArgumentError, match="another text"):
        ts.train.skipgram(TEXT[:-1], resume=True, **options)


def test_a_stop_while_the_held_out_text_is_measured_loses_nothing(tmp_path, monkeypatch):
    from tokenspace.train import hogwild

    options = SMALL | {"threads": 1, "checkpoint": tmp_path / "state", "held_out": 0.1}
    whole = ts.train.skipgram(TEXT, **options)

    def stopping(_run):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hogwild.Run, "measure", stopping)
        assert ts.train.skipgram(TEXT, **options).report.ended == "stopped"
    ended = ts.train.skipgram(TEXT, resume=True, **options)
    assert (ended.matrix.tobytes(), ended.report.held_out) == (whole.matrix.tobytes(), whole.report.held_out)


def test_a_killed_run_resumes_from_its_last_checkpoint(tmp_path):
    text = tmp_path / "text"
    text.write_text("\n".join(" ".join(sentence) for sentence in TEXT * 5))
    options = dict(SMALL, threads=1, epochs=30)
    program = (
        f"import tokenspace as ts; ts.train.skipgram({str(text)!r}, checkpoint={str(tmp_path / 'state')!r}, every=0.02, **{options!r})"
    )
    running = subprocess.Popen([sys.executable, "-c", program])
    waited = time.monotonic() + 60
    while not (tmp_path / "state").exists() and time.monotonic() < waited:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    so_far = ts.train.open_model(tmp_path / "state")
    assert so_far.rows().shape == (24, 16)
    resumed = ts.train.skipgram(text, checkpoint=tmp_path / "state", resume=True, **options)
    assert resumed.matrix.tobytes() == ts.train.skipgram(text, **options).matrix.tobytes()


def test_a_full_disk_ends_no_training_and_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    ts.train.skipgram(TEXT, checkpoint=tmp_path / "state", threads=1, **SMALL)
    before = (tmp_path / "state").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="no checkpoint was written.*No space left"):
        table = ts.train.skipgram(TEXT, checkpoint=tmp_path / "state", threads=1, **SMALL)
    assert table.report.ended == "done"
    assert (tmp_path / "state").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(OutputError, match="No space left"):
        table.model.save(tmp_path / "model")


def test_a_learning_rate_that_is_too_large_is_stopped_and_said():
    with pytest.raises(NotFiniteError, match=r"beyond float32 in epoch 1, at alpha .*\n.*--alpha"):
        ts.train.skipgram(TEXT, threads=2, **SMALL | {"alpha": 1e30})


@pytest.mark.parametrize("text", [[["one"]] * 9, [["one", "one", "one"]] * 9])
def test_one_word_is_no_text_to_train_on(text):
    with pytest.raises(ArgumentError, match="at least two different words"):
        ts.train.skipgram(text, min_count=1)


def test_sentences_of_one_word_train_nothing_and_do_no_harm():
    table = ts.train.skipgram([["a"], ["b"]] * 9, dim=4, epochs=1)
    assert table.shape == (2, 4)
    assert math.isnan(table.report.losses[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim must be at least 1|dim must be in"),
        ({"window": 51}, "window must be in 1..50"),
        ({"negative": 0}, "negative must be in 1..63"),
        ({"loss": "softmax"}, "loss must be one of ns, hs"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": math.nan}, "alpha"),
        ({"epochs": 1.5}, "whole number"),
        ({"held_out": 0.9}, "held_out"),
        ({"patience": 2}, "needs text held out"),
        ({"held_out": 0.1, "text": TEXT[:99]}, "too short to hold"),
        ({"minn": 4, "maxn": 3}, "minn <= maxn"),
        ({"windo": 3}, "did you mean window"),
        ({"resume": True}, "checkpoint"),
        ({"threads": 0}, "threads"),
    ],
)
def test_options_outside_are_refused_by_name(options, message):
    with pytest.raises(ArgumentError, match=message):
        ts.train.skipgram(**{"text": TEXT, "min_count": 1} | options)


def test_training_ends_early_when_the_held_out_loss_falls_no_more(tmp_path):
    chance = np.random.default_rng(0)
    noise = [[f"w{number}" for number in chance.integers(0, 200, 8)] for _ in range(900)]
    options = {"dim": 32, "epochs": 30, "min_count": 1, "alpha": 0.25, "sample": 0, "held_out": 0.2, "threads": 1}
    table = ts.train.skipgram(noise, patience=2, **options)
    held = table.report.held_out
    assert (table.report.ended, len(held)) == ("held-out loss", table.report.epochs)
    assert table.report.epochs < 30
    assert int(np.argmin(held)) == len(held) - 3
    sooner = ts.train.skipgram(noise, patience=1, **options)
    assert sooner.report.epochs == table.report.epochs - 1
    assert sooner.matrix.tobytes() == table.matrix.tobytes()  # those of the best epoch
    ts.train.skipgram(noise, patience=1, checkpoint=tmp_path / "state", **options)
    again = ts.train.skipgram(noise, patience=1, checkpoint=tmp_path / "state", resume=True, **options)
    assert (again.report.held_out, again.matrix.tobytes()) == (sooner.report.held_out, sooner.matrix.tobytes())


def test_only_the_new_words_rows_of_both_matrices_move():
    old = ts.train.skipgram(TEXT, threads=2, **SMALL)
    text = sentences(1_500, seed=2, words=("king", "dog", "puppy"))
    table = ts.train.skipgram(text, extend=old.model, threads=2, **SMALL)
    n = old.n
    assert table.vocabulary.token(n) == "puppy"
    assert table.matrix[:n].tobytes() == old.matrix.tobytes()
    assert table.model.outputs[:n].tobytes() == old.model.outputs.tobytes()
    assert [bool(proof) for proof in table.report.proofs] == [True, True]
    assert table.proof(old)
    assert cosine(table, "puppy", "dog") > cosine(table, "puppy", "king") + 0.2
    everything = ts.train.skipgram(text, extend=old.model, rows="all", threads=1, **SMALL)
    assert everything.matrix[:n].tobytes() != old.matrix.tobytes()
    assert everything.report.proofs == ()
    with pytest.raises(ProofError):
        everything.proof(old).require()


def test_a_new_word_seen_a_few_times_starts_among_its_like():
    old = ts.train.skipgram(TEXT, threads=2, **SMALL | {"epochs": 20})
    text = [["bone1", "bone2", "puppy", "bone3", "bone4"]] * 2 + TEXT[:200]
    table = ts.train.skipgram(text, extend=old, threads=1, **SMALL | {"epochs": 1, "alpha": 1e-9})
    assert cosine(table, "puppy", "dog") > max(cosine(table, "puppy", word) for word in ("king", "car")) + 0.2


def test_a_table_without_its_second_matrix_grows_too(tmp_path):
    old = ts.train.skipgram(TEXT, threads=1, **SMALL)
    ts.save(old, tmp_path / "t.txt")
    table = ts.train.cbow(sentences(800, words=("dog", "puppy")), extend=tmp_path / "t.txt", threads=2, **SMALL)
    assert table.matrix[: old.n].tobytes() == old.matrix.tobytes()
    assert len(table.report.proofs) == 1
    assert table.model.outputs.any(axis=1).sum() > 1


def test_growth_without_a_new_word_and_of_float64_rows_is_refused():
    old = ts.train.skipgram(TEXT, threads=1, **SMALL)
    with pytest.raises(ArgumentError, match="no new word"):
        ts.train.skipgram(TEXT, extend=old, **SMALL)
    assert ts.train.skipgram(TEXT, extend=old, rows="all", **SMALL).shape == old.shape
    with pytest.raises(ArgumentError, match="float64"):
        ts.train.skipgram(TEXT, extend=ts.EmbeddingTable(old.vocabulary, old.matrix.astype(np.float64)), **SMALL)


@pytest.mark.parametrize("options", [{"loss": "hs"}, {"minn": 2, "maxn": 3}, {"rows": "some"}, {"init": "mean"}])
def test_what_cannot_grow_is_said(options):
    old = ts.train.skipgram(TEXT, threads=1, **SMALL)
    with pytest.raises(ArgumentError):
        ts.train.skipgram(TEXT, extend=old, **SMALL | options)


def test_unseen_words_have_vectors_where_words_are_made_of_pieces(tmp_path):
    table = ts.train.skipgram(TEXT, threads=1, minn=2, maxn=4, bucket=500, **SMALL)
    table.model.save(tmp_path / "model")
    model = ts.train.open_model(tmp_path / "model")
    np.testing.assert_array_equal(model.rows(), table.matrix)
    ts.save(table, tmp_path / "x.tokenspace")
    again = ts.open(tmp_path / "x.tokenspace")
    unseen = table[["kings", "bones", "king"]]
    np.testing.assert_array_equal(again[["kings", "bones", "king"]], unseen)
    assert ts.cosine(unseen[0], unseen[2]) > ts.cosine(unseen[1], unseen[2])
    assert ts.cosine(again["kings"], again[again.nearest("kings", k=1).tokens[0]]) >= ts.cosine(unseen[0], unseen[2])
    with pytest.raises(ts.errors.UnknownTokenError, match="xy"):
        ts.train.skipgram(TEXT, threads=1, minn=6, maxn=6, bucket=500, **SMALL)["xy"]
    with pytest.raises(ts.errors.UnknownTokenError):
        ts.train.skipgram(TEXT, threads=1, **SMALL)["kings"]


@pytest.mark.parametrize(
    "options", [{"minn": 3, "maxn": 2}, {"minn": 0, "maxn": 3}, {"minn": 3, "maxn": 70}, {"minn": 3, "maxn": 6, "bucket": 0}]
)
def test_pieces_that_cannot_be_are_refused(options):
    with pytest.raises(ArgumentError, match="minn|bucket"):
        ts.train.skipgram(TEXT, threads=1, **SMALL | options)


def test_a_model_comes_back_bit_for_bit_and_a_damaged_one_is_refused(tmp_path):
    model = ts.train.cbow(TEXT, threads=1, **SMALL).model
    model.save(tmp_path / "m")
    back = ts.train.open_model(tmp_path / "m")
    assert isinstance(back, Model)
    assert (back.inputs.tobytes(), back.outputs.tobytes(), back.settings) == (
        model.inputs.tobytes(),
        model.outputs.tobytes(),
        model.settings,
    )
    for damage in (b"", (tmp_path / "m").read_bytes()[:-8], b"no model"):
        (tmp_path / "bad").write_bytes(damage)
        with pytest.raises(HeaderError):
            ts.train.open_model(tmp_path / "bad")
    with pytest.raises(TableNotFoundError):
        ts.train.open_model(tmp_path / "absent")


def test_progress_is_told_with_rate_time_and_loss(slow_parts):
    told = []
    ts.train.skipgram(TEXT, threads=2, watch=told.append, **SMALL)
    assert told[-1].total == 45_000
    assert all(0 <= progress.done <= 45_000 for progress in told)
    late = told[-1]
    assert late.rate > 0
    assert 0 < late.loss < 10
    assert "words/s" in str(late)


def test_no_warning_comes_of_a_plain_training():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.train.skipgram(TEXT, watch=lambda _: None, threads=2, **SMALL)


def test_hierarchical_softmax_needs_no_words_to_draw_and_negative_sampling_does():
    assert ts.train.skipgram(TEXT, threads=1, loss="hs", negative=0, **SMALL).report.epochs == SMALL["epochs"]
    with pytest.raises(ArgumentError, match=r"in 1..63 for negative sampling; seen 0\n.*hs"):
        ts.train.skipgram(TEXT, threads=1, negative=0, **SMALL)


@pytest.mark.parametrize("model", ["skipgram", "glove"])
def test_what_is_extended_keeps_its_width_and_one_word_is_no_text(model):
    train = getattr(ts.train, model)
    old = ts.EmbeddingTable(["king", "queen"], np.ones((2, 3), dtype=np.float32))
    with pytest.raises(ArgumentError, match="has 3 numbers a row; dim asks for 4"):
        train(TEXT, extend=old, dim=4)
    with pytest.raises(ArgumentError, match="at least two different words; the text has 1"):
        train([["word"] * 9], min_count=1)
