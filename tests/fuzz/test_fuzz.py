"""Every parser against broken files, a few hundred each; `make fuzz` goes on for minutes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import mutated
from parsers import PARSERS
from trial import ViolationError, judged

import tokenspace as ts

if TYPE_CHECKING:
    from pathlib import Path

counter = itertools.count()


made: dict[str, list[dict[str, bytes]]] = {}


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name each parser in turn, its examples made."""
    name = str(request.param)
    if name not in made:
        try:
            made[name] = PARSERS[name].seeds(tmp_path_factory.mktemp("seeds"))
        except ts.errors.MissingExtraError as error:
            pytest.skip(error.message)
    assert made[name], f"{name} has no examples: give it some in SEEDS of parsers.py"
    return name


def test_every_good_example_is_read_as_the_slow_reading_reads_it(parser: str, tmp_path: Path) -> None:
    outcomes = [judged(PARSERS[parser], files, tmp_path / "place", traced=True) for files in made[parser]]
    assert "table" in outcomes
    assert set(outcomes) <= {"table", "TokenError"}  # of the expressions one lacks its tokens


def test_every_format_is_tried() -> None:
    assert {known.name for known in ts.formats.FORMATS} <= set(PARSERS)


@settings(suppress_health_check=list(HealthCheck), max_examples=100, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_broken_files_give_the_same_table_or_a_named_error(parser: str, random: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.getbasetemp() / "fuzz" / parser
    judged(PARSERS[parser], mutated(made[parser], random, PARSERS[parser].words), place, traced=next(counter) % 8 == 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["exception", "table", "memory", "output"])
def test_a_fault_is_found(fault: str, tmp_path: Path) -> None:
    import dataclasses

    import numpy as np

    good = PARSERS["glove"]

    def read(place: Path) -> object:
        if fault == "exception":
            raise IndexError
        if fault == "memory":
            np.ones(100 << 20, np.uint8)
        if fault == "output":
            (place / "left").write_bytes(b"")
        return ts.EmbeddingTable(["x"], [[1.0, 2.0]]) if fault == "table" else good.read(place)

    faulty = dataclasses.replace(good, read=read)
    with pytest.raises(ViolationError):
        judged(faulty, {"table": b"the 1 2\nof 3 4\n"}, tmp_path / "place", traced=True)
    assert judged(good, {"table": b"the 1 2\nof 3 4\n"}, tmp_path / "place", traced=True) == "table"
