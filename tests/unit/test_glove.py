"""GloVe: the steps are AdaGrad's, bits do not depend on threads or stops, old rows stay, and each way to go wrong is said."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

import tokenspace as ts
from tokenspace import train
from tokenspace.cli import main
from tokenspace.errors import ArgumentError, NotFiniteError, RowIdError, ShapeError
from tokenspace.native import glove as kernels
from tokenspace.train import waves
from tokenspace.train.cooccurrence import count_cooccurrences
from tokenspace.train.waves import Waves

if TYPE_CHECKING:
    from pathlib import Path

    from tokenspace.native.glove import Records


def sentences(words: int = 60, count: int = 400, seed: int = 0) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [[f"w{min(word, words) - 1}" for word in random.zipf(1.3, 12)] for _ in range(count)]


def bits(table: Any) -> tuple[bytes, bytes]:
    return table.model.inputs.tobytes(), table.model.outputs.tobytes()


@pytest.fixture(scope="module")
def counts() -> train.cooccurrence.Cooccurrences:  # type: ignore[name-defined]
    random = np.random.default_rng(0)
    ids = np.minimum(random.zipf(1.3, 3000) - 1, 49).astype(np.int32)
    ids[::13] = -1
    return count_cooccurrences(ids, 50)


def first_numbers(n: int, d: int) -> np.ndarray:
    random, s = np.random.default_rng(1), kernels.stride(d)
    blocks = np.zeros((n, 16 + 4 * s), dtype=np.float32)
    blocks[:, :4] = random.normal(size=(n, 4)) ** 2
    rows = blocks[:, 16:].reshape(n, 4, s)
    rows[:, 1::2] = 1
    rows[:, :, :d] = random.normal(size=(n, 4, d))
    rows[:, 1::2, :d] = rows[:, 1::2, :d] ** 2 + 1
    return blocks


def by_hand(blocks: np.ndarray, records: Records, *, symmetric: bool, fixed: int, eta: float, clip: float) -> tuple[np.ndarray, float]:
    """Take the steps as the paper and Stanford's program have them, in float64."""
    out, cost = blocks.astype(np.float64), 0.0
    s = (blocks.shape[1] - 16) // 4
    for (one, other), (log_x, weight) in zip(records.pairs.tolist(), records.terms.tolist(), strict=True):
        for i, j in ((one, other), (other, one))[: 2 if symmetric and one != other else 1]:
            w, ww, c, cc = out[i, 16 : 16 + s], out[i, 16 + s : 16 + 2 * s], out[j, 16 + 2 * s : 16 + 3 * s], out[j, 16 + 3 * s :]
            difference = w @ c + out[i, 0] + out[j, 2] - log_x
            cost += 0.5 * weight * difference**2
            pull = weight * difference
            left, right = np.clip(pull * c, -clip, clip) * eta, np.clip(pull * w, -clip, clip) * eta
            if i >= fixed:
                w -= left / np.sqrt(ww)
                ww += left**2
                out[i, 0] -= pull / np.sqrt(out[i, 1])  # the biases' rate is 1
                out[i, 1] += pull**2
            if j >= fixed:
                c -= right / np.sqrt(cc)
                cc += right**2
                out[j, 2] -= pull / np.sqrt(out[j, 3])
                out[j, 3] += pull**2
    return out, cost


# ------------------------------------------------------------------------------------------------------------- the kernels


@pytest.mark.parametrize("d", [1, 16, 50, 100])
@pytest.mark.parametrize(("symmetric", "fixed"), [(True, 0), (False, 0), (True, 20), (False, 20)])
def test_steps_are_those_of_the_paper(counts: Any, native_level: str, d: int, fixed: int, *, symmetric: bool) -> None:
    every = Waves(counts, kernels.Weighting(10.0, 0.75), 0).records(0, 0, np.array([0]))
    records = kernels.Records(every.pairs[:120], every.terms[:120], np.array([0, 40, 40, 120]))
    blocks, costs = first_numbers(50, d), np.full(3, np.nan)
    expected, cost = by_hand(blocks, records, symmetric=symmetric, fixed=fixed, eta=0.05, clip=1.0)
    moved = blocks.copy()
    kernels.steps(records, (0, 3), moved, costs, eta=0.05, clip=1.0, symmetric=symmetric, fixed=fixed)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)
    assert costs.sum() == pytest.approx(cost, rel=1e-4)
    assert costs[1] == 0
    assert moved[:fixed].tobytes() == blocks[:fixed].tobytes()


def test_every_level_gives_the_same_bits(counts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenspace.native import door

    seen = set()
    for level in [*door.levels(), "numpy"]:
        monkeypatch.setattr(door, "level", lambda level=level: level)
        order = Waves(counts, kernels.Weighting(10.0, 0.75, 5, 2**62), 0)
        records, held = order.records(0, 0, np.array([0])), order.held_out()
        blocks, costs = first_numbers(50, 30), np.zeros(len(records.bounds) - 1)
        kernels.steps(records, (0, len(costs)), blocks, costs, eta=0.05, clip=100.0, symmetric=True)
        kept = kernels.cost(held, blocks, symmetric=True)
        seen.add((records.pairs.tobytes(), records.terms.tobytes(), blocks.tobytes(), costs.tobytes(), held.pairs.tobytes(), kept))
    assert len(seen) == 1


def test_logarithms_and_weights_are_right(native_level: str) -> None:
    x = np.float32(np.concatenate([np.logspace(-6, 9, 400), [1, 10, 99.99999, 100, 2**-20]]))
    entries = np.zeros((len(x), 2), dtype=np.int32)
    entries.view(np.float32)[:, 1] = x
    one = np.zeros((1, 1), dtype=np.int32)
    segments = (np.array([0]), np.array([len(x)]), np.array([0]))
    records = kernels.gather(segments, np.array([len(x)]), entries, np.zeros(1, dtype=np.uint8), one, kernels.Weighting(100.0, 0.75))
    wide = x.astype(np.float64)
    np.testing.assert_allclose(records.terms[:, 0], np.log(wide), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(records.terms[:, 1], np.minimum(wide / 100, 1) ** 0.75, rtol=1e-6)


def test_an_epoch_has_every_pair_once_and_tasks_of_a_round_share_no_word(counts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waves, "SEGMENT", 8)
    monkeypatch.setattr(waves, "WAVE", 100)
    order = Waves(counts, kernels.Weighting(10.0, 0.75, 3, 2**61), 0)
    assert len(order) > 3
    everything = {(i, j) for i, j in zip(*[column.tolist() for column in counts.pairs()[:2]], strict=True)}
    held = {tuple(pair) for pair in order.held_out().pairs.tolist()}
    assert 0.05 < len(held) / len(everything) < 0.25
    orders = []
    for epoch in (0, 1):
        pairs = []
        for wave in range(len(order)):
            records = order.records(epoch, wave, order.order(epoch))
            pairs += [tuple(pair) for pair in records.pairs.tolist()]
            for first, last in order.rounds:
                words = [
                    set(records.pairs[records.bounds[task] : records.bounds[task + 1]].ravel().tolist()) for task in range(first, last)
                ]
                assert sum(map(len, words)) == len(set().union(*words))
        assert sorted(pairs) == sorted(everything - held)
        orders.append(pairs)
    assert orders[0] != orders[1]


def test_records_that_do_not_fit_are_refused(counts: Any) -> None:
    order = Waves(counts, kernels.Weighting(10.0, 0.75), 0)
    records = order.records(0, 0, np.array([0]))
    with pytest.raises(RowIdError):
        kernels.check(records, first_numbers(3, 4))
    entries, one = np.zeros((1, 2), dtype=np.int32), np.zeros((1, 1), dtype=np.int32)
    segment = (np.array([0]), np.array([1]), np.array([0]))
    with pytest.raises(ShapeError):
        kernels.gather(segment, np.array([0]), entries, np.zeros(1, dtype=np.uint8), one, kernels.Weighting(1.0, 1.0))
    with pytest.raises(ShapeError):
        kernels.gather(segment, np.array([1]), entries, np.ones(1, dtype=np.uint8), one, kernels.Weighting(1.0, 1.0))
    entries[0, 0] = 9
    with pytest.raises(RowIdError):
        kernels.gather(segment, np.array([1]), entries, np.zeros(1, dtype=np.uint8), one, kernels.Weighting(1.0, 1.0))


# ------------------------------------------------------------------------------------------------------------ the training


def test_threads_waves_and_memory_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waves, "ALONE", 10)
    monkeypatch.setattr(waves, "WAVE", 600)
    monkeypatch.setattr(waves, "SEGMENT", 32)
    text = sentences()
    tables = [train.glove(text, dim=10, epochs=3, threads=threads, memory=memory) for threads, memory in ((1, 0.5), (2, 0.001), (5, 0.5))]
    assert len({bits(table) for table in tables}) == 1
    assert len({table.report.losses for table in tables}) == 1
    assert bits(train.glove(text, dim=10, epochs=3, seed=2)) != bits(tables[0])


def test_the_loss_falls_and_is_that_of_the_rows() -> None:
    table = train.glove(sentences(), dim=10, epochs=12, held_out=0.1, x_max=10)
    report = table.report
    assert report.losses[-1] < 0.5 * report.losses[0]
    assert len(report.held_out) == len(report.losses) == report.epochs == 12
    assert report.held_out[-1] < report.held_out[0]
    assert "12" not in report.ended == "done"
    np.testing.assert_array_equal(table.matrix, table.model.inputs + table.model.outputs)


@pytest.mark.parametrize("vectors", ["word", "context"])
def test_one_of_the_two_matrices_may_be_the_table(vectors: str) -> None:
    table = train.glove(sentences(), dim=10, epochs=1, vectors=vectors)
    np.testing.assert_array_equal(table.matrix, table.model.inputs if vectors == "word" else table.model.outputs)


def test_early_stopping_gives_the_rows_of_the_best_epoch(tmp_path: Path) -> None:
    text = sentences(count=60)
    table = train.glove(text, dim=30, epochs=200, held_out=0.3, patience=3, eta=0.5, x_max=1)
    report = table.report
    assert report.ended == "held-out loss"
    best = int(np.argmin(report.held_out))
    assert report.epochs == len(report.held_out) == best + 4 < 200
    again = train.glove(text, dim=30, epochs=best + 1, held_out=0.3, eta=0.5, x_max=1)
    assert bits(again) == bits(table)
    calls = []

    def watch(progress: train.Progress) -> None:
        calls.append(progress)
        if len(calls) == best + 3:  # the best epoch is over
            raise KeyboardInterrupt

    how: dict[str, Any] = {
        "dim": 30,
        "epochs": 200,
        "held_out": 0.3,
        "patience": 3,
        "eta": 0.5,
        "x_max": 1,
        "checkpoint": tmp_path / "state",
    }
    assert train.glove(text, watch=watch, **how).report.ended == "stopped"
    resumed = train.glove(text, resume=True, **how)
    assert bits(resumed) == bits(table)
    assert resumed.report.held_out == report.held_out
    ended = train.glove(text, resume=True, **how)
    assert bits(ended) == bits(table)
    assert ended.report.ended == "held-out loss"


@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_stopped_training_is_usable_and_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    monkeypatch.setattr(waves, "WAVE", 600)
    monkeypatch.setattr(waves, "SEGMENT", 32)
    text, state = sentences(), tmp_path / "state"
    whole = train.glove(text, dim=10, epochs=3, held_out=0.1)
    calls = []

    def watch(progress: train.Progress) -> None:
        calls.append(progress)
        if len(calls) == after:
            signal.raise_signal(signal.SIGINT)

    stopped = train.glove(text, dim=10, epochs=3, held_out=0.1, checkpoint=state, watch=watch)
    assert stopped.report.ended == "stopped"
    assert len(calls) == after
    assert np.isfinite(stopped.matrix).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    done = train.glove(text, dim=10, epochs=3, held_out=0.1, checkpoint=state, resume=True)
    assert bits(done) == bits(whole)
    assert done.report.losses == whole.report.losses
    assert done.report.held_out == whole.report.held_out
    assert "epoch 1 of 3" in str(calls[0])
    assert "pairs/s" in str(calls[0])
    for wrong, says in (({"dim": 11}, "dim 10; seen 11"), ({"eta": 0.1}, "eta"), ({"text": sentences(seed=4)}, "another text")):
        asked = {"text": text, "dim": 10, "epochs": 3, "held_out": 0.1} | wrong
        with pytest.raises(ArgumentError, match=says):
            train.glove(asked.pop("text"), checkpoint=state, resume=True, **asked)  # type: ignore[arg-type]


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    text, state = tmp_path / "text", tmp_path / "state"
    text.write_text("\n".join(" ".join(sentence) for sentence in sentences(200, 2000)))
    program = f"from tokenspace import train; train.glove({str(text)!r}, dim=20, epochs=100000, checkpoint={str(state)!r}, every=0)"
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = int(train.open_model(state).state["epoch"])
    assert done >= 1
    model = train.open_model(state)
    settings = {**model.settings, "epochs": done + 2}
    dataclasses.replace(model, settings=settings).save(state)  # fewer epochs, so that the test ends
    resumed = train.glove(text, dim=20, epochs=done + 2, checkpoint=state, resume=True)
    assert bits(resumed) == bits(train.glove(text, dim=20, epochs=done + 2))


def test_old_rows_of_both_matrices_stay_and_new_ones_learn() -> None:
    old = train.glove(sentences(), dim=12, epochs=5)
    text = [[word.replace("w", "v") if word in {"w1", "w2"} else word for word in sentence] for sentence in sentences(seed=9)]
    for threads in (1, 3):
        table = train.glove(text, epochs=5, extend=old, threads=threads)
        n = old.n
        assert table.d == 12
        assert {"v1", "v2"} <= set(table.vocabulary)
        assert list(table.vocabulary)[:n] == list(old.vocabulary)
        assert table.model.inputs[:n].tobytes() == old.model.inputs.tobytes()
        assert table.model.outputs[:n].tobytes() == old.model.outputs.tobytes()
        assert table.matrix[:n].tobytes() == old.matrix.tobytes()
        assert len(table.report.proofs) == 2
        assert all(table.report.proofs)
        assert table.report.losses[-1] < table.report.losses[0]
    again = train.glove(text, epochs=5, extend=old, rows="all")
    assert again.model.inputs[:n].tobytes() != old.model.inputs.tobytes()
    assert not again.report.proofs
    right = train.glove(text, epochs=2, extend=old, symmetric=False, init="random")
    assert right.model.outputs[:n].tobytes() == old.model.outputs.tobytes()


def test_a_bare_table_grows_and_keeps_its_rows(tmp_path: Path) -> None:
    old = train.glove(sentences(), dim=12, epochs=5)
    bare = ts.EmbeddingTable(old.vocabulary, np.array(old.matrix))
    ts.save(bare, tmp_path / "bare.txt")
    text = [[word.replace("w1", "v1") for word in sentence] for sentence in sentences(seed=9)]
    for source in (bare, tmp_path / "bare.txt"):
        table = train.glove(text, epochs=3, extend=source)
        np.testing.assert_array_equal(table.matrix[: bare.n], bare.matrix)
        assert all(table.report.proofs)
        assert table.n > bare.n
    with pytest.raises(ArgumentError, match="no new word"):
        train.glove(sentences(), epochs=3, extend=bare)
    other = train.skipgram(sentences(), dim=12, epochs=1, threads=1)
    table = train.glove(text, epochs=3, extend=other)
    np.testing.assert_array_equal(table.matrix[: other.n], other.matrix)
    back = train.skipgram(text, epochs=1, extend=old, threads=1)
    np.testing.assert_array_equal(back.matrix[: old.n], old.matrix)


def test_a_model_is_kept_bit_for_bit(tmp_path: Path) -> None:
    table = train.glove(sentences(), dim=12, epochs=2)
    table.model.save(tmp_path / "model")
    again = train.open_model(tmp_path / "model")
    assert again.inputs.tobytes() == table.model.inputs.tobytes()
    assert {name: array.tobytes() for name, array in again.memory.items()} == {
        name: array.tobytes() for name, array in table.model.memory.items()
    }
    np.testing.assert_array_equal(again.rows(), table.matrix)


# -------------------------------------------------------------------------------------------------------- what can go wrong


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dim": 0}, "dim must be"),
        ({"dim": 2.5}, "whole number"),
        ({"window": 0}, "window must be"),
        ({"eta": 0}, "eta must be"),
        ({"x_max": math.nan}, "x_max must be"),
        ({"epochs": True}, "epochs must be"),
        ({"held_out": 0.9}, "held_out must be"),
        ({"patience": 2}, "pairs held out"),
        ({"vectors": "all"}, "sum, word, context"),
        ({"xmax": 3}, "no option 'xmax'.*\n.*x_max"),
        ({"rows": "some", "extend": "bare"}, "new, all"),
        ({"resume": True}, "checkpoint"),
        ({"threads": 0}, "threads"),
    ],
)
def test_what_is_outside_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    if "extend" in options:
        options = {**options, "extend": ts.EmbeddingTable(["w0"], [[1.0, 2.0]])}
    with pytest.raises(ArgumentError, match=says):
        train.glove(sentences(), **options)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"word\n" * 50])
def test_a_text_without_two_words_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "text"
    file.write_bytes(data)
    with pytest.raises(ArgumentError, match="no word|no two words|two different words"):
        train.glove(file, min_count=1)


def test_binary_junk_is_refused_or_trained_on_without_harm(tmp_path: Path) -> None:
    file = tmp_path / "junk"
    random = np.random.default_rng(0)
    file.write_bytes(b"".join(random.bytes(size) + b" " for size in random.integers(1, 3, 20_000)))
    with pytest.raises(ts.errors.EncodingError):
        train.glove(file, min_count=1)
    table = train.glove(file, min_count=5, dim=4, epochs=1, errors="surrogateescape")
    assert np.isfinite(table.matrix).all()


def test_a_text_of_one_line_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "line"
    file.write_text(" ".join(word for sentence in sentences() for word in sentence))
    assert train.glove(file, dim=4, epochs=1).report.words == 4800


def test_numbers_beyond_float32_end_the_training_and_say_so() -> None:
    with pytest.raises(NotFiniteError, match="eta") as caught:
        train.glove(sentences(), dim=8, epochs=20, eta=1e25, grad_clip=1e25)
    assert "--eta" in caught.value.hint


def test_a_checkpoint_that_cannot_be_written_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, path: Any) -> None:
        message = f"{path} cannot be written: No space left on device"
        raise ts.errors.OutputError(message)

    monkeypatch.setattr(train.Model, "save", full)
    with pytest.warns(RuntimeWarning, match="no checkpoint was written"):
        table = train.glove(sentences(), dim=4, epochs=2, checkpoint=tmp_path / "state", every=0)
    assert table.report.epochs == 2


# -------------------------------------------------------------------------------------------------------- the command line


def test_the_command_trains_grows_and_says_how_it_went(tmp_path: Path) -> None:
    text, more, out, both = (tmp_path / name for name in ("text", "more", "out.txt", "both.model"))
    text.write_text("\n".join(" ".join(sentence) for sentence in sentences()))
    more.write_text(text.read_text().replace("w1 ", "v1 "))
    asked = ["train", "glove", "--text", str(text), "--dim", "8", "--epochs", "2", "--out", str(out), "--model", str(both)]
    done = CliRunner().invoke(main, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"] == "glove"
    table = ts.open(out)
    np.testing.assert_allclose(table.matrix, train.open_model(both).rows(), rtol=1e-6)
    grown = CliRunner().invoke(
        main, ["train", "glove", "--text", str(more), "--extend", str(both), "--epochs", "2", "--out", str(tmp_path / "more.npz")]
    )
    assert grown.exit_code == 0, grown.output
    assert "input rows" in grown.output
    assert CliRunner().invoke(main, asked).exit_code == 1  # the output is there
    assert CliRunner().invoke(main, [*asked, "--force", "--eta", "nan"]).exit_code == 2
