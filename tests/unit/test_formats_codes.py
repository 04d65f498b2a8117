"""The codes beside a table: mapped back as they were, and never taken for another table's."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import tokenspace as ts
from tokenspace.errors import ChecksumError, FileContentError, HeaderError
from tokenspace.formats.codes import codes_of, codes_path, open_codes, save_codes
from tokenspace.search import Exact

ROWS = np.random.default_rng(0).standard_normal((333, 50)).astype(np.float32)

pytestmark = pytest.mark.skipif("bytes" not in Exact(ROWS)._known.usable, reason="no compiled kernels")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "table.tokenspace"
    ts.save(ts.EmbeddingTable([f"t{i}" for i in range(len(ROWS))], ROWS), path)
    rows, middle = Exact(ROWS, "euclidean").code()
    save_codes(codes_path(path), ROWS, rows, middle)
    return path


def test_codes_come_back_mapped_and_give_the_same_answers_under_every_measure(saved):
    table = ts.open(saved)
    rows, middle = codes_of(table)
    assert not rows.high.flags.writeable
    assert codes_path(saved).stat().st_size <= 0.27 * ROWS.nbytes + 4096 + 16 * 54 + 4 * 50  # header, last block, middle
    for measure in ts.MEASURES:
        found = Exact(table.matrix, measure, path="bytes", codes=(rows, middle)).search(ROWS[:20], 5, certificate=True)
        np.testing.assert_array_equal(found.ids, Exact(ROWS, measure, path="every").search(ROWS[:20], 5).ids)
        assert found.certificate.path == "bytes"


def test_codes_of_another_table_are_refused(saved, tmp_path):
    other = ROWS.copy()
    other[0, 0] += 1
    with pytest.raises(ChecksumError, match="another matrix"):
        open_codes(codes_path(saved), other)
    with pytest.raises(HeaderError, match="codes"):
        open_codes(codes_path(saved), ROWS[:100])
    with pytest.raises(HeaderError, match="tokenspace-codes"):
        open_codes(saved, ROWS)
    whole = codes_path(saved).read_bytes()
    nan = whole[:-4] + np.float32(np.nan).tobytes()  # the last number of the middle
    for bad in (whole[:100], whole[:-5], b"", whole + b"x", whole.replace(b'"base":', b'"bose":'), nan):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises((FileContentError, KeyError)) as caught:
            open_codes(tmp_path / "bad", ROWS)
        assert isinstance(caught.value, FileContentError)


def test_the_command_writes_codes_that_near_uses(saved):
    codes_path(saved).unlink()
    from tokenspace.cli import main

    runner = CliRunner()
    before = runner.invoke(main, ["near", "-t", str(saved), "t5", "--json"])
    indexed = runner.invoke(main, ["index", str(saved), "--json"])
    assert indexed.exit_code == 0, indexed.output
    assert codes_path(saved).is_file()
    after = runner.invoke(main, ["near", "-t", str(saved), "t5", "--json"])
    assert after.stdout == before.stdout
