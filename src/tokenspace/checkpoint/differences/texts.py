"""What differs in a model's JSON files: configuration and tokenizer, entry by entry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenspace.checkpoint.folders import config
from tokenspace.checkpoint.folders.contents import read_json
from tokenspace.checkpoint.streams.comparing import equal, whole
from tokenspace.checkpoint.tokenizers.files import FAST, LEGACY, SETTINGS

if TYPE_CHECKING:
    from tokenspace.checkpoint.model import Model
    from tokenspace.checkpoint.tokenizers.tokenizer_json import TokenizerJson

NO_MATTER = {"transformers_version", "_name_or_path"}
"""Settings that say where a model came from; nothing computes with them."""

CHANGED, EXTENDED, IDENTICAL, NOTED = "changed", "extended", "identical", "noted"


@dataclass(frozen=True)
class Finding:
    """What a comparison showed of one tensor or file.

    Attributes
    ----------
    part : str
        Its name.
    verdict : str
        "identical", "extended" (by new rows or tokens and nothing else), "changed", or "noted" (different, of no consequence).
    detail : str
        What differs, or the evidence that nothing does.
    """

    part: str
    verdict: str
    detail: str


def diff_texts(old: Model, new: Model) -> list[Finding]:
    """Compare the JSON files of two models that their vocabularies have a part in."""
    findings = [_diff_settings(old, new, name) for name in ("config.json", "generation_config.json")]
    findings.append(_diff_tokenizer(old, new))
    findings += [_diff_listed(old, new, name) for name in (SETTINGS, LEGACY)]
    return [finding for finding in findings if finding is not None]


def _diff_settings(old: Model, new: Model, name: str) -> Finding | None:
    before, after = old.folder.json(name), new.folder.json(name)
    if before is None or after is None:
        return _one_only(name, before, after)
    if before == after:
        return Finding(name, IDENTICAL, "the same settings")
    resized = config.resized(before, old.rows, new.rows)
    changed = sorted(key for key in resized.keys() | after.keys() if resized.get(key, ...) != after.get(key, ...))
    if set(changed) - NO_MATTER:
        told = [f"{key}: {_short(before.get(key, '(none)'))} -> {_short(after.get(key, '(none)'))}" for key in changed]
        return Finding(name, CHANGED, "; ".join(told))
    if resized == before:
        return Finding(name, NOTED, f"{', '.join(changed)} differs")
    return Finding(name, EXTENDED, f"vocab_size {old.rows} -> {new.rows}")


def _diff_tokenizer(old: Model, new: Model) -> Finding:
    one, other = old.tokenizer.fast, new.tokenizer.fast
    if equal(whole(one.path), whole(other.path)):
        return Finding(FAST, IDENTICAL, f"{one.next_id:,} tokens")
    differs = _other_than_added(one, other)
    if differs:
        return Finding(FAST, CHANGED, f"{differs} differs")
    lost = [entry["content"] for entry in one.added if entry not in other.added]
    if lost:
        return Finding(FAST, CHANGED, f"the added token {lost[0]!r:.60} is gone or changed")
    more = [entry for entry in other.added if entry not in one.added]
    ids = sorted(entry["id"] for entry in more)
    if ids != list(range(old.taken, new.taken)):
        return Finding(FAST, CHANGED, f"new tokens have the ids {ids[:4]}..., expected {old.taken} and following")
    if not more:
        return Finding(FAST, IDENTICAL, f"{one.next_id:,} tokens, written in another way")
    return Finding(
        FAST, EXTENDED, f"{len(more):,} added tokens, ids {ids[0]}..{ids[-1]} (rows of the table); model, merges and the rest unchanged"
    )


def _other_than_added(one: TokenizerJson, other: TokenizerJson) -> str:
    """Return the name of a part that differs, the added tokens apart; empty if none does."""
    if _around(one) == _around(other):
        return ""
    before, after = read_json(one.path), read_json(other.path)
    for key in sorted((before.keys() | after.keys()) - {"added_tokens", "model"}):
        if before.get(key) != after.get(key):
            return str(key)
    for key in sorted(before["model"].keys() | after["model"].keys()):
        if before["model"].get(key) != after["model"].get(key):
            return f"model.{key}"
    return ""


def _around(file: TokenizerJson) -> tuple[bytes, bytes]:
    """Return what stands before the list of added tokens, and after it."""
    text = file.text
    begin = file.tail if not file.has_list else text.rindex(b'"added_tokens"', 0, file.tail)
    return text[:begin], text[file.end :]


def _diff_listed(old: Model, new: Model, name: str) -> Finding | None:
    """Compare a file that lists added tokens beside other things."""
    before, after = old.folder.json(name), new.folder.json(name)
    ids = range(old.taken, new.taken)
    if name == LEGACY:
        before = before or ({} if after is not None else None)
    if before is None or after is None:
        return _one_only(name, before, after)
    if before == after:
        return Finding(name, IDENTICAL, "the same entries")
    first, second = _entries(name, before), _entries(name, after)
    rest = sorted(
        key for key in (before.keys() | after.keys()) - {DECODER} if name == SETTINGS and before.get(key, ...) != after.get(key, ...)
    )
    if set(rest) - NO_MATTER:
        told = [f"{key}: {_short(before.get(key, '(none)'))} -> {_short(after.get(key, '(none)'))}" for key in rest]
        return Finding(name, CHANGED, "; ".join(told))
    contents = {entry["id"]: entry["content"] for entry in new.tokenizer.fast.added}
    gone = [number for number, content in first.items() if second.get(number) != content]
    more = [number for number in second if number not in first]
    wrong = [number for number in more if number not in ids or contents.get(number) != second[number]]
    if gone or wrong:
        return Finding(name, CHANGED, f"the added token with the id {(gone or wrong)[0]} is not that of {FAST}")
    return Finding(name, EXTENDED if more else NOTED, f"{len(more):,} added tokens")


DECODER = "added_tokens_decoder"


def _entries(name: str, value: dict[str, Any]) -> dict[int, Any]:
    """Return the added tokens that a file lists, by id."""
    if name == LEGACY:
        return {number: content for content, number in value.items()}
    listed = value.get(DECODER) or {}
    return {int(number): entry.get("content") if isinstance(entry, dict) else entry for number, entry in listed.items()}


def _one_only(name: str, before: object, after: object) -> Finding | None:
    if before is None and after is None:
        return None
    return Finding(name, CHANGED, "the file is gone" if after is None else "a file that was not there before")


def _short(value: object, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= most else text[: most - 3] + "..."
