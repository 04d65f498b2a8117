"""Model folders made by hand, extended, compared and put together again; no network is loaded, no tokenizer library needed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file

import tokenspace as ts
from tokenspace import checkpoint
from tokenspace.checkpoint.streams import copying, direct
from tokenspace.checkpoint.streams.pieces import Stretch
from tokenspace.cli import main
from tokenspace.errors import ArgumentError, BaseMismatchError, OutputError, ProofError

if TYPE_CHECKING:
    from pathlib import Path

N, D = 12, 4
TABLE, HEAD, BIAS, OTHER = "model.embed_tokens.weight", "lm_head.weight", "lm_head.bias", "model.layers.0.mlp.weight"


def tokenizer(size: int = N) -> dict[str, Any]:
    special = {"id": 0, "content": "t0", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    vocabulary = {f"t{i}": i for i in range(size)}
    return {"version": "1.0", "added_tokens": [special], "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"}}


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def made(folder: Path, *, size: int = N, shards: bool = False, config: dict[str, Any] | None = None, **tensors: Any) -> Path:
    """Write a model folder: a table, a head of its own with a bias, and a layer."""
    folder.mkdir()
    default = {TABLE: numbers(N, D), HEAD: numbers(N, D, seed=1), BIAS: numbers(N, seed=2), OTHER: numbers(3, D, seed=3)}
    weights = tensors or default
    if shards:
        places = {name: f"model-0000{i + 1}-of-0000{len(weights)}.safetensors" for i, name in enumerate(weights)}
        for name, place in places.items():
            save_file({name: weights[name]}, folder / place, metadata={"format": "pt"})
        size_of = sum(array.nbytes for array in weights.values())
        index = {"metadata": {"total_size": size_of}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    settings = {"architectures": ["LlamaForCausalLM"], "vocab_size": N, "tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(settings if config is None else config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(size)))
    return folder


def tensors(folder: Path) -> dict[str, Any]:
    return {name: array for path in folder.glob("*.safetensors") for name, array in load_file(path).items()}


def snapshot(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("size", [N, N - 1, N - 5])
def test_new_rows_stand_after_the_tokens_and_the_rest_is_what_it_was(tmp_path: Path, size: int, shards: bool) -> None:  # noqa: FBT001
    old = made(tmp_path / "old", size=size, shards=shards)
    before = snapshot(old)
    rows = numbers(3, D, seed=9)
    done = checkpoint.extend(old, ["x", "y", "z"], out=tmp_path / "new", init=rows)
    total = max(N, size + 3)
    assert (done.ids, done.rows_before, done.rows_after, done.reserved_filled) == (range(size, size + 3), N, total, min(3, N - size))
    assert snapshot(old) == before
    one, other = tensors(old), tensors(tmp_path / "new")
    assert np.array_equal(other[TABLE][size : size + 3], rows)
    assert np.allclose(other[HEAD][size : size + 3], one[HEAD][:size].mean(0))
    assert np.allclose(other[BIAS][size : size + 3], one[BIAS][:size].mean())
    for name in (TABLE, HEAD, BIAS):
        assert np.array_equal(other[name][:size], one[name][:size])
        assert np.array_equal(other[name][size + 3 : N], one[name][size + 3 : N])
        assert len(other[name]) == total
    assert np.array_equal(other[OTHER], one[OTHER])
    assert json.loads((tmp_path / "new/config.json").read_text())["vocab_size"] == total
    assert checkpoint.diff(old, tmp_path / "new").require().added == 3


def test_the_header_keeps_order_and_metadata(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    checkpoint.extend(old, ["x"], out=tmp_path / "new", init="zeros")
    headers = []
    for folder in (old, tmp_path / "new"):
        data = (folder / "model.safetensors").read_bytes()
        headers.append(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]))
    assert list(headers[0]) == list(headers[1])
    assert headers[0]["__metadata__"] == headers[1]["__metadata__"]
    assert [headers[1][name]["dtype"] for name in (TABLE, HEAD)] == ["F32", "F32"]


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_every_element_type_stays(tmp_path: Path, dtype: str) -> None:
    import ml_dtypes

    kind = np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else np.dtype(dtype)
    old = made(tmp_path / "old")
    array = numbers(N, D).astype(kind)
    save_file({TABLE: array}, old / "model.safetensors")
    (old / "config.json").write_text(json.dumps({"vocab_size": N}))
    rows = np.float32([[1, 2, 3, 4.5]])
    checkpoint.extend(old, ["x"], out=tmp_path / "new", init=rows)
    matrix = checkpoint.open(tmp_path / "new").matrix
    assert matrix.dtype == kind
    assert np.array_equal(matrix[:N].view(np.uint8), array.view(np.uint8))
    assert np.array_equal(matrix[N].astype(np.float32), rows[0])


def test_untouched_shards_are_copied_or_linked(tmp_path: Path) -> None:
    old = made(tmp_path / "old", shards=True)
    last = "model-00004-of-00004.safetensors"
    for how, links in (("copy", 1), ("link", 2)):
        done = checkpoint.extend(old, ["x"], out=tmp_path / how, init="mean", untouched=how)
        assert (tmp_path / how / last).stat().st_nlink == links
        assert (tmp_path / how / last).read_bytes() == (old / last).read_bytes()
        assert last not in done.rewritten
        assert "files rewritten: 6 of 7" in str(done)
        assert (tmp_path / how / "model-00001-of-00004.safetensors").stat().st_nlink == 1
    index = json.loads((tmp_path / "copy/model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(array.nbytes for array in tensors(tmp_path / "copy").values())


def test_padding_rounds_up_and_the_next_extension_fills_it(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    first = checkpoint.extend(old, ["x"], out=tmp_path / "one", init="mean", pad_to=8)
    assert (first.rows_after, first.reserved_filled) == (16, 0)
    second = checkpoint.extend(tmp_path / "one", ["y", "z"], out=tmp_path / "two", init="mean", pad_to=8)
    assert (second.rows_after, second.reserved_filled, second.first) == (16, 2, 13)
    assert checkpoint.diff(old, tmp_path / "two").require().added == 3
    assert "2 reserved rows filled" in str(second)


def test_a_tied_copy_in_the_file_is_extended_alike(tmp_path: Path) -> None:
    table = numbers(N, D)
    config = {"architectures": ["GPT2LMHeadModel"], "vocab_size": N}
    old = made(tmp_path / "old", config=config, **{"transformer.wte.weight": table, "lm_head.weight": table.copy()})
    done = checkpoint.extend(old, ["x"], out=tmp_path / "new", init=numbers(1, D, seed=8))
    both = tensors(tmp_path / "new")
    assert done.head == "tied"
    assert np.array_equal(both["transformer.wte.weight"], both["lm_head.weight"])


def test_nested_settings_and_a_bias_of_one_row(tmp_path: Path) -> None:
    config = {"architectures": ["BartForConditionalGeneration"], "text_config": {"vocab_size": N}, "vision_config": {"vocab_size": 7}}
    weights = {"model.shared.weight": numbers(N, D), "final_logits_bias": numbers(1, N)}
    old = made(tmp_path / "old", config=config, **weights)
    (old / "generation_config.json").write_text('{"eos_token_id": 2}')
    done = checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    assert done.head == "tied, with bias"
    assert tensors(tmp_path / "new")["final_logits_bias"].shape == (1, N + 1)
    settings = json.loads((tmp_path / "new/config.json").read_text())
    assert settings["text_config"]["vocab_size"] == N + 1
    assert settings["vision_config"]["vocab_size"] == 7
    checkpoint.diff(old, tmp_path / "new", rows=tmp_path / "rows.safetensors")
    checkpoint.apply(old, tmp_path / "rows.safetensors", out=tmp_path / "again")
    assert snapshot(tmp_path / "again") == snapshot(tmp_path / "new")


def test_every_list_of_added_tokens_is_kept_in_step(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    entry = {key: value for key, value in tokenizer()["added_tokens"][0].items() if key != "id"}
    (old / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {"0": entry}, "model_max_length": 9}))
    (old / "added_tokens.json").write_text('{"t0": 0}')
    checkpoint.extend(old, [checkpoint.NewToken("<x>", special=True)], out=tmp_path / "new", init="mean")
    fast = json.loads((tmp_path / "new/tokenizer.json").read_text())
    settings = json.loads((tmp_path / "new/tokenizer_config.json").read_text())
    assert fast["added_tokens"][-1]["content"] == settings["added_tokens_decoder"][str(N)]["content"] == "<x>"
    assert fast["added_tokens"][-1]["special"] is settings["added_tokens_decoder"][str(N)]["special"] is True
    assert json.loads((tmp_path / "new/added_tokens.json").read_text()) == {"t0": 0, "<x>": N}
    assert settings["model_max_length"] == 9
    assert checkpoint.diff(old, tmp_path / "new").proved


def test_weights_in_other_forms_are_left_out_and_named(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    (old / "onnx").mkdir()
    (old / "2_Dense").mkdir()
    for name in ("onnx/model.onnx", "tf_model.h5", "2_Dense/pytorch_model.bin", "README.md"):
        (old / name).write_bytes(name.encode())
    done = checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    assert done.left_out == ("onnx/model.onnx", "tf_model.h5")
    assert "left out: onnx/model.onnx, tf_model.h5" in str(done)
    assert (tmp_path / "new/2_Dense/pytorch_model.bin").read_bytes() == b"2_Dense/pytorch_model.bin"
    assert checkpoint.diff(old, tmp_path / "new").proved


def test_an_output_that_is_there_is_replaced_only_by_force(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    before = snapshot(tmp_path / "new")
    with pytest.raises(OutputError, match="is there already"):
        checkpoint.extend(old, ["y"], out=tmp_path / "new", init="mean")
    assert snapshot(tmp_path / "new") == before
    checkpoint.extend(old, ["y"], out=tmp_path / "new", init="mean", force=True)
    assert "y" in checkpoint.open(tmp_path / "new").table()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
    (tmp_path / "home").mkdir()
    with pytest.raises(OutputError, match="is not a model folder"):
        checkpoint.extend(old, ["y"], out=tmp_path / "home", init="mean", force=True)
    for inside in (old, old / "new", tmp_path):
        with pytest.raises(ArgumentError, match="must not lie in one another"):
            checkpoint.extend(old, ["y"], out=inside, init="mean", force=True)


def test_without_the_kernels_copy_the_bytes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = made(tmp_path / "old", shards=True)
    checkpoint.extend(old, ["x"], out=tmp_path / "one", init="mean")

    def refuses(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuses, raising=False)
    monkeypatch.setattr(copying, "BUFFER", 7)
    checkpoint.extend(old, ["x"], out=tmp_path / "two", init="mean")
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_progress_is_told_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = made(tmp_path / "old")
    monkeypatch.setattr(copying, "CHUNK", 64)
    told: list[tuple[str, int, int]] = []
    with checkpoint.watching(lambda *said: told.append(said)):
        checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    assert len(told) > 5
    assert all(0 < done <= total for _, done, total in told)


def test_a_model_is_a_table(tmp_path: Path) -> None:
    model = checkpoint.open(made(tmp_path / "old", size=N - 2))
    table = model.table()
    assert (model.rows, model.taken, table.shape) == (N, N - 2, (N - 2, D))
    assert np.array_equal(table["t3"], numbers(N, D)[3])


# --------------------------------------------------------------------------------------------------------------------- diff


def altered(tmp_path: Path, name: str, change: Any) -> checkpoint.Difference:
    """Compare a model with an extension of it in which one file was changed."""
    old = made(tmp_path / "old", shards=True)
    (old / "modules.txt").write_text("as it was")
    checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    path = tmp_path / "new" / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()) if path.exists() else change(b""))
    return checkpoint.diff(old, tmp_path / "new")


def flipped(place: int) -> Any:
    return lambda data: data[:place] + bytes([data[place] ^ 1]) + data[len(data) + place + 1 :]


def replaced(one: bytes, other: bytes) -> Any:
    return lambda data: data.replace(one, other)


@pytest.mark.parametrize(
    ("name", "change", "part", "detail"),
    [
        ("model-00001-of-00004.safetensors", flipped(-2 * 16), TABLE, "row 11 differs"),
        ("model-00002-of-00004.safetensors", flipped(-13 * 16), HEAD, "row 0 differs"),
        ("model-00003-of-00004.safetensors", flipped(-8), BIAS, "row 11 differs"),
        ("model-00004-of-00004.safetensors", flipped(-1), OTHER, "row 2 differs"),
        ("config.json", replaced(b"false", b"true"), "config.json", "tie_word_embeddings: false -> true"),
        ("tokenizer.json", replaced(b"WordLevel", b"WordPiece"), "tokenizer.json", "model.type differs"),
        ("tokenizer.json", replaced(b'"t5": 5', b'"T5": 5'), "tokenizer.json", "model.vocab differs"),
        ("modules.txt", replaced(b"as", b"is"), "modules.txt", "the content differs"),
        ("modules.txt", None, "modules.txt", "the file is gone"),
        ("more.json", lambda _: b"{}", "more.json", "a file that was not there before"),
    ],
)
def test_whatever_else_changes_is_found_and_named(tmp_path: Path, name: str, change: Any, part: str, detail: str) -> None:
    difference = altered(tmp_path, name, change)
    assert [(finding.part, finding.detail) for finding in difference.of("changed")] == [(part, detail)]
    assert not difference
    assert str(difference).endswith("NOT PROVED: 1 thing changed")
    with pytest.raises(ProofError, match=part):
        difference.require()


def test_documents_may_change(tmp_path: Path) -> None:
    difference = altered(tmp_path, "README.md", lambda _: b"about")
    assert difference.proved
    assert [finding.part for finding in difference.of("noted")] == ["README.md"]


def test_an_extension_told_backwards_is_no_proof(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    assert not checkpoint.diff(tmp_path / "new", old).proved
    same = checkpoint.diff(old, old)
    assert same.proved
    assert str(same).endswith("PROVED: nothing changed")


# -------------------------------------------------------------------------------------------------------------------- apply


def test_rows_give_the_extension_again_bit_for_bit(tmp_path: Path) -> None:
    old = made(tmp_path / "old", size=N - 1, shards=True)
    checkpoint.extend(old, ["x", "y", "z"], out=tmp_path / "new", init="sample", seed=3, pad_to=8)
    rows = tmp_path / "rows.safetensors"
    checkpoint.diff(old, tmp_path / "new", rows=rows)
    assert rows.stat().st_size < 3000
    done = checkpoint.apply(old, rows, out=tmp_path / "again")
    assert done.tokens == ("x", "y", "z")
    assert snapshot(tmp_path / "again") == snapshot(tmp_path / "new")
    with pytest.raises(OutputError, match="is there already"):
        checkpoint.diff(old, tmp_path / "new", rows=rows)


def test_rows_of_another_model_are_refused(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    checkpoint.extend(old, ["x"], out=tmp_path / "new", init="mean")
    checkpoint.diff(old, tmp_path / "new", rows=tmp_path / "rows.safetensors")
    weights = {TABLE: numbers(N, D, seed=77), HEAD: numbers(N, D, seed=1), BIAS: numbers(N, seed=2)}
    other = made(tmp_path / "other", **weights)
    with pytest.raises(BaseMismatchError, match="SHA-256"):
        checkpoint.apply(other, tmp_path / "rows.safetensors", out=tmp_path / "bad")
    assert not (tmp_path / "bad").exists()
    checkpoint.apply(other, tmp_path / "rows.safetensors", out=tmp_path / "forced", any_base=True)
    assert tensors(tmp_path / "forced")[TABLE].shape == (N + 1, D)
    narrow = made(tmp_path / "narrow", **{name: array[:, :2] if array.ndim > 1 else array for name, array in weights.items()})
    with pytest.raises(BaseMismatchError, match="16 bytes, F32; seen 12 rows of 8 bytes, F32"):
        checkpoint.apply(narrow, tmp_path / "rows.safetensors", out=tmp_path / "bad", any_base=True)


def test_the_verbs_serve_tables(tmp_path: Path) -> None:
    table = ts.EmbeddingTable(["new", "york", "tab"], numbers(3, D))
    for ending in ("txt", "bin", "tokenspace"):
        old, new, again = (tmp_path / f"{name}.{ending}" for name in ("old", "new", "again"))
        rows = tmp_path / f"{ending}.safetensors"
        ts.save(table, old)
        done = checkpoint.extend(old, ["newyork", "tabyork"], out=new)
        assert str(done) == "2 tokens -> rows 3..4 (0 reserved rows filled)"
        assert checkpoint.diff(old, new, rows=rows).require().added == 2
        checkpoint.apply(old, rows, out=again)
        assert np.array_equal(ts.open(again).matrix, ts.open(new).matrix)
        assert not checkpoint.diff(new, old).proved
    with pytest.raises(ArgumentError, match="a model and a table"):
        checkpoint.diff(made(tmp_path / "model"), tmp_path / "old.txt")


# ------------------------------------------------------------------------------------------------------------- command line


def run(*arguments: object, **more: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **more)


def test_the_commands_do_the_same(tmp_path: Path) -> None:
    old, new, rows = made(tmp_path / "old"), tmp_path / "new", tmp_path / "rows.safetensors"
    words = tmp_path / "words.txt"
    words.write_text("x\ny\n")
    result = run("extend", old, "--tokens", words, "--token", "z", "--init", "sample", "--seed", 3, "--pad-to", 8, "--out", new)
    assert result.exit_code == 0, result.output
    assert result.stdout == "3 tokens -> rows 12..14 (0 reserved rows filled); head: untied, with bias; files rewritten: 3 of 3\n"
    told = json.loads(run("extend", old, "--tokens", "-", "--init", "mean", "--out", tmp_path / "b", "--json", input="x\r\ny").stdout)
    assert (told["ids"], told["tokens"]) == ([12, 13], ["x", "y"])

    result = run("diff", old, new, "--rows", rows, "--json")
    assert (result.exit_code, json.loads(result.stdout)["proved"]) == (0, True)
    assert "PROVED: only new rows were added" in run("diff", old, new).stdout
    assert run("diff", new, old).exit_code == 1

    result = run("apply", old, rows, "--out", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert snapshot(tmp_path / "again") == snapshot(new)
    assert run("apply", old, rows, "--out", tmp_path / "again").exit_code == 1


def test_a_second_column_tells_what_a_token_starts_as(tmp_path: Path) -> None:
    old = made(tmp_path / "old")
    result = run("extend", old, "--tokens", "-", "--init", "copy", "--out", tmp_path / "new", input="x\tt3\ny\tt5\n")
    assert result.exit_code == 0, result.output
    assert np.array_equal(tensors(tmp_path / "new")[TABLE][N:], numbers(N, D)[[3, 5]])
    result = run("extend", old, "--token", "x", "--init", "mean", "--out", tmp_path / "other", "--link", "--special")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (("--out", "new"), "", "there is no token to add"),
        (("--tokens", "-", "--out", "new", "--init", "copy"), "x\n", "expected a token, a tab and a text"),
        (("--tokens", "-", "--out", "new"), "x\n\ny\n", "seen '' as number 2"),
        (("--token", "t3", "--out", "new"), "", "in the tokenizer already, as 3"),
        (("--token", "x", "--out", "no/such"), "", "there is no folder"),
        (("--token", "x", "--out", "new", "--embedding", "nothing"), "", "there is no tensor 'nothing'"),
    ],
)
def test_mistakes_end_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], given: str, message: str
) -> None:
    made(tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    result = run("extend", "old", *arguments, input=given)
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("sizes", [(0,), (1,), (4096,), (4095, 2), (5, 10_000, 1), (70_000,)])
@pytest.mark.parametrize("refused", [False, True])
def test_a_large_file_past_the_cache_has_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], *, refused: bool
) -> None:
    monkeypatch.setattr(copying, "LARGE", 0)
    monkeypatch.setattr(direct, "ROOM", 8192)
    if refused:  # a disk that takes the flag and then not the write
        fcntl, write = pytest.importorskip("fcntl"), os.write

        def only_through_the_cache(file: int, data: Any) -> int:
            if fcntl.fcntl(file, fcntl.F_GETFL) & getattr(os, "O_DIRECT", 0):
                raise OSError(errno.EINVAL, "Invalid argument")
            return write(file, data)

        monkeypatch.setattr(os, "write", only_through_the_cache)
    content = np.random.default_rng(3).integers(0, 256, sum(sizes), dtype=np.uint8).tobytes()
    (tmp_path / "source").write_bytes(b"before" + content + b"after")
    pieces: list[Any] = []
    at = 0
    for number, size in enumerate(sizes):
        part = content[at : at + size]
        pieces.append(np.frombuffer(part, dtype=np.uint8) if number % 2 else Stretch(tmp_path / "source", 6 + at, size))
        at += size
    copying.write(tmp_path / "target", pieces)
    assert (tmp_path / "target").read_bytes() == content


def test_a_disk_without_direct_writing_is_written_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "LARGE", 0)
    plain = os.open

    def refuses(path: Any, flags: int, *rest: int) -> int:
        file = plain(path, flags & ~getattr(os, "O_DIRECT", 0), *rest)
        if flags & getattr(os, "O_DIRECT", 0):
            os.close(file)
            raise OSError(errno.EINVAL, "Invalid argument")
        return file

    monkeypatch.setattr(os, "open", refuses)
    (tmp_path / "source").write_bytes(b"x" * 5000)
    copying.write(tmp_path / "target", [Stretch(tmp_path / "source", 1, 4998)])
    assert (tmp_path / "target").read_bytes() == b"x" * 4998


@pytest.mark.parametrize(("text", "more"), [("3 2\na 1 2\nb 3 4\nc 0 1\n", "4 2\n"), ("a 1 2\nb 3 4\nc 0 1\n", "a 1")])
def test_a_text_table_keeps_its_layout(tmp_path, text, more):
    old, new, rows, again = (tmp_path / name for name in ("old.txt", "new.txt", "rows.safetensors", "again.txt"))
    old.write_text(text)
    checkpoint.extend(old, ["d"], out=new, init=[[5.0, 6.0]])
    assert new.read_text().startswith(more)
    assert new.read_text().endswith("\nd 5.0 6.0\n")
    checkpoint.diff(old, new, rows=rows).require()
    checkpoint.apply(old, rows, out=again)
    assert again.read_bytes() == new.read_bytes()
    packed = tmp_path / "old.txt.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ArgumentError):
        checkpoint.extend(packed, ["d"], out=tmp_path / "new.gz")
