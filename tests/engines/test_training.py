"""Training by several workers: counts that are one machine's, replicas that are the same wherever they run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenspace as ts
from tokenspace import errors, train
from tokenspace.engines import Local
from tokenspace.train.cooccurrence import count_cooccurrences
from tokenspace.train.counting import count_by


class Backwards:
    """An engine that is done with the last part first, as if many workers had raced."""

    name = "backwards"

    def __init__(self, workers):
        self.count = workers

    def workers(self):
        return self.count

    def map(self, function, parts, common, *, job=None):
        for place, part in reversed(list(enumerate(parts))):
            yield place, function(part, common)


def a_text(seed, m, n):
    random = np.random.default_rng(seed)
    ids = np.minimum(random.zipf(1.3, m) - 1, n - 1).astype(np.int32)
    ids[random.random(m) < 0.05] = -1
    return ids


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 400),
    st.integers(1, 30),
    st.integers(1, 25),
    st.booleans(),
    st.booleans(),
    st.integers(1, 7),
    st.floats(0, 1),
)
def test_counts_by_many_are_those_of_one(seed, m, n, window, symmetric, weighting, workers, share):
    ids = a_text(seed, m, n)
    how = {"window": window, "symmetric": symmetric, "distance_weighting": weighting, "fixed": int(share * n), "memory": 0.5}
    one = count_cooccurrences(ids, n, threads=1, **how)
    for engine in (Backwards(workers), Local(workers)):
        many = count_by(engine, ids, n, **how)
        assert np.array_equal(many.ends, one.ends)
        assert all(np.array_equal(mine, other) for mine, other in zip(many.pairs(), one.pairs(), strict=True))


SENTENCES = [[f"w{word}" for word in line if word >= 0] for line in np.split(a_text(5, 30_000, 300), range(20, 30_000, 20))]


def test_glove_over_an_engine_is_glove():
    how = {"dim": 8, "epochs": 2, "min_count": 1, "seed": 3}
    one, many = train.glove(SENTENCES, **how), train.glove(SENTENCES, engine=Backwards(3), **how)
    assert one.matrix.tobytes() == many.matrix.tobytes()
    assert one.vocabulary == many.vocabulary


@pytest.mark.parametrize("model", [train.skipgram, train.cbow])
def test_replicas_give_the_same_bits_wherever_they_run(model):
    how = {"dim": 8, "epochs": 2, "min_count": 1, "seed": 3, "replicas": 3, "exchanges": 4}
    first, second = (model(SENTENCES, engine=engine, **how) for engine in (Backwards(5), Local(2)))
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert first.model.outputs.tobytes() == second.model.outputs.tobytes()
    assert first.report.losses == second.report.losses
    assert first.report.epochs == 2
    assert not np.array_equal(first.matrix, model(SENTENCES, engine=Local(1), **{**how, "exchanges": 5}).matrix)


def test_one_replica_is_one_thread():
    how = {"dim": 8, "epochs": 2, "min_count": 1, "seed": 3}
    alone, replica = train.skipgram(SENTENCES, threads=1, **how), train.skipgram(SENTENCES, engine=Local(1), replicas=1, exchanges=7, **how)
    assert np.allclose(alone.matrix, replica.matrix, rtol=1e-3, atol=1e-6)
    assert replica.report.losses == pytest.approx(alone.report.losses, rel=1e-4)


def test_a_stopped_training_by_replicas_goes_on(tmp_path):
    how = {"dim": 8, "epochs": 2, "min_count": 1, "seed": 3, "replicas": 2, "exchanges": 4, "engine": Local(2)}
    whole = train.skipgram(SENTENCES, **how)
    heard = []

    def watch(progress):
        heard.append(progress)
        if len(heard) == 7:
            raise KeyboardInterrupt

    stopped = train.skipgram(SENTENCES, checkpoint=tmp_path / "state", watch=watch, **how)
    assert stopped.report.ended == "stopped"
    again = train.skipgram(SENTENCES, checkpoint=tmp_path / "state", resume=True, **how)
    assert again.matrix.tobytes() == whole.matrix.tobytes()


def test_what_replicas_cannot_do_is_said():
    with pytest.raises(errors.ArgumentError, match="words made of pieces"):
        train.skipgram(SENTENCES, dim=8, minn=3, maxn=4, bucket=100, engine="local")
    with pytest.raises(errors.ArgumentError, match="replicas and exchanges must be at least 1"):
        train.skipgram(SENTENCES, dim=8, engine="local", replicas=0)


@pytest.mark.parametrize("model", ["skipgram", "glove"])
def test_the_command_line_trains_over_an_engine(model, tmp_path, capfd):
    from tokenspace.cli import main

    (tmp_path / "text").write_text("\n".join(map(" ".join, SENTENCES)))
    out = tmp_path / "table.tokenspace"
    how = ["--dim", "8", "--epochs", "1", "--min-count", "1", "--threads", "2", "--engine", "local"]
    more = {"skipgram": ["--replicas", "2", "--exchanges", "3"], "glove": ["--shared", str(tmp_path)]}[model]
    with pytest.raises(SystemExit) as ended:
        main(["train", model, "--text", str(tmp_path / "text"), "--out", str(out), *how, *more])
    assert ended.value.code == 0, capfd.readouterr().err
    how = {"dim": 8, "epochs": 1, "min_count": 1, "seed": 1, "engine": Local(1)}
    how |= {"replicas": 2, "exchanges": 3} if model == "skipgram" else {}
    made = {"skipgram": train.skipgram, "glove": train.glove}[model](str(tmp_path / "text"), **how)
    assert ts.open(out).matrix.tobytes() == made.matrix.tobytes()
