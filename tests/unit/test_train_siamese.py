"""Siamese training: four objectives, bags and Transformers, only new rows; stopped, resumed and the same."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

import tokenspace as ts
from tokenspace.errors import ArgumentError, LabelError, NotFiniteError, OutputError
from tokenspace.texts.pairs import SentencePairs

torch = pytest.importorskip("torch")

from tokenspace.train.siamese import OBJECTIVES, train_siamese  # noqa: E402
from tokenspace.train.siamese.encoders import random_table  # noqa: E402
from tokenspace.train.siamese.objectives import Contrastive, Cosine, Softmax, Triplet, copies  # noqa: E402

TOPICS = [
    ["cat", "dog", "mouse", "pet"],
    ["car", "bus", "train", "wheel"],
    ["king", "queen", "prince", "crown"],
    ["rain", "snow", "wind", "sun"],
]


def sentences(m: int, seed: int) -> tuple[list[int], list[str]]:
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, 4, m).tolist()
    return topics, [" ".join([*rng.choice(TOPICS[topic], 3), *rng.choice(["the", "a", "of"], 2)]) for topic in topics]


def pairs(m: int = 300, seed: int = 0, *, third: bool = False, labels: str = "") -> SentencePairs:
    topics, first = sentences(m, seed)
    other, second = sentences(m, seed + 100)
    if not labels:
        rng = np.random.default_rng(seed)
        second = [" ".join(rng.choice(TOPICS[topic], 3)) for topic in topics]
    far = [" ".join(TOPICS[(topic + 1) % 4][:3]) for topic in topics] if third else None
    same = [a == b for a, b in zip(topics, other, strict=True)]
    told = {"": None, "score": ["5" if equal else "1" for equal in same], "class": ["same" if equal else "other" for equal in same]}[labels]
    return SentencePairs(
        "toy", tuple(first), tuple(second), tuple(far) if far else None, tuple(told) if told else None, tuple(range(1, m + 1))
    )


CASES = {
    "contrastive": ({}, {}, "spearman"),  # the held-out pairs have scores
    "cosine": ({"labels": "score"}, {"scale": (1, 5)}, "spearman"),
    "triplet": ({"third": True}, {}, "order"),
    "softmax": ({"labels": "class"}, {}, "accuracy"),
}


@pytest.mark.parametrize("objective", CASES)
def test_every_objective_learns_from_rows_at_random(tmp_path, objective: str) -> None:
    how, options, measure = CASES[objective]
    seen = []
    held_out = pairs(100, 7, **(how or {"labels": "score"}))
    work = {"objective": objective, "held_out": held_out, "dim": 16, "epochs": 12, "batch": 32, **options}
    done = train_siamese(pairs(**how), out=tmp_path / "bag.tokenspace", evaluated=seen.append, **work)
    assert done.measure == measure
    assert done.after > done.before + 0.02
    assert done.after > {"spearman": 0.7, "order": 0.97, "accuracy": 0.85}[measure]
    assert seen == list(done.course[1:])
    assert seen[-1].loss < seen[0].loss
    assert (done.steps, done.wanted) == (math.ceil(12 * 300 / 32),) * 2
    table = ts.open(tmp_path / "bag.tokenspace")
    u, v = table["cat"], table["dog"]
    assert ts.cosine(u, v) > ts.cosine(u, table["bus"])
    assert set(OBJECTIVES) == set(CASES)


def test_losses_are_their_definitions() -> None:
    rng = np.random.default_rng(0)
    u, v, w = (torch.from_numpy(rng.standard_normal((5, 3)).astype(np.float32)) for _ in range(3))
    none = torch.zeros(5, 5, dtype=torch.bool)
    cosines = torch.stack([torch.nn.functional.cosine_similarity(row[None], v) for row in u])
    scored = SentencePairs("s", ("a",) * 5, ("b",) * 5, ("c",) * 5, ("1", "2", "3", "4", "5"), (1, 2, 3, 4, 5))
    regression = Cosine(scored, 3, (1, 5))
    wanted = torch.tensor([0, 0.25, 0.5, 0.75, 1])
    assert torch.allclose(regression.loss([u, v], regression.targets, none), ((cosines.diag() - wanted) ** 2).mean())
    logits = 20 * torch.cat([cosines, torch.stack([torch.nn.functional.cosine_similarity(row[None], w) for row in u])], dim=1)
    loss = (torch.logsumexp(logits, dim=1) - logits[:, :5].diag()).mean()
    assert torch.allclose(Contrastive(scored, 3, None).loss([u, v, w], None, torch.zeros(5, 10, dtype=torch.bool)), loss)
    distances = [(u - other).norm(dim=1) for other in (v, w)]
    assert torch.allclose(
        Triplet(scored, 3, None).loss([u, v, w], None, none), (distances[0] - distances[1] + 1).clamp(min=0).mean(), atol=1e-5
    )
    classes = Softmax(scored, 3, None)
    logits = torch.cat([u, v, (u - v).abs()], dim=1) @ classes.weight.T
    expected = (torch.logsumexp(logits, dim=1) - logits[torch.arange(5), torch.arange(5)]).mean()
    assert torch.allclose(classes.loss([u, v], classes.targets, none), expected, atol=1e-6)


def test_a_copy_of_the_right_text_is_no_negative() -> None:
    same = copies(["a", "b", "a"], ["a", "b", "a", "c", "b"])
    assert same.tolist() == [[False, False, True, False, False], [False, False, False, False, True], [True, False, False, False, False]]


@pytest.fixture(autouse=True)
def one_thread():
    """Keep PyTorch's threads from waiting for each other over a few numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Stop:
    """Presses Ctrl-C after some steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, done: int, steps: int, loss: float) -> None:
        if done == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("objective", CASES)
def test_what_was_stopped_goes_on_to_the_same_bits(tmp_path, objective: str) -> None:
    how, options, _ = CASES[objective]
    work = {"objective": objective, "dim": 8, "steps": 20, "batch": 16, "seed": 3, **options}
    whole = train_siamese(pairs(120, **how), out=tmp_path / "whole.npz", **work)
    stopped = train_siamese(pairs(120, **how), out=tmp_path / "out.npz", watch=Stop(7), **work)
    assert (stopped.steps, stopped.wanted) == (7, 20)
    assert len(ts.open(tmp_path / "out.npz")) == len(ts.open(tmp_path / "whole.npz"))
    with pytest.raises(ArgumentError, match="batch 16"):
        train_siamese(pairs(120, **how), out=tmp_path / "out.npz", resume=True, **(work | {"batch": 8}))
    done = train_siamese(pairs(120, **how), out=tmp_path / "out.npz", resume=True, **work)
    np.testing.assert_array_equal(ts.open(tmp_path / "out.npz").matrix, ts.open(tmp_path / "whole.npz").matrix)
    assert (done.after, done.steps) == (whole.after, 20)
    assert not (tmp_path / "out.npz.training.safetensors").exists()
    with pytest.raises(ArgumentError, match="nothing to go on with"):
        train_siamese(pairs(120, **how), out=tmp_path / "new.npz", resume=True, **work)


def test_only_the_rows_that_are_new_train(tmp_path) -> None:
    words = [word for topic in TOPICS[:3] for word in topic] + ["the", "a", "of", "rain"]
    table = ts.EmbeddingTable(words, np.random.default_rng(1).standard_normal((len(words), 8)).astype(np.float32))
    done = train_siamese(pairs(), table, out=tmp_path / "new.tokenspace", only=["snow", "wind", "sun"], epochs=3)
    assert done.proof
    found = ts.open(tmp_path / "new.tokenspace")
    np.testing.assert_array_equal(found.matrix[: table.n], table.matrix)
    assert list(found)[table.n :] == ["snow", "wind", "sun"]
    assert not np.array_equal(found["snow"], found["wind"])
    done = train_siamese(pairs(), table, out=tmp_path / "old.tokenspace", only=["rain"], steps=5)
    changed = (ts.open(tmp_path / "old.tokenspace").matrix != table.matrix).any(axis=1)
    assert [word for word, moved in zip(words, changed, strict=True) if moved] == ["rain"]
    assert done.proof
    with pytest.raises(ArgumentError, match="all have a row, or none"):
        train_siamese(pairs(), table, out=tmp_path / "x.npz", only=["rain", "snow"])


def test_a_table_is_where_a_bag_starts(tmp_path) -> None:
    table = random_table(pairs().first, dim=8, seed=1)
    ts.save(table, tmp_path / "table.tokenspace")
    done = train_siamese(pairs(), tmp_path / "table.tokenspace", out=tmp_path / "out.npz", steps=10, tokenizer="words", lr=1e-3)
    assert list(ts.open(tmp_path / "out.npz")) == list(table)
    assert done.steps == 10


@pytest.mark.parametrize(
    ("how", "options", "error", "match"),
    [
        ({}, {"objective": "other"}, ArgumentError, "objective"),
        ({}, {"objective": "triplet"}, ArgumentError, "triples"),
        ({}, {"objective": "cosine"}, LabelError, "without any"),
        ({"labels": "score"}, {"objective": "cosine"}, LabelError, "line .*-1..1"),
        ({"labels": "score"}, {"objective": "cosine", "scale": (5, 1)}, ArgumentError, "scale"),
        ({"labels": "class"}, {"objective": "cosine"}, LabelError, "expected a number"),
        ({}, {"batch": 0}, ArgumentError, "batch"),
        ({}, {"lr": -1.0}, ArgumentError, "lr"),
        ({}, {"only": ["x"]}, ArgumentError, "no row that could stay"),
        ({}, {"length": 5}, ArgumentError, "length is for"),
        ({}, {"tokenizer": "whitespace"}, ArgumentError, "at random"),
        ({"third": True}, {"objective": "triplet", "lr": 1e30, "steps": 30}, NotFiniteError, "smaller learning rate"),
    ],
)
def test_what_does_not_go_is_named(tmp_path, how, options, error, match: str) -> None:
    with pytest.raises(error, match=match):
        train_siamese(pairs(**how), out=tmp_path / "out.npz", dim=4, **options)
    assert not (tmp_path / "out.npz").exists()


def test_an_output_that_is_there_stays(tmp_path) -> None:
    (tmp_path / "out.npz").write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        train_siamese(pairs(), out=tmp_path / "out.npz")
    assert (tmp_path / "out.npz").read_text() == "mine"


def test_a_transformer_trains_whole_or_by_its_new_rows(tmp_path) -> None:
    pytest.importorskip("transformers")
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tiny_models import bert

    from tokenspace import checkpoint
    from tokenspace.encode import open_encoder

    folder = bert(tmp_path / "base")
    done = train_siamese(pairs(), folder, out=tmp_path / "out", steps=8, batch=16, lr=1e-3)
    assert done.steps == 8
    before, after = (open_encoder(path).encode(["the cat", "a dog"]) for path in (folder, tmp_path / "out"))
    assert np.abs(before - after).max() > 1e-3
    checkpoint.extend(folder, ["mouse", "wheel"], out=tmp_path / "bigger")
    done = train_siamese(pairs(), tmp_path / "bigger", out=tmp_path / "new", only=["mouse", "wheel"], steps=3, batch=16, lr=0.01)
    assert done.proof
    diff = checkpoint.diff(folder, tmp_path / "new").require()
    assert diff.added == 2
    with pytest.raises(ArgumentError, match="no token 'zebra'"):
        train_siamese(pairs(), folder, out=tmp_path / "x", only=["zebra"])
