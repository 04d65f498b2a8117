"""The public names: sorted, importable, documented."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import tokenspace
from tokenspace.errors import MissingExtraError

NAMES = getattr(tokenspace, "__all__", [])


def test_names_are_sorted_constants_then_classes_then_the_rest() -> None:
    assert NAMES
    assert sorted(set(NAMES), key=lambda name: (not name.isupper(), name[0].islower(), name)) == list(NAMES)


def test_dir_lists_every_public_name() -> None:
    assert set(NAMES) <= set(dir(tokenspace))


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_can_be_imported_and_has_a_docstring(name: str) -> None:
    try:
        value = getattr(tokenspace, name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    assert (inspect.getdoc(value) or "").strip()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tokenspace.no_such_name  # type: ignore[attr-defined]


def test_the_version_is_the_one_to_cite() -> None:
    citation = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [tokenspace.__version__]
