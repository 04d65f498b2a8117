"""The command line in one process: what each command prints, and how each mistake of a user ends."""

from __future__ import annotations

import importlib
import json
import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import tokenspace as ts
from tokenspace.cli import COMMANDS, main
from tokenspace.cli.output import printable, short

if TYPE_CHECKING:
    from pathlib import Path

U, V = "[2,-1,3]", "[1,2,-1]"
A, B = "[-1,4,2]", "[3,0,-2]"
TOKENS = ["king", "queen", "man", "woman", "prince", "tab\there", "zero", "-", "new york", "\x1b[31m", "\udcff"]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> ts.EmbeddingTable:
    """Make every name but ``missing`` stand for one small table."""
    matrix = np.random.default_rng(7).normal(size=(len(TOKENS), 4)).astype(np.float32)
    matrix[TOKENS.index("zero")] = 0
    small = ts.EmbeddingTable(TOKENS, matrix)

    def opened(name: str) -> ts.EmbeddingTable:
        if name == "missing":
            message = "no table 'missing'"
            raise ts.errors.TableNotFoundError(message, hint="names: glove-6b-50d")
        return small

    monkeypatch.setattr(ts, "open", opened, raising=False)
    monkeypatch.delenv("TOKENSPACE_TABLE", raising=False)
    return small


def run(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(main, list(arguments), **more)


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.split("\n")[:-1]]


# ---------------------------------------------------------------------------------------------------------------- the group


def test_each_summary_in_the_list_is_that_of_its_command() -> None:
    for name, summary in COMMANDS.items():
        command = importlib.import_module(f"tokenspace.cli.{name.replace('-', '_')}").command
        assert command.name == name
        assert command.get_short_help_str(200) == summary


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], *([name, "--help"] for name in COMMANDS)])
def test_help_is_given(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert result.stderr == ""


def test_help_documents_the_exit_codes() -> None:
    assert "Exit codes: 0 done, 1 bad data" in run("--help").stdout


def test_without_a_command_help_is_given() -> None:
    assert run().stdout == run("--help").stdout


@pytest.mark.usefixtures("table")
def test_a_token_that_begins_with_a_dash_goes_behind_two() -> None:
    assert "hint: if it is a token, write it behind '--'" in run("near", "-5").stderr
    assert "error: token '-5' is not in the vocabulary" in run("near", "--", "-5").stderr


def test_the_version_is_shown() -> None:
    assert run("--version").stdout.startswith("tokenspace ")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "error: No such command 'nonsense'"),
        (["near"], 2, "error: Missing argument 'TOKEN...'"),
        (["near", "king", "--what"], 2, "error: No such option"),
        (["near", "king", "-k", "0"], 2, "error: Invalid value for '-k'"),
        (["near", "king", "-m", "manhattan"], 2, "error: Invalid value for '-m'"),
        (["near", "king", "--threads", "0"], 2, "error: Invalid value for '--threads'"),
        (["near", "knig"], 1, "error: token 'knig' is not in the vocabulary of 11 tokens\nhint: did you mean 'king'"),
        (["near", "king - "], 1, "error: "),
        (["near", "[1,2]"], 1, "error: expected a vector of 4 numbers"),
        (["near", "[1,x,2,3]"], 2, "error: expected a vector of numbers such as [2,-1,3], got 'x' as number 2"),
        (["near", "[1,nan,2,3]"], 2, "got 'nan' as number 2"),
        (["near", "king", "-t", "missing"], 1, "error: no table 'missing'\nhint: names: glove-6b-50d"),
        (["near", "zero", "-m", "cosine"], 1, "error: the query 'zero' is the zero vector"),
        (["measure", "king"], 2, "error: Missing argument 'B'"),
        (["measure", "[1,2]", "[1,2,3]"], 1, "error: "),
        (["measure", "king", "[1,2,3]"], 1, "error: expected a vector of 4 numbers"),
        (["measure", "king", "queen", "--exact"], 2, "error: --exact needs two vectors given as numbers\nhint: "),
        (["measure", "--exact", "[1e99999]", "[1]"], 2, "error: "),
        (["analogy", "man", "king"], 2, "error: Missing argument 'C'"),
        (["info", "missing"], 1, "error: no table 'missing'"),
        (["tour", "--out", "no/such/folder/picture.svg"], 1, "error: no such folder"),
    ],
)
def test_a_mistake_ends_in_one_message_and_its_code(arguments: list[str], code: int, said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert all(line.startswith(("error: ", "hint: ")) for line in result.stderr.splitlines())
    assert isinstance(result.exception, SystemExit)


def test_a_usage_error_points_to_the_help_of_its_command() -> None:
    assert "hint: see 'tokenspace near --help'" in run("near", prog_name="tokenspace").stderr


def test_an_error_of_the_system_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(name: str) -> None:
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(ts, "open", opened, raising=False)
    result = run("info", "secret.bin")
    assert (result.exit_code, result.stderr) == (1, "error: secret.bin: Permission denied\n")


def test_running_out_of_memory_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(name: str) -> None:
        raise MemoryError

    monkeypatch.setattr(ts, "open", opened, raising=False)
    result = run("info", "large.bin")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: out of memory\nhint: ")


@pytest.mark.parametrize("given", ["", None])
def test_the_default_table_is_glove(monkeypatch: pytest.MonkeyPatch, table: ts.EmbeddingTable, given: str | None) -> None:
    asked = []
    monkeypatch.setattr(ts, "open", lambda name: asked.append(name) or table, raising=False)
    run("near", "king", env={"TOKENSPACE_TABLE": given})
    run("near", "king", env={"TOKENSPACE_TABLE": "mine.bin"})
    run("near", "king", "-t", "other.bin", env={"TOKENSPACE_TABLE": "mine.bin"})
    run("info", "named.bin", env={"TOKENSPACE_TABLE": "mine.bin"})
    assert asked == ["glove-6b-50d", "mine.bin", "other.bin", "named.bin"]


# --------------------------------------------------------------------------------------------------------------------- near


def test_near_prints_one_line_a_neighbour(table: ts.EmbeddingTable) -> None:
    head, *rows = lines(run("near", "king", "-k", "3"))
    assert head == ["query", "measure", "rank", "token", "id", "score", "norm"]
    assert [row[1] for row in rows] == ["euclidean"] * 3 + ["inner_product"] * 3 + ["cosine"] * 3
    for measure in ts.MEASURES:
        found = table.nearest("king", k=3, measure=measure)
        mine = [row for row in rows if row[1] == measure]
        assert [int(row[4]) for row in mine] == found.ids.tolist()
        assert [float(row[5]) for row in mine] == found.scores.tolist()
        assert [float(row[6]) for row in mine] == table.norms()[found.ids].tolist()


def test_near_as_json_has_a_document_a_query(table: ts.EmbeddingTable) -> None:
    one = json.loads(run("near", "king", "--json", "-k", "4").stdout)
    assert (one["table"], one["query"]) == ("glove-6b-50d", "king")
    assert list(one["neighbours"]) == list(ts.MEASURES)
    assert [row["token"] for row in one["neighbours"]["euclidean"]] == table.nearest("king", k=4, measure="euclidean").tokens
    assert set(one["neighbours"]["cosine"][0]) == {"token", "id", "score", "rank", "norm", "ranks"}
    two = json.loads(run("near", "king", "queen", "--json", "-m", "cosine").stdout)
    assert [document["query"] for document in two] == ["king", "queen"]


def test_the_rank_under_each_measure_is_the_place_in_its_full_list(table: ts.EmbeddingTable) -> None:
    document = json.loads(run("near", "king", "--json", "-k", "3").stdout)
    for measure in ts.MEASURES:
        everything = table.nearest("king", k=100, measure=measure).ids.tolist()
        for rows in document["neighbours"].values():
            for row in rows:
                if table.norms()[row["id"]] > 0:
                    assert row["ranks"][measure] == everything.index(row["id"]) + 1


@pytest.mark.usefixtures("table")
def test_near_takes_expressions_vectors_and_lines_of_standard_input() -> None:
    rows = lines(run("near", "king - man + woman", "[1,0,0,0]", "-", "-m", "cosine", "-k", "1", input="queen\n\nnew york\r\n-\n"))
    assert [row[0] for row in rows[1:]] == ["king - man + woman", "[1,0,0,0]", "queen", "new york", "-"]


@pytest.mark.usefixtures("table")
def test_the_words_of_a_query_are_left_out_unless_wanted() -> None:
    assert "king" not in [row[3] for row in lines(run("near", "king", "-k", "11"))[1:]]
    assert lines(run("near", "king", "-m", "euclidean", "-k", "1", "--include-query"))[1][3] == "king"


@pytest.mark.usefixtures("table")
def test_a_zero_query_has_distances_and_products_but_no_cosines() -> None:
    result = run("near", "zero", "-k", "2")
    assert {row[1] for row in lines(result)[1:]} == {"euclidean", "inner_product"}
    assert "note: " in result.stderr
    assert json.loads(run("near", "zero", "--json").stdout)["neighbours"]["cosine"] == []


@pytest.mark.usefixtures("table")
def test_a_row_without_a_cosine_ranks_last_with_an_empty_score() -> None:
    last = lines(run("near", "king", "-m", "cosine", "-k", "100"))[-1]
    assert (last[3], last[5]) == ("zero", "")
    assert json.loads(run("near", "king", "-m", "cosine", "-k", "100", "--json").stdout)["neighbours"]["cosine"][-1]["score"] is None


@pytest.mark.usefixtures("table")
def test_tabs_in_tokens_do_not_break_the_columns() -> None:
    rows = lines(run("near", "king", "-m", "cosine", "-k", "100"))
    assert {len(row) for row in rows} == {7}
    assert "tab\\there" in {row[3] for row in rows}


@pytest.mark.usefixtures("table")
def test_bytes_that_are_not_utf8_come_out_of_json_as_escapes() -> None:
    result = run("near", "king", "-k", "100", "--json")
    assert "\\udcff" in result.stdout
    assert "\udcff" in [row["token"] for row in json.loads(result.stdout)["neighbours"]["cosine"]]


def test_many_queries_give_what_each_gives_alone(table: ts.EmbeddingTable) -> None:
    queries = [word for word in table if word not in {"-", "\udcff"} and "\t" not in word] * 15
    together = lines(run("near", "-", "-m", "euclidean", "-k", "2", input="\n".join(queries)))[1:]
    assert [row[0] for row in together[::2]] == queries
    assert together[:2] == lines(run("near", queries[0], "-m", "euclidean", "-k", "2"))[1:]


def test_an_analogy_is_b_minus_a_plus_c(table: ts.EmbeddingTable) -> None:
    document = json.loads(run("analogy", "man", "king", "woman", "--json", "-k", "2").stdout)
    assert document["query"] == "king - man + woman"
    for measure in ts.MEASURES:
        tokens = [row["token"] for row in document["neighbours"][measure]]
        assert tokens == table.nearest("king - man + woman", k=2, measure=measure).tokens


# ------------------------------------------------------------------------------------------------------------------ measure


@pytest.mark.parametrize(
    ("pair", "answers"),
    [((U, V), ["sqrt(26)", "-3", "-3/(2*sqrt(21))"]), ((A, B), ["4*sqrt(3)", "-7", "-7/sqrt(273)"])],
)
def test_measure_gives_the_lectures_answers(pair: tuple[str, str], answers: list[str]) -> None:
    rows = {row[0]: row[1:] for row in lines(run("measure", "--exact", *pair))}
    assert [rows[measure][1] for measure in ts.MEASURES] == answers
    document = json.loads(run("measure", "--exact", "--json", *pair).stdout)
    assert [document["exact"][measure] for measure in ts.MEASURES] == answers
    assert document["table"] is None
    for measure in ts.MEASURES:
        value = eval(answers[ts.MEASURES.index(measure)], {"sqrt": math.sqrt})  # noqa: S307 - our own text
        assert document[measure] == pytest.approx(value, rel=1e-15)
        assert float(rows[measure][0]) == document[measure]


def test_measure_of_tokens_gives_all_that_compare_does(table: ts.EmbeddingTable) -> None:
    document = json.loads(run("measure", "king", "queen", "--json").stdout)
    pair = ts.compare(table["king"], table["queen"])
    for name in ("euclidean", "inner_product", "cosine", "norm_u", "norm_v", "projection"):
        assert document[name] == getattr(pair, name)
    assert document["angle_degrees"] == pytest.approx(math.degrees(pair.angle))
    assert (document["identity_left"], document["identity_right"]) == pair.identity


@pytest.mark.usefixtures("table")
def test_measure_mixes_tokens_expressions_and_vectors() -> None:
    assert json.loads(run("measure", "king - man", "[1,0,0,0]", "--json").stdout)["norm_v"] == 1


def test_numbers_may_be_decimals_and_fractions() -> None:
    rows = {row[0]: row[1:] for row in lines(run("measure", "--exact", "[1/2, .5e1]", "[0 -1/3]"))}
    assert rows["inner_product"][1] == "-5/3"


def test_the_cosine_of_a_zero_vector_is_undefined_and_never_zero() -> None:
    result = run("measure", "--exact", "[0,0]", "[1,0]")
    rows = {row[0]: row[1:] for row in lines(result)}
    assert rows["cosine"] == ["undefined", "undefined"]
    assert rows["euclidean"] == ["1.0", "1"]
    assert "note: the cosine similarity is undefined" in result.stderr
    document = json.loads(run("measure", "--exact", "[0,0]", "[1,0]", "--json").stdout)
    assert document["cosine"] is None
    assert document["exact"]["cosine"] is None
    assert document["projection"] is None


def test_the_exact_column_is_empty_where_there_is_no_surd() -> None:
    rows = {row[0]: row[1:] for row in lines(run("measure", "--exact", U, V))}
    assert rows["angle_degrees"][1] == ""


# ---------------------------------------------------------------------------------------------------------- info and doctor


def test_info_describes_the_table(table: ts.EmbeddingTable) -> None:
    document = json.loads(run("info", "--json", "--verify").stdout)
    assert (document["rows"], document["dimensions"], document["dtype"]) == (11, 4, "float32")
    assert document["zero_rows"] == 1
    assert document["norms"]["max"] == table.norms().max()
    assert document["first_tokens"] == TOKENS[:8]
    assert document["verified"] is True
    rows = dict(lines(run("info")))
    assert rows["rows"] == "11"
    assert "tab\\there" in rows["first_tokens"]


def test_doctor_reports_what_the_installation_is_made_of() -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["problems"] == []
    assert document["needed"]["numpy"] == np.__version__
    assert document["kernels"]["in use"] == ts.native.LEVEL
    assert "kernels\n  in use" in run("doctor").stdout


def test_doctor_names_what_is_broken_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenspace.cli import doctor

    def broken() -> dict[str, Any]:
        message = "cannot load libopenblas"
        raise OSError(message)

    monkeypatch.setitem(doctor.SECTIONS, "kernels", broken)
    monkeypatch.setattr(doctor, "NEEDED", (*doctor.NEEDED, "no-such-package"))
    result = run("doctor")
    assert result.exit_code == 1
    assert "kernels: OSError: cannot load libopenblas" in result.stdout
    assert "no-such-package is not installed" in result.stdout


# ------------------------------------------------------------------------------------------------------------------ convert


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_text("king 1.5 2\nqueen 3 -4\n", encoding="utf-8")
    return path


def test_convert_writes_and_says_what(text_file: Path) -> None:
    target = text_file.with_suffix(".tokenspace")
    said = dict(lines(run("convert", str(text_file), str(target))))
    assert (said["rows"], said["dimensions"], said["dtype"]) == ("2", "2", "float32")
    assert int(said["bytes"]) == target.stat().st_size
    assert ts.open(str(target))["queen"].tolist() == [3, -4]
    document = json.loads(run("convert", str(target), str(text_file.with_suffix(".npy")), "--dtype", "float16", "--json").stdout)
    assert document["dtype"] == "float16"
    assert ts.open(text_file.with_suffix(".npy")).dtype == np.float16


def test_convert_knows_a_store_by_its_scheme(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenspace import sinks

    asked: list[tuple[object, ...]] = []

    def fill(table: ts.EmbeddingTable, address: str, **options: object) -> sinks.Filled:
        asked.append((list(table), address, options["into"], options["measure"], options["dtype"], options["force"]))
        if len(asked) > 1:
            raise KeyboardInterrupt
        return sinks.Filled("postgresql://me:***@host/x", str(options["into"]), len(table), table.d, "float16", 2, 1e-4, unit=True)

    monkeypatch.setattr(sinks, "fill", fill)
    call = ("convert", str(text_file), "postgresql://me:hush@host/x", "--measure", "cosine", "--dtype", "float16")
    result = run(*call)
    assert asked == [
        (list(ts.open(text_file)), "postgresql://me:hush@host/x", sinks.default_name(text_file.name), "cosine", "float16", False)
    ]
    assert dict(lines(result))["to"] == "postgresql://me:***@host/x"
    assert "rounded to float16: by 0.0001" in result.stderr
    assert "length 1" in result.stderr
    stopped = run(*call)
    assert stopped.exit_code == 130
    assert "note: what postgresql://me:***@host/x holds stays there; the same command goes on" in stopped.stderr
    assert "hush" not in result.output + result.stderr + stopped.stderr


def test_convert_tells_stores_from_files(text_file: Path) -> None:
    for arguments, says in (
        (("lancedb://x", "--to", "npy"), "--to is for files"),
        (("x.npy", "--into", "y"), "--into and --measure are for stores"),
        (("mysql://x",), "no store has the scheme 'mysql'"),
        (("postgresql://a@b@c/x",), "cannot be taken apart"),
    ):
        result = run("convert", str(text_file), *arguments)
        assert result.exit_code == 2
        assert says in result.stderr


def test_convert_replaces_nothing_unless_told_to(text_file: Path) -> None:
    target = text_file.with_suffix(".bin")
    target.write_bytes(b"precious")
    result = run("convert", str(text_file), str(target))
    assert (result.exit_code, result.stderr) == (2, f"error: {target} exists\nhint: add --force to replace it\n")
    assert target.read_bytes() == b"precious"
    assert run("convert", str(text_file), str(target), "--force").exit_code == 0
    assert ts.open(target)["king"].tolist() == [1.5, 2]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"king 1 2\nqueen 3\n", 1, "line 2"),
        (b"king 1 2\nqueen 3 x\n", 1, "line 2"),
        (b"king 1 2\nqueen 3 nan\n", 1, "line 2"),
        (b"king 1 2\nking 3 4\n", 1, "king"),
        (b"king 1 2\nqu\xffen 3 4\n", 1, "UTF-8"),
        (b"", 1, "0 bytes"),
    ],
)
def test_a_bad_file_is_named_with_its_place_and_leaves_nothing(tmp_path: Path, content: bytes, code: int, said: str) -> None:
    path, target = tmp_path / "bad.txt", tmp_path / "good.tokenspace"
    path.write_bytes(content)
    result = run("convert", str(path), str(target))
    assert result.exit_code == code
    assert result.stderr.startswith(f"error: {path}")
    assert said in result.stderr
    assert sorted(tmp_path.iterdir()) == [path]


def test_bytes_that_are_not_utf8_are_kept_on_request(tmp_path: Path) -> None:
    path, target = tmp_path / "bytes.txt", tmp_path / "bytes.bin"
    path.write_bytes(b"qu\xffen 3 4\n")
    assert run("convert", str(path), str(target), "--keep-bytes").exit_code == 0
    assert b"qu\xffen" in target.read_bytes()


def test_the_choices_of_format_are_the_formats() -> None:
    from tokenspace.cli.arguments import DTYPES
    from tokenspace.cli.convert import READ, WRITTEN
    from tokenspace.rows import FLOATS

    assert {known.name for known in ts.formats.FORMATS} == set(READ)
    assert {known.name for known in ts.formats.FORMATS if known.write} == set(WRITTEN)
    assert FLOATS == DTYPES


def test_info_names_the_format_and_verifies_the_file(text_file: Path) -> None:
    target = text_file.with_suffix(".tokenspace")
    assert run("convert", str(text_file), str(target)).exit_code == 0
    document = json.loads(run("info", str(target), "--json", "--verify").stdout)
    assert document["format"] == ts.formats.FORMATS[0].title
    assert document["file_bytes"] == target.stat().st_size
    damaged = bytearray(target.read_bytes())
    damaged[-1] ^= 1
    target.write_bytes(damaged)
    result = run("info", str(target), "--verify")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {target}")


# --------------------------------------------------------------------------------------------------------------------- tour


@pytest.mark.usefixtures("table")
def test_the_tour_takes_its_nine_steps_on_any_table(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    result = run("tour", "--out", str(picture))
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    for said in ("9  The geometry", "The same bits: yes", "-3/(2*sqrt(21))", "11 old rows identical", str(picture)):
        assert said in result.stdout
    assert ET.fromstring(picture.read_text(encoding="utf-8")).tag.endswith("svg")


def test_the_tour_does_without_its_own_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = ts.EmbeddingTable(["a", "b", "c", "d", "a+b"], np.eye(5, 3, dtype=np.float32) + 1)
    monkeypatch.setattr(ts, "open", lambda name: other, raising=False)
    result = run("tour", "--json", "--out", str(tmp_path / "picture.svg"))
    assert result.exit_code == 0, result.output
    assert [step["step"] for step in json.loads(result.stdout)["steps"]] == list(range(1, 10))


def test_the_tour_refuses_a_table_too_small_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ts, "open", lambda name: ts.EmbeddingTable(["a"], [[1.0]]), raising=False)
    result = run("tour")
    assert (result.exit_code, result.stderr) == (1, "error: the tour needs a table of at least 4 tokens, this one has 1\n")


# ------------------------------------------------------------------------------------------------------------------- output


def test_letters_that_a_terminal_obeys_are_shown_as_escapes() -> None:
    assert printable("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert printable("a\u202eb\u2066") == "a\\u202eb\\u2066"
    assert printable("\udcff\u2028") == "\\udcff\\u2028"
    assert printable("naïve 東京 👩‍🔬") == "naïve 東京 👩‍🔬"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0000"),
        (0.12345, "0.1235"),
        (1e-5, "1e-05"),
        (123456.0, "1.2346e+05"),
        (math.nan, "undefined"),
        (-math.inf, "-inf (beyond float64)"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert short(value) == text
