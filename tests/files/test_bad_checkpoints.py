"""Model folders that are broken or malicious: each gets its own error, the source stays as it is, and no output is left."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tokenspace import checkpoint, errors
from tokenspace.checkpoint.folders import staging
from tokenspace.checkpoint.streams import copying
from tokenspace.checkpoint.tokenizers.new_token import NewToken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N, D = 12, 4
TABLE, OTHER = "model.embed_tokens.weight", "model.layers.0.mlp.weight"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Write a sound model of two shards."""
    folder = tmp_path / "old"
    folder.mkdir()
    random = np.random.default_rng(1)
    save_file({TABLE: random.normal(size=(N, D)).astype(np.float32)}, folder / FIRST)
    save_file({OTHER: random.normal(size=(3, D)).astype(np.float32)}, folder / SECOND)
    write_json(folder / INDEX, {"metadata": {"total_size": 240}, "weight_map": {TABLE: FIRST, OTHER: SECOND}})
    write_json(folder / "config.json", {"architectures": ["LlamaModel"], "vocab_size": N})
    vocabulary = {f"t{i}": i for i in range(N)}
    write_json(folder / "tokenizer.json", {"added_tokens": [], "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "t0"}})
    return folder


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def change_json(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    write_json(path, value)


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def refused(old: Path, error: type[Exception], match: str, tokens: Any = ("x",), **options: Any) -> None:
    """Extend, and hold the error, the source and the folder around it against what they should be."""
    before, around = snapshot(old), sorted(path.name for path in old.parent.iterdir())
    with pytest.raises(error, match=match) as caught:
        checkpoint.extend(old, tokens, out=old.parent / "new", **{"init": "mean"} | options)
    assert isinstance(caught.value, errors.TokenspaceError)
    assert snapshot(old) == before
    assert sorted(path.name for path in old.parent.iterdir()) == around


def test_the_sound_model_is_extended(old: Path) -> None:
    checkpoint.extend(old, ["x"], out=old.parent / "new", init="mean")
    assert checkpoint.diff(old, old.parent / "new").proved


# ------------------------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("tokens", "error", "match"),
    [
        ([], errors.TokenError, "no token to add"),
        ([""], errors.TokenError, "seen '' as number 1"),
        (["x", " \t"], errors.TokenError, "as number 2"),
        (["x", 3], errors.TokenError, "seen int as number 2"),
        (["\udcff"], errors.TokenError, "UTF-8"),
        (["x", "y", "x"], errors.DuplicateTokenError, "given twice, as numbers 1 and 3"),
        (["x", "t7"], errors.DuplicateTokenError, "in the tokenizer already, as 7"),
    ],
)
def test_tokens_that_cannot_be_added(old: Path, tokens: list[Any], error: type[Exception], match: str) -> None:
    refused(old, error, match, tokens=tokens)


# ------------------------------------------------------------------------------------------------------------------- shards


def point_to(place: object) -> Callable[[Path], None]:
    return lambda old: change_json(old / INDEX, lambda index: index["weight_map"].update({TABLE: place}))


def swap(old: Path) -> None:
    change_json(old / INDEX, lambda index: index["weight_map"].update({TABLE: SECOND, OTHER: FIRST}))


def link_out(old: Path) -> None:
    shutil.move(old / FIRST, old.parent / "elsewhere.safetensors")
    (old / FIRST).symlink_to(old.parent / "elsewhere.safetensors")


def cut(name: str, count: int) -> Callable[[Path], None]:
    return lambda old: (old / name).write_bytes((old / name).read_bytes()[:count])  # type: ignore[func-returns-value]


def in_both(old: Path) -> None:
    save_file({**load_file(old / SECOND), TABLE: load_file(old / FIRST)[TABLE]}, old / SECOND)


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda old: (old / name).write_text(content)  # type: ignore[func-returns-value]


SHARDS: list[tuple[str, Callable[[Path], object], type[Exception], str]] = [
    ("shard missing", lambda old: (old / SECOND).unlink(), errors.MissingPartError, SECOND),
    ("no weights", lambda old: [path.unlink() for path in old.glob("model*")], errors.MissingPartError, "expected model.safetensors"),
    ("dots", point_to("../old/" + FIRST), errors.OutsideFolderError, "do not trust"),
    ("dots within", point_to("sub/../../old/" + FIRST), errors.OutsideFolderError, "do not trust"),
    ("absolute", point_to("/etc/passwd"), errors.OutsideFolderError, "passwd"),
    ("backslashes", point_to("..\\old\\" + FIRST), errors.OutsideFolderError, "do not trust"),
    ("zero byte", point_to("a\0b"), errors.OutsideFolderError, "do not trust"),
    ("name too long", point_to("x" * 300), errors.ModelFolderError, "expected the name of a file"),
    ("half a surrogate", point_to("\ud800.safetensors"), errors.ModelFolderError, "expected the name of a file"),
    ("link", link_out, errors.OutsideFolderError, "elsewhere.safetensors"),
    ("no name", point_to(7), errors.HeaderError, "weight_map"),
    ("empty name", point_to(""), errors.HeaderError, "weight_map"),
    ("other shard", swap, errors.MissingPartError, "it is in model-0000[12]"),
    ("wrong shard", point_to(SECOND), errors.MissingPartError, "it is in no shard"),
    ("no such tensor", lambda old: save_file({"x": np.zeros(2)}, old / FIRST), errors.MissingPartError, "it is in no shard"),
    ("in two shards", in_both, errors.ModelFolderError, "which is in model-00001-of-00002.safetensors too"),
    ("no map", text(INDEX, "{}"), errors.HeaderError, "weight_map"),
    ("no JSON", text(INDEX, '{"weight_map": '), errors.HeaderError, "expected JSON"),
    ("no object", text(INDEX, "[]"), errors.HeaderError, "expected a JSON object"),
    ("cut rows", cut(FIRST, 150), errors.TruncatedFileError, "expected .* bytes"),
    ("cut header", cut(FIRST, 20), errors.TruncatedFileError, "header"),
    ("cut other", cut(SECOND, 100), errors.TruncatedFileError, "expected"),
    ("empty", cut(FIRST, 0), errors.EmptyFileError, "0 bytes"),
    ("noise", lambda old: (old / FIRST).write_bytes(b"\xff" * 99), errors.HeaderError, "header"),
]


@pytest.mark.parametrize(("spoil", "error", "match"), [case[1:] for case in SHARDS], ids=[case[0] for case in SHARDS])
def test_weights_that_are_not_what_they_should_be(old: Path, spoil: Callable[[Path], object], error: type[Exception], match: str) -> None:
    spoil(old)
    refused(old, error, match)


def test_links_within_a_download_cache_are_followed(old: Path) -> None:
    cache = old.parent / "models--a--b"
    (cache / "snapshots").mkdir(parents=True)
    (cache / "blobs").mkdir()
    snapshot_folder = cache / "snapshots" / "0123"
    snapshot_folder.mkdir()
    for path in old.iterdir():
        shutil.move(path, cache / "blobs" / path.name)
        (snapshot_folder / path.name).symlink_to(f"../../blobs/{path.name}")
    checkpoint.extend(snapshot_folder, ["x"], out=old.parent / "new", init="mean")
    assert not any(path.is_symlink() for path in (old.parent / "new").iterdir())
    assert checkpoint.diff(snapshot_folder, old.parent / "new").proved


def test_a_linked_file_beside_the_weights_is_not_carried_out(old: Path) -> None:
    (old.parent / "secret").write_text("private")
    (old / "notes.txt").symlink_to("../secret")
    refused(old, errors.OutsideFolderError, "secret")
    (old / "notes.txt").unlink()
    (old / "notes").symlink_to("..")
    refused(old, errors.OutsideFolderError, "a link to one")


@pytest.mark.parametrize("place", ["../other", "/etc"])
def test_a_module_outside_is_refused(old: Path, place: str) -> None:
    write_json(old / "modules.json", [{"path": place, "type": "sentence_transformers.models.Transformer"}])
    refused(old, errors.OutsideFolderError, "do not trust")


@pytest.mark.parametrize("modules", [{}, [3], [{"type": 3}], [{"type": "x.Pooling", "path": ""}]])
def test_modules_without_a_transformer_are_refused(old: Path, modules: object) -> None:
    write_json(old / "modules.json", modules)
    refused(old, errors.FileContentError, "modules.json")


# ---------------------------------------------------------------------------------------------------------------- tokenizer


def with_tokenizer(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda old: change_json(old / "tokenizer.json", change)


def added(content: str, number: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return {"id": number, "content": content, **flags}


def slow(old: Path) -> None:
    (old / "tokenizer.json").unlink()
    (old / "vocab.txt").write_text("t0\nt1\n")


TOKENIZERS: list[tuple[str, Callable[[Path], object], type[Exception], str]] = [
    ("none", lambda old: (old / "tokenizer.json").unlink(), errors.MissingPartError, "expected a tokenizer"),
    ("slow", slow, errors.SlowTokenizerError, "seen vocab.txt"),
    (
        "larger",
        with_tokenizer(lambda t: t["model"]["vocab"].update(t12=12)),
        errors.TokenizerMismatchError,
        "13 ids are taken, but .* 12 rows",
    ),
    ("larger by added", with_tokenizer(lambda t: t["added_tokens"].append(added("z", 12))), errors.TokenizerMismatchError, "13 ids"),
    ("hole", with_tokenizer(lambda t: t["model"]["vocab"].pop("t5")), errors.TokenizerMismatchError, "holes"),
    ("twice", with_tokenizer(lambda t: t["model"]["vocab"].update(t5=4)), errors.TokenizerMismatchError, "have one id"),
    ("out of order", with_tokenizer(lambda t: t["added_tokens"].append(added("z", 14))), errors.TokenizerMismatchError, "it gets 12"),
    ("other id", with_tokenizer(lambda t: t["added_tokens"].append(added("t3", 4))), errors.TokenizerMismatchError, "it gets 3"),
    ("no content", with_tokenizer(lambda t: t["added_tokens"].append({"id": 12})), errors.HeaderError, "with id and content"),
    ("no list", with_tokenizer(lambda t: t.update(added_tokens=3)), errors.HeaderError, "with id and content"),
    ("no model", with_tokenizer(lambda t: t.pop("model")), errors.HeaderError, "model"),
    ("no vocabulary", with_tokenizer(lambda t: t["model"].pop("vocab")), errors.HeaderError, "vocab"),
    ("no ids", with_tokenizer(lambda t: t["model"]["vocab"].update(t5="five")), errors.HeaderError, "a token and its id"),
    ("cut", cut("tokenizer.json", 60), errors.HeaderError, "expected"),
    ("no JSON", text("tokenizer.json", "tokens"), errors.HeaderError, "expected {"),
    ("empty", text("tokenizer.json", ""), errors.HeaderError, "expected {"),
    ("other list", text("added_tokens.json", '{"t3": 9}'), errors.TokenizerMismatchError, "'t3' is 9, in tokenizer.json it is 3"),
    ("list of others", text("added_tokens.json", '{"q": 12}'), errors.TokenizerMismatchError, "it is None"),
]


@pytest.mark.parametrize(("spoil", "error", "match"), [case[1:] for case in TOKENIZERS], ids=[case[0] for case in TOKENIZERS])
def test_tokenizers_that_do_not_fit(old: Path, spoil: Callable[[Path], object], error: type[Exception], match: str) -> None:
    spoil(old)
    refused(old, error, match)


@pytest.mark.parametrize(
    ("more", "match"),
    [({"merges": ["t0 t1", "t0t1"]}, "a merge of two tokens"), ({}, "merges"), ({"merges": [], "unk_token": 3}, "cannot read")],
)
def test_a_tokenizer_that_is_damaged_where_only_cutting_looks(old: Path, more: dict[str, Any], match: str) -> None:
    pytest.importorskip("tokenizers")
    with_tokenizer(lambda t: t.update(model={"type": "BPE", "vocab": t["model"]["vocab"], **more}))(old)
    refused(old, errors.ModelFolderError if "cannot" in match else errors.HeaderError, match, init="subtoken-mean")


def test_a_missing_tokenizers_library_is_named(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    refused(old, errors.MissingExtraError, "needs the package tokenizers", init="subtoken-mean")


def test_a_missing_torch_is_named(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    for path in old.glob("model*"):
        path.unlink()
    (old / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    refused(old, errors.MissingExtraError, "needs PyTorch")


# ------------------------------------------------------------------------------------------------------------- architecture


def weights(**tensors: tuple[int, ...]) -> Callable[[Path], None]:
    """Write these tensors instead, in one file."""

    def write(old: Path) -> None:
        for path in old.glob("model*"):
            path.unlink()
        random = np.random.default_rng(4)
        arrays = {name.replace("__", "."): random.normal(size=shape).astype(np.float32) for name, shape in tensors.items()}
        save_file(arrays, old / "model.safetensors")

    return write


def size_of(value: object) -> Callable[[Path], object]:
    return lambda old: write_json(old / "config.json", {"vocab_size": value})


ARCHITECTURES: list[tuple[str, Callable[[Path], object], type[Exception], str]] = [
    ("unknown names", weights(tokens__matrix=(N, D)), errors.UnknownArchitectureError, r"tokens.matrix F32 \[12, 4\]"),
    (
        "two tables",
        weights(encoder__embed_tokens__weight=(N, D), decoder__embed_tokens__weight=(N, D)),
        errors.UnknownArchitectureError,
        "decoder.embed_tokens.weight F32 .*, encoder.embed_tokens.weight",
    ),
    ("unknown head", weights(embed_tokens__weight=(N, D), classes__weight=(N, D)), errors.UnknownArchitectureError, "no known role"),
    ("other size", text("config.json", '{"vocab_size": 13}'), errors.UnknownArchitectureError, "vocab_size is 13, but .* has 12 rows"),
    *(
        (f"vocab_size {size!r}", size_of(size), errors.UnknownArchitectureError, "expected a whole number as vocab_size")
        for size in ("12", 12.5, [12], True, math.inf)
    ),
    ("no config", lambda old: (old / "config.json").unlink(), errors.ModelFolderError, "config.json"),
    ("pad id", text("config.json", '{"vocab_size": 12, "pad_token_id": 12}'), errors.TokenizerMismatchError, "pad_token_id is 12"),
    ("eos ids", text("generation_config.json", '{"eos_token_id": [2, 12]}'), errors.TokenizerMismatchError, "eos_token_id is 12"),
]


@pytest.mark.parametrize(("spoil", "error", "match"), [case[1:] for case in ARCHITECTURES], ids=[case[0] for case in ARCHITECTURES])
def test_networks_that_are_not_understood(old: Path, spoil: Callable[[Path], object], error: type[Exception], match: str) -> None:
    spoil(old)
    refused(old, error, match)


def test_the_caller_may_name_the_tensors(old: Path) -> None:
    weights(tokens__matrix=(N, D), classes__matrix=(N, D))(old)
    refused(old, errors.UnknownArchitectureError, "no known role", embedding="tokens.matrix")
    checkpoint.extend(old, ["x"], out=old.parent / "new", init="mean", embedding=["tokens.matrix", "classes.matrix"])
    assert [array.shape for array in load_file(old.parent / "new/model.safetensors").values()] == [(N + 1, D)] * 2
    assert checkpoint.diff(old, old.parent / "new", embedding=["tokens.matrix", "classes.matrix"]).proved


def test_a_quantised_table_is_refused(old: Path) -> None:
    save_file({TABLE: np.zeros((N, D), dtype=np.uint8)}, old / FIRST)
    refused(old, errors.DtypeError, "stored as U8")


# ------------------------------------------------------------------------------------------------------------------- output


def fails_with(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(("number", "match"), [(errno.ENOSPC, "No space left"), (errno.EROFS, "Read-only"), (errno.EDQUOT, "quota")])
def test_a_disk_that_takes_no_more_leaves_nothing(old: Path, monkeypatch: pytest.MonkeyPatch, number: int, match: str) -> None:
    monkeypatch.setattr(os, "fsync", fails_with(number))
    refused(old, errors.OutputError, match)


def test_a_copy_that_fails_half_way_leaves_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "copy_file_range", fails_with(errno.ENOSPC), raising=False)
    if not hasattr(os, "pread"):
        pytest.skip("no such system call")
    refused(old, errors.OutputError, "No space left")


def test_too_little_room_is_seen_before_anything_is_copied(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(old)._replace(free=100)
    monkeypatch.setattr(staging.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(copying, "write", fails_with(errno.EIO))
    refused(old, errors.OutputError, "the disk has 0.0 MB free")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(old: Path) -> None:
    old.parent.chmod(0o500)
    try:
        refused(old, errors.OutputError, "Permission denied")
    finally:
        old.parent.chmod(0o700)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, RuntimeError])
def test_whatever_stops_it_leaves_nothing(old: Path, stop: type[BaseException]) -> None:
    def watcher(*_: object) -> None:
        raise stop

    before = snapshot(old)
    with pytest.raises(stop), checkpoint.watching(watcher):
        checkpoint.extend(old, ["x"], out=old.parent / "new", init="mean")
    assert snapshot(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["old"]


def test_what_stops_a_replacement_leaves_what_was_there(old: Path) -> None:
    checkpoint.extend(old, ["x"], out=old.parent / "new", init="mean")
    before = snapshot(old.parent / "new")

    def watcher(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), checkpoint.watching(watcher):
        checkpoint.extend(old, ["y"], out=old.parent / "new", init="mean", force=True)
    assert snapshot(old.parent / "new") == before
    assert sorted(path.name for path in old.parent.iterdir()) == ["new", "old"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_whole(old: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool) -> None:  # noqa: FBT001
    if not exchanges:
        monkeypatch.setattr(staging, "_exchange", lambda *_: False)
    checkpoint.extend(old, ["x"], out=old.parent / "new", init="mean")
    (old.parent / "new" / "left.over").write_text("of the first")
    checkpoint.extend(old, ["y"], out=old.parent / "new", init="mean", force=True)
    assert not (old.parent / "new" / "left.over").exists()
    assert sorted(path.name for path in old.parent.iterdir()) == ["new", "old"]


@pytest.mark.parametrize("pad", [0, -1, 1.5, True])
def test_a_multiple_must_be_one(old: Path, pad: Any) -> None:
    refused(old, errors.ArgumentError, "pad_to must be", pad_to=pad)


@pytest.mark.parametrize("pad", [10**12, 2**62, 10**20])
def test_padding_that_no_disk_holds_is_refused_before_it_is_made(old: Path, pad: int) -> None:
    refused(old, errors.OutputError, "cannot write .* MB to .*: the disk has", pad_to=pad)


def test_a_table_is_not_padded(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a 1 2\nb 3 4\n")
    with pytest.raises(errors.ArgumentError, match="no others; seen pad_to 8"):
        checkpoint.extend(tmp_path / "t.txt", ["x"], out=tmp_path / "new.txt", init="mean", pad_to=8)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_mean_of_what_is_no_number_is_named(old: Path, value: float) -> None:
    matrix = np.array(load_file(old / FIRST)[TABLE])
    matrix[3, 1] = value
    save_file({TABLE: matrix}, old / FIRST)
    refused(old, errors.NotFiniteError, f"{FIRST}: '{TABLE}' holds NaN or infinity")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"untouched": "move"}, "untouched must be one of copy, link"),
        ({"colour": "red"}, "seen colour"),
        ({"init": "copy"}, "init needs copy_of"),
        ({"init": "copy", "copy_of": ["nothing"]}, "which the tokenizer does not have"),
        ({"init": "copy", "copy_of": {"y": "t1"}}, "seen none for 'x'"),
        ({"init": "neighbours"}, "start from a donor; seen none"),
        ({"init": "best"}, "init must be"),
    ],
)
def test_arguments_outside_what_is_accepted(old: Path, options: dict[str, Any], match: str) -> None:
    refused(old, errors.ArgumentError, match, **options)


# --------------------------------------------------------------------------------------------------------------- rows, PEFT


@pytest.fixture
def rows(old: Path) -> Path:
    checkpoint.extend(old, ["x", "y"], out=old.parent / "new", init="mean")
    checkpoint.diff(old, old.parent / "new", rows=old.parent / "rows.safetensors", adapter=old.parent / "adapter")
    return old.parent / "rows.safetensors"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": "other"}, "expected format"),
        ({"version": "2"}, "version '2'"),
        ({"first": "twelve"}, "expected first, before, after"),
        ({"first": "-1"}, "contradict"),
        ({"after": "99"}, "expected 87 rows"),
        ({"tokens": "[]"}, "contradict|expected"),
        ({"tokens": '[{"content": 3, "id": 12}]'}, "contradict|expected"),
        ({"sha256": "{}"}, "contradict"),
        ({"sha256": "3"}, "contradict|expected"),
    ],
)
def test_rows_that_contradict_themselves(old: Path, rows: Path, change: dict[str, str], match: str) -> None:
    from safetensors import safe_open

    with safe_open(rows, "numpy") as file:
        metadata = file.metadata()
    save_file(load_file(rows), rows, metadata={**metadata, **change})
    with pytest.raises(errors.FileContentError, match=match):
        checkpoint.apply(old, rows, out=old.parent / "again")
    assert not (old.parent / "again").exists()


def test_rows_that_do_not_fit(old: Path, rows: Path) -> None:
    new = old.parent / "new"
    with pytest.raises(errors.DuplicateTokenError, match="in the tokenizer already"):
        checkpoint.apply(new, rows, out=old.parent / "again")
    with pytest.raises(errors.HeaderError, match="tokenspace.rows"):
        checkpoint.apply(old, old / FIRST, out=old.parent / "again")
    change_json(new / "tokenizer.json", lambda t: t["added_tokens"].clear())
    with pytest.raises(errors.BaseMismatchError, match="belongs to a .* of 12 rows"):
        checkpoint.apply(new, rows, out=old.parent / "again")


def test_adapters_that_do_not_fit(old: Path, rows: Path) -> None:
    adapter = old.parent / "adapter"
    done = checkpoint.apply(old, adapter, out=old.parent / "again")
    assert done.tokens == ("x", "y")
    change_json(adapter / "adapter_config.json", lambda settings: settings.update(token_indices=[14, 15]))
    with pytest.raises(errors.BaseMismatchError, match="next free row is 12"):
        checkpoint.apply(old, adapter, out=old.parent / "more")
    change_json(adapter / "adapter_config.json", lambda settings: settings.update(token_indices=[12]))
    with pytest.raises(errors.BaseMismatchError, match="has the shape"):
        checkpoint.apply(old, adapter, out=old.parent / "more")
    change_json(adapter / "adapter_config.json", lambda settings: settings.update(token_indices=["a"]))
    with pytest.raises(errors.HeaderError, match="token_indices"):
        checkpoint.apply(old, adapter, out=old.parent / "more")
    change_json(adapter / "adapter_config.json", lambda settings: settings.update(token_indices=[12, 13]))
    (adapter / "tokenizer.json").unlink()
    with pytest.raises(errors.MissingPartError, match="tokenizer.json beside them"):
        checkpoint.apply(old, adapter, out=old.parent / "more")
    with pytest.raises(errors.ModelFolderError, match="seen an adapter"):
        checkpoint.open(adapter)
    assert not (old.parent / "more").exists()


def test_rows_that_are_no_numbers(old: Path, rows: Path) -> None:
    from safetensors import safe_open

    with safe_open(rows, "numpy") as file:
        metadata = file.metadata()
    sound = load_file(rows)
    save_file({name: np.full_like(values, math.nan) for name, values in sound.items()}, rows, metadata=metadata)
    with pytest.raises(errors.NotFiniteError, match="rows.safetensors: model.embed_tokens.weight holds nan"):
        checkpoint.apply(old, rows, out=old.parent / "again")
    save_file({name: values[:, ::2].astype(np.float64) for name, values in sound.items()}, rows, metadata=metadata)
    with pytest.raises(errors.BaseMismatchError, match="16 bytes, F64; seen 12 rows of 16 bytes, F32"):
        checkpoint.apply(old, rows, out=old.parent / "again", any_base=True)
    assert not (old.parent / "again").exists()


@pytest.mark.parametrize(
    ("values", "error", "match"),
    [
        (np.zeros((2, D), dtype=np.int32), errors.BaseMismatchError, "stored as I32; expected F32"),
        (np.full((2, D), math.nan, dtype=np.float32), errors.NotFiniteError, "adapter_model.safetensors: .* holds nan"),
    ],
    ids=["integers", "nan"],
)
def test_adapters_of_other_numbers(old: Path, rows: Path, values: Any, error: type[Exception], match: str) -> None:
    weights = rows.parent / "adapter/adapter_model.safetensors"
    save_file(dict.fromkeys(load_file(weights), values), weights)
    with pytest.raises(error, match=match):
        checkpoint.apply(old, rows.parent / "adapter", out=old.parent / "again")


@pytest.mark.parametrize("place", ["old", "new", "old/adapter", "."])
def test_an_adapter_takes_no_models_place(old: Path, rows: Path, place: str) -> None:
    """``--adapter OLD --force`` is a slip that cost the model."""
    before = snapshot(rows.parent)
    with pytest.raises(errors.ArgumentError, match="must not lie in one another"):
        checkpoint.diff(old, old.parent / "new", adapter=old.parent / place, force=True)
    assert snapshot(rows.parent) == before


@pytest.mark.parametrize("place", ["t.txt", "rows.safetensors"])
def test_rows_joined_to_a_table_replace_neither_of_the_two(tmp_path: Path, place: str) -> None:
    (tmp_path / "t.txt").write_text("a 1 2\nb 3 4\n")
    checkpoint.extend(tmp_path / "t.txt", ["x"], out=tmp_path / "new.txt", init="mean")
    checkpoint.diff(tmp_path / "t.txt", tmp_path / "new.txt", rows=tmp_path / "rows.safetensors")
    before = snapshot(tmp_path)
    with pytest.raises(errors.ArgumentError, match="is the source"):
        checkpoint.apply(tmp_path / "t.txt", tmp_path / "rows.safetensors", out=tmp_path / place, force=True)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_table_on_a_full_disk_is_named(tmp_path: Path) -> None:
    import resource

    (tmp_path / "t.txt").write_text("a 1 2\nb 3 4\n")
    call = [sys.executable, "-m", "tokenspace", "extend", "t.txt", "--token", "x", "--init", "mean", "--out", "new.txt"]
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))  # noqa: E731
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limited, check=False)
    assert (done.returncode, done.stderr) == (1, "error: new.txt: File too large\n")
    assert [path.name for path in tmp_path.iterdir()] == ["t.txt"]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.TableNotFoundError):
        checkpoint.open(tmp_path / "nothing")
    with pytest.raises(errors.TableNotFoundError):
        checkpoint.extend(tmp_path / "nothing", ["x"], out=tmp_path / "new")


def test_new_tokens_know_their_flags() -> None:
    token = NewToken("x", special=True, normalized=False)
    assert NewToken.of(token.entry(5)) == token
