"""Graded pairs of sentences from WordNet's definitions: what trains and measures sentence vectors where no judged set may be shipped.

    apt-get download wordnet-base && dpkg -x wordnet-base*.deb there
    python bench/wordnet_pairs.py there/usr/share/wordnet pairs/

Writes train.tsv, definitions of nouns and verbs beside the definition of what they are a kind of, and held-out.tsv: definitions with a
grade, 3 for a kind of the other, 2 for two kinds of one thing, 1 for the kind of a kind, 0 for two drawn at random. No definition
stands in both files. WordNet 3.0 is Copyright 2006 by Princeton University; its licence permits use, copying, modification and
distribution for any purpose and without fee, with its notice on all copies. The files are made, never committed.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

KINDS = ("noun", "verb")
UP = "@"
HELD_OUT = 4000


def definitions(folder: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return each synset's definition, without its examples, and what it is a kind of."""
    told: dict[str, str] = {}
    above: dict[str, list[str]] = {}
    for kind in KINDS:
        for line in (folder / f"data.{kind}").read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue  # the licence
            fields, _, gloss = line.partition(" | ")
            parts = fields.split()
            words = int(parts[3], 16)
            at = 4 + 2 * words
            pointers = [parts[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(parts[at]))]
            name = kind + parts[0]
            told[name] = gloss.split('; "')[0].split('"')[0].strip(" ;")
            above[name] = [kind + offset for symbol, offset, _, _ in pointers if symbol == UP]
    return told, above


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wordnet", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    told, above = definitions(given.wordnet)
    chance = random.Random(given.seed)  # noqa: S311 - no secret
    below: dict[str, list[str]] = {}
    for name, parents in above.items():
        for parent in parents:
            below.setdefault(parent, []).append(name)
    names = sorted(name for name in told if told[name])
    chosen = [name for name in names if above[name] and above[above[name][0]]]
    graded: list[tuple[int, str, str]] = []
    for name in chance.sample(chosen, HELD_OUT // 4):
        parent = above[name][0]
        siblings = [other for other in below[parent] if other != name]
        graded.append((3, name, parent))
        graded.append((1, name, above[parent][0]))
        graded.append((0, name, chance.choice(names)))
        if siblings:
            graded.append((2, name, chance.choice(siblings)))
    held = {told[name] for _, *pair in graded for name in pair}
    pairs = [(name, parent) for name in names for parent in above[name] if told[parent] and not held & {told[name], told[parent]}]
    given.out.mkdir(parents=True, exist_ok=True)
    lines = {
        "train.tsv": ["sentence1\tsentence2", *(f"{told[name]}\t{told[parent]}" for name, parent in pairs)],
        "held-out.tsv": [
            "sentence1\tsentence2\tscore",
            *(f"{told[a]}\t{told[b]}\t{grade}" for grade, a, b in graded if told[a] and told[b]),
        ],
    }
    for name, text in lines.items():
        (given.out / name).write_text("\n".join(text) + "\n", encoding="utf-8")
        print(f"{given.out / name}: {len(text) - 1:,} pairs")


if __name__ == "__main__":
    main()
