"""What the explorer's views show, as documents, on ordinary and on odd tables."""

from __future__ import annotations

import importlib.util
import json
import re
import time

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner

import tokenspace as ts
from tokenspace import native
from tokenspace.cli import main
from tokenspace.errors import ArgumentError, DuplicateTokenError, MissingExtraError, NotFiniteError, ShapeError, UnknownTokenError
from tokenspace.explorer import api, columns, comparing, layers, lists, maps, pairs
from tokenspace.explorer.answers import called, json_of
from tokenspace.explorer.attending import Attentive
from tokenspace.explorer.opened import Opened, Tables

RNG = np.random.default_rng(3)
WORDS = ["king", "queen", "man", "woman", *(f"word{i}" for i in range(496))]
ROWS = RNG.standard_normal((500, 16)).astype(np.float32)
ODD = [
    "",
    "a b",
    "😀👩‍👩‍👧",
    "שלום",
    "<script>alert(1)</script>",
    "x\ty",
    "king - man",
    "\u202eevil",
    "dup1",
    "dup2",
    "zero",
    "#3",
    "[1,2]",
    "\udcff",
]


def opened(words=WORDS, rows=ROWS, **more) -> Opened:
    return Opened(ts.EmbeddingTable(words, rows), "t", **more)


def odd_table(dtype=np.float32) -> Opened:
    rows = RNG.standard_normal((len(ODD), 2)).astype(dtype)
    rows[9], rows[10] = rows[8], 0
    return opened(ODD, rows)


def test_lists_are_those_of_the_command_line(tmp_path):
    path = tmp_path / "t.safetensors"
    ts.save(ts.EmbeddingTable(WORDS, ROWS), path)
    for text in ("king", "king - man + woman", str(ROWS[7].tolist())):
        printed = json.loads(CliRunner().invoke(main, ["near", text, "-k", "7", "-t", str(path), "--json"], catch_exceptions=False).stdout)
        shown = json.loads(json_of(lists.near(opened(), text, k=7)))
        assert shown["neighbours"] == printed["neighbours"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_every_row_of_an_odd_table_can_be_asked_for(dtype):
    one = odd_table(dtype)
    for row, token in enumerate(ODD):
        for text in (f"#{row}", token) if token != "#3" else (token,):  # noqa: S105 - a word
            found = lists.near(one, text, k=100)
            assert [term["id"] for term in found["terms"]] == [row if text != "#3" else ODD.index("#3")]
            assert len(found["neighbours"]["euclidean"]) == len(ODD) - 1
            json.loads(json_of(found))


@pytest.mark.skipif(native.LEVEL == "numpy", reason="rows are coded by the compiled kernels only")
def test_lists_are_the_same_before_rows_are_coded_and_after():
    one = opened([f"w{i}" for i in range(20_000)], RNG.standard_normal((20_000, 64)).astype(np.float32))
    before = [lists.near(one, f"w{i}") for i in range(3)]
    assert one.searches()["cosine"].explain(1, 12).path == "every"
    after = [lists.near(one, f"w{i}") for i in range(3)]  # one of these is asked once too often, and codes are made
    assert one.searches()["cosine"].explain(1, 12).path == "bytes"
    assert before == after


def test_equal_rows_rank_by_id_and_a_zero_row_has_no_cosine():
    one = odd_table()
    assert lists.near(one, "dup1")["neighbours"]["euclidean"][0]["token"] == "dup2"  # noqa: S105 - a word
    zero = lists.near(one, "zero")
    assert zero["undefined"] == ["cosine"]
    assert zero["neighbours"]["cosine"] == []
    assert zero["neighbours"]["euclidean"]
    last = lists.near(one, "dup1", k=100)["neighbours"]["cosine"][-1]
    assert (last["token"], json.loads(json_of(last))["score"]) == ("zero", None)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tiny_tables_have_every_view(n):
    one = opened(WORDS[:n], ROWS[:n, :1])
    lists.near(one, WORDS[0])
    pairs.pair(one, WORDS[0], WORDS[n - 1])
    layers.layer(one, [WORDS[0]], [1])
    maps.pca(one)
    for name in ("norm", "order", "cluster"):
        assert len(columns.coloured(one, name).data) == n
    json.loads(json_of(one.document()))


def test_a_table_without_rows_is_refused():
    with pytest.raises(ArgumentError, match="with rows to explore; 'none' has none"):
        Opened(ts.EmbeddingTable([], np.zeros((0, 3), dtype=np.float32)), "none")


def test_rows_beyond_float64_s_squares_have_lists_and_a_reason_for_no_map():
    rows = 1e200 * np.random.default_rng(0).standard_normal((30, 4))
    one = opened([f"w{i}" for i in range(30)], rows)
    found = lists.near(one, "w3", k=5)
    order = np.argsort([float(ts.euclidean(rows[3], row)) for row in rows], kind="stable")[1:6]
    assert [row["id"] for row in found["neighbours"]["euclidean"]] == order.tolist()
    assert [row["ranks"]["euclidean"] for row in found["neighbours"]["euclidean"]] == [1, 2, 3, 4, 5]
    assert json.loads(json_of(found))["norm"] is None  # an infinite one has no number in JSON
    for make in (lambda: maps.pca(one), lambda: maps.named(one, "w1", "w2")):
        with pytest.raises(NotFiniteError, match="squared distances"):
            make()


def test_completion_finds_the_very_token_then_beginnings_then_what_holds_it():
    one = opened(["Bking", "kingdom", "king", "KINGS", "taking", "sking - man", "x"], np.eye(7, dtype=np.float32))
    assert [token for _, token in lists.complete(one, "king")["tokens"]] == ["king", "kingdom", "KINGS", "Bking", "taking", "sking - man"]
    assert [token for _, token in lists.complete(one, "king", limit=2)["tokens"]] == ["king", "kingdom"]
    assert [token for _, token in lists.complete(one, "", limit=2)["tokens"]] == ["Bking", "kingdom"]
    assert lists.complete(one, "nothing like it")["tokens"] == []
    assert lists.complete(one, "gking")["tokens"] == []  # across two tokens is in neither
    assert [token for _, token in lists.complete(odd_table(), "<SCRIPT")["tokens"]] == ["<script>alert(1)</script>"]


def test_a_pair_says_what_compare_says():
    found = pairs.pair(opened(), "king", "queen")
    expected = ts.compare(ROWS[0], ROWS[1])
    assert (found["euclidean"], found["cosine"], found["identity_left"]) == (expected.euclidean, expected.cosine, expected.identity[0])
    assert np.isclose(
        np.hypot(found["norm_v"] * np.cos(found["angle"]) - found["norm_u"], found["norm_v"] * np.sin(found["angle"])), found["euclidean"]
    )
    assert pairs.picture(opened(), "king", "queen")[0].startswith("<svg")


def test_the_layer_gives_the_lookup_and_the_full_product():
    one = layers.layer(opened(), ["king"], [1.0])
    assert np.allclose(one["z"], ROWS[0])
    assert one["product"]["difference"] == 0
    several = layers.layer(opened(), ["king", "man", "king"], [1.0, -2.0, 0.5])
    assert np.allclose(several["z"], 1.5 * ROWS[0] - 2 * ROWS[2], atol=1e-6)
    assert several["product"]["difference"] < 1e-5
    with pytest.raises(ArgumentError, match="one finite weight"):
        layers.layer(opened(), ["king"], [1.0, 2.0])
    with pytest.raises(ArgumentError, match="one finite weight"):
        layers.layer(opened(), [], [])


@pytest.mark.parametrize("init", layers.STARTS)
def test_extension_for_show_keeps_every_old_row(init, monkeypatch):
    one = opened()
    found = layers.extended(one, ["king queen", "covid"], init, parts=["king"] if init == "copy" else ())
    assert found["proof"]["same"]
    assert found["proof"]["rows"] == 500
    assert [row["id"] for row in found["rows"]] == [500, 501]
    assert len(found["rows"][0]["near"]) == 5
    monkeypatch.setattr(layers, "PROVED", 0)  # a table too large to be extended for show gets the same rows
    assert layers.extended(one, ["king queen", "covid"], init, parts=["king"] if init == "copy" else ())["rows"] == found["rows"]
    assert one.table.n == 500


def test_extension_refuses_what_is_there():
    with pytest.raises(DuplicateTokenError):
        layers.extended(opened(), ["king"], "mean")


def test_map_columns_are_steps_of_their_extent():
    column, document = maps.pca(opened())
    steps = np.frombuffer(column.data, dtype="<u2").reshape(-1, 2)
    expected = ts_projection().coordinates
    back = np.array(column.header["origin"]) + steps * (column.header["side"] / columns.STEPS)
    assert np.abs(back - expected).max() <= column.header["side"] / columns.STEPS
    assert 0 < sum(document["share"]) < 1


def ts_projection():
    from tokenspace.analysis.projection import principal_axes

    return principal_axes(ROWS)


def test_named_axes_say_at_which_angle_they_meet():
    _, document = maps.named(opened(), "king - man", "queen - woman")
    u, v = ROWS[0] - ROWS[2], ROWS[1] - ROWS[3]
    assert np.isclose(document["between_degrees"], np.degrees(ts.compare(u, v).angle), atol=1e-3)
    with pytest.raises(UnknownTokenError):
        maps.named(opened(), "king", "nobody")


def test_a_column_of_ones_own_colours_the_map_and_holes_in_it_stay_holes():
    values = np.arange(500.0)
    values[3] = np.nan
    one = opened(columns={"counts": values})
    data = np.frombuffer(columns.coloured(one, "counts").data, dtype=np.uint8)
    assert (data[3], data[0], data[-1]) == (255, 0, 254)
    assert "counts" in one.document()["columns"]
    with pytest.raises(ArgumentError, match="no column"):
        columns.coloured(one, "other")
    with pytest.raises(ShapeError, match="one number for each of 500"):
        opened(columns={"counts": [1.0]})


def test_a_projection_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(maps, "available", lambda: dict.fromkeys(maps.LEARNT, False))
    with pytest.raises(MissingExtraError, match="umap"):
        maps.Workshop().begin(opened(), "umap")
    with pytest.raises(ArgumentError, match="expected one of"):
        maps.Workshop().begin(opened(), "tsne")


class Pipe:
    """The other process, as far as it is told anything."""

    def __init__(self, rows):
        self.rows, self.sent = rows, []

    def recv(self):
        return self.rows

    def send(self, message):
        self.sent.append(message)


def test_progress_is_read_from_what_a_package_prints():
    pipe = Pipe(None)
    telling = maps._Telling(pipe)
    for text in ("starting\n", "Epochs completed:  40%| 4/10\n", "\n", "Iteration:  225, Loss: 3.2\n"):
        telling.write(text)
    assert [message[1][0] for message in pipe.sent] == [0.0, 0.4, 0.5]


def test_a_learnt_projection_runs_in_a_process_of_its_own_and_says_how_it_failed(monkeypatch):
    monkeypatch.setattr(maps, "available", lambda: dict.fromkeys(maps.LEARNT, True))
    work = maps.Workshop().begin(opened(), "umap")
    for _ in range(1200):
        if work.state != "working":
            break
        time.sleep(0.1)
    installed = importlib.util.find_spec("umap") is not None
    assert work.state == ("done" if installed else "failed")
    assert installed or "umap" in work.note


# ------------------------------------------------------------------------------------------------------------------ two tables


def test_an_extension_is_proved_and_its_new_rows_named():
    a = opened()
    b = Opened(a.table.extend(["king queen", "covid"]), "b")
    found = comparing.overview(a, b)
    assert (found["both"], found["only_a"]["count"], found["only_b"]["tokens"]) == (500, 0, ["king queen", "covid"])
    assert found["proof"]["extension"] is True
    assert found["proof"]["identical"] == 500
    assert found["moved"]["moved"] == 0
    assert found["overlap"][10] == found["sampled"] == 500


def test_rows_that_moved_are_found_and_counted():
    rows = ROWS.copy()
    rows[7] += 3
    found = comparing.overview(opened(), Opened(ts.EmbeddingTable(WORDS, rows), "b"))
    assert (found["proof"]["identical"], found["proof"]["extension"]) == (499, False)
    assert [row["token"] for row in found["moved"]["rows"]] == ["word3"]
    assert np.isclose(found["moved"]["rows"][0]["distance"], 12, atol=1e-5)
    assert found["changed"][0]["kept"] < 10


def test_tables_of_other_words_and_dimensions_are_compared_by_neighbours_alone():
    b = Opened(ts.EmbeddingTable(["queen", "other", "king"], ROWS[:3, :5]), "b")
    found = comparing.overview(opened(), b)
    assert (found["both"], found["moved"], found["proof"]["possible"]) == (2, None, False)
    sides = comparing.side_by_side(opened(), b, "king", k=3)
    assert [row["known"] for row in sides["b"]["rows"]] == [True, False]
    assert "error" in comparing.side_by_side(opened(), b, "man")["b"]
    none = comparing.overview(opened(), Opened(ts.EmbeddingTable(["x"], [[1.0]]), "c"))
    assert (none["both"], none["sampled"]) == (0, 0)
    json.loads(json_of([found, sides, none]))


def test_a_table_is_not_compared_with_itself():
    one = opened()
    with pytest.raises(ArgumentError, match="two tables"):
        comparing.overview(one, one)


# ------------------------------------------------------------------------------------------------------------------ the interface


def world(**more) -> api.World:
    return api.World(Tables([opened(**more), odd_table()]), Attentive(), maps.Workshop())


def endpoint(path, method="GET"):
    return next(one for one in api.ENDPOINTS if (one.path, one.method) == (path, method))


def test_tables_of_one_name_are_told_apart_and_no_other_can_be_reached():
    tables = world().tables
    assert [one.name for one in tables] == ["t", "t (2)"]
    assert tables[""] is tables["t"]
    with pytest.raises(ArgumentError, match="no table '/etc/passwd'"):
        tables["/etc/passwd"]


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [
        ("/vector", {}, "parameter q: expected text"),
        ("/near", {"q": "king", "k": "0"}, "parameter k: expected a whole number in 1..1000"),
        ("/near", {"q": "king", "k": "1e9"}, "parameter k"),
        ("/near", {"q": "king", "k": "9" * 5000}, "parameter k"),
        ("/near", {"q": "king", "k": 2.5}, "parameter k"),
        ("/near", {"q": "king", "k": True}, "parameter k"),
        ("/near", {"q": "x" * 40_000}, "40,000 characters"),
        ("/near", {"q": 7}, "parameter q"),
        ("/tokens", {"ids": ["-1"]}, "parameter ids"),
        ("/tokens", {"ids": ["1"] * 600}, "up to 512"),
        ("/tokens", {"ids": []}, "nothing"),
        ("/map", {"method": "../../etc"}, "pca or axes"),
        ("/layer", {"tokens": ["king"], "weights": ["nan"]}, "parameter weights"),
    ],
)
def test_a_parameter_outside_its_limits_is_refused_by_name(path, given, said):
    with pytest.raises(ArgumentError, match=re.escape(said)):
        called(endpoint(path), world(), given)


def test_the_interface_describes_itself():
    document = json.loads(json_of(api.openapi()))
    assert document["openapi"].startswith("3.1")
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert described == {(api.ROOT + one.path, one.method) for one in api.ENDPOINTS}
    near = document["paths"]["/api/v1/near"]["get"]["parameters"]
    assert next(one for one in near if one["name"] == "k")["schema"] == {"type": "integer", "minimum": 1, "maximum": 1000, "default": 12}


def test_the_exercises_are_asked_without_and_marked_with_their_answers():
    asked = called(endpoint("/practice"), world(), {"kind": "cosine", "seed": "4", "level": "medium"})
    assert "answer" not in asked
    from tokenspace import practice

    answer = str(practice.problem("cosine", seed=4, difficulty="medium").answer)
    right = called(endpoint("/practice", "POST"), world(), {"kind": "cosine", "seed": 4, "level": "medium", "answer": answer})
    wrong = called(endpoint("/practice", "POST"), world(), {"kind": "cosine", "seed": 4, "level": "medium", "answer": "99"})
    assert (right["correct"], wrong["correct"]) == (True, False)
    assert wrong["said"]
    assert wrong["steps"]


def test_what_is_kept_is_made_once_and_a_failure_is_not_kept():
    one = opened()
    made = []
    assert one.keep("x", lambda: made.append(1) or 5) == one.keep("x", lambda: made.append(2)) == 5
    with pytest.raises(ZeroDivisionError):
        one.keep("y", lambda: 1 / 0)
    assert one.keep("y", lambda: 3) == 3
    assert made == [1]
