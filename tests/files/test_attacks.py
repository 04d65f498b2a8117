"""Every numbered attack: the right table or a named error with the file in it, in bounded memory; nothing run, nothing left behind."""

from __future__ import annotations

import ast
import importlib.util
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from attacks import ATTACKS, ELSEWHERE, Attack

import tokenspace as ts
from tokenspace import errors

ROOT = Path(__file__).parents[2]
CONSTANT = 16 << 20


@pytest.mark.parametrize("attack", ATTACKS, ids=[f"{attack.number}-{attack.attacks.replace(' ', '-')}" for attack in ATTACKS])
def test_an_attack_gets_its_error_or_the_right_table(attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if attack.needs and not importlib.util.find_spec(attack.needs):
        pytest.skip(f"needs {attack.needs}")
    monkeypatch.chdir(tmp_path)
    content = attack.bytes()
    path = tmp_path / f"table{attack.suffix}"
    path.write_bytes(content)
    (tmp_path / "table.tokens").write_bytes("".join(f"t{row}\n" for row in range(5)).encode())
    before = sorted(entry.name for entry in tmp_path.iterdir())
    tracemalloc.start()
    try:
        if attack.right is None:
            with pytest.raises(errors.FileContentError) as caught:
                ts.open(path, format=attack.format, threads=1)
            assert str(path) in str(caught.value)
        else:
            table = ts.open(path, format=attack.format, threads=1)
            assert list(table) == attack.right[0]
            assert table.matrix.tobytes() == np.array(attack.right[1], np.float32).tobytes()
        assert tracemalloc.get_traced_memory()[1] < 2 * len(content) + CONSTANT
    finally:
        tracemalloc.stop()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before


def test_every_number_has_its_test() -> None:
    numbers = {attack.number for attack in ATTACKS} | set(ELSEWHERE)
    assert numbers == set(range(1, max(numbers) + 1))
    assert max(numbers) >= 60
    for number, (_, place) in ELSEWHERE.items():
        file, _, name = place.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert any(isinstance(node, ast.FunctionDef) and node.name == name for node in tree.body), number
