"""Do new words mean what their pieces meant? A sentence encoder gets words as tokens, their rows train on text without labels.

python bench/run.py new_words --model FOLDER --text DOMAIN.txt [--held OTHER.txt] [--seeds 0 1 2]

Every tenth line of the text is held out, unless another text is named. The words are those with which the other lines save most tokens,
times seen x (pieces - 1), among words that the model cuts into three pieces or more: who adds a hundred words wants words of the field,
and one of two pieces saves one token. The measure is the cosine between the sentence vectors of the model as it was and as it is, by
sentence-transformers, on held-out sentences that hold such a word; and by how much those, and all held-out sentences, get shorter.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
WORDS, PIECES, HELD = 100, 3, 1000
SHARE, SEEN = 10, 10
"""One line of so many is held out; a word must be seen so often to be counted as one of the field."""

LENGTH = range(8, 61)
"""Words of a sentence: titles and run-on lines are no sentences."""


def main(arguments: list[str]) -> None:
    """Extend, train for each seed, measure before and after; print a table, write every figure."""
    options = parsed(arguments)
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - slow to load, and `--help` needs it not

    old = SentenceTransformer(str(options.model), device="cpu")
    with tempfile.TemporaryDirectory() as scratch:
        places = {name: Path(scratch, name) for name in ("words.txt", "start", "text.txt")}
        lines, held = split(options.text, options.held)
        places["text.txt"].write_text("\n".join(lines) + "\n", encoding="utf-8")
        words = new_words(lines, old.tokenizer)
        texts = with_a_word(held, words)
        wanted = old.encode(texts, normalize_embeddings=True)
        cut, whole = (lengths(old.tokenizer, some) for some in (texts, held))
        places["words.txt"].write_text("\n".join(words) + "\n", encoding="utf-8")
        command("extend", options.model, "--tokens", places["words.txt"], "--out", places["start"])
        runs = [{"seed": None, "steps": 0, **measured(places["start"], texts, wanted, cut)}]
        everywhere = sum(lengths(SentenceTransformer(str(places["start"]), device="cpu").tokenizer, held)) / sum(whole) - 1
        for seed in options.seeds:
            out, before = Path(scratch, f"seed-{seed}"), time.process_time()
            told = command(
                "train-new", places["start"], "--text", places["text.txt"], "--steps", options.steps, "--seed", seed, "--out", out, "--json"
            )
            proof = json.loads(told)
            runs.append({"seed": seed, "steps": options.steps, "proved": proof["proved"], **measured(out, texts, wanted, cut)})
            print(f"seed {seed}: {runs[-1]} ({time.process_time() - before:.0f} s here)", file=sys.stderr)
    document = {
        "case": "new_words",
        "text": options.text.name,
        "words": words,
        "held_out": len(held),
        "with_a_word": len(texts),
        "tokens_of_all_held_out": everywhere,
        "began": time.strftime("%Y-%m-%d %H:%M"),
        "runs": runs,
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n")
    print("| seed | steps | cosine, mean | 5 % quantile | tokens a sentence | old rows |\n|---|---|---|---|---|---|")
    for run in runs:
        proved = {None: "-", True: "identical", False: "CHANGED"}[run.get("proved")]
        shorter = f"{run['tokens']:.2f} ({run['tokens'] / run['tokens_before'] - 1:+.1%})"
        print(f"| {run['seed']} | {run['steps']} | {run['cosine']:.4f} | {run['low']:.4f} | {shorter} | {proved} |")
    print(
        f"{len(texts):,} of {len(held):,} held-out sentences hold such a word, at most {HELD} are taken; tokens of all: {everywhere:+.1%}"
    )
    print(options.out)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a sentence-transformers folder")
    parser.add_argument("--text", type=Path, required=True, help="one sentence a line")
    parser.add_argument("--held", type=Path, help="another text, to measure on")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--out", type=Path, default=HERE / "results" / f"new_words-{time.strftime('%Y%m%d-%H%M%S')}.json")
    return parser.parse_args(arguments)


def split(path: Path, held: Path | None) -> tuple[list[str], list[str]]:
    """Return the sentences to train on, and those held out: those of the other text, else every tenth."""
    lines, others = (sentences(one) if one else [] for one in (path, held))
    if held:
        return lines, others
    return [line for place, line in enumerate(lines) if place % SHARE], lines[::SHARE]


def sentences(path: Path) -> list[str]:
    """Return the lines of a text that are as long as a sentence, each once."""
    with path.open(encoding="utf-8") as lines:
        return list(dict.fromkeys(line.strip() for line in lines if len(line.split()) in LENGTH))


def words_of(line: str) -> list[str]:
    """Return the words of a line that could become tokens."""
    return re.findall(r"(?<![\w'])[a-z]{4,}(?![\w'])", line.lower())


def new_words(lines: list[str], tokenizer: Any) -> list[str]:
    """Return the words that save most tokens."""
    counted = Counter(word for line in lines for word in words_of(line))
    pieces = {word: len(tokenizer.tokenize(word)) for word, count in counted.items() if count >= SEEN}
    several = [word for word, count in pieces.items() if count >= PIECES]
    return sorted(several, key=lambda word: (-counted[word] * (pieces[word] - 1), word))[:WORDS]


def with_a_word(lines: list[str], words: list[str]) -> list[str]:
    """Return sentences that hold one of the words, from all parts of the text."""
    known = set(words)
    found = [line for line in lines if known & set(words_of(line))]
    return [found[place * len(found) // HELD] for place in range(HELD)] if len(found) > HELD else found


def lengths(tokenizer: Any, texts: list[str]) -> list[int]:
    """Return how many tokens each text has, the model's marks included."""
    return [len(ids) for ids in tokenizer(texts)["input_ids"]]


def command(*words: Any) -> str:
    """Run a command of tokenspace; return what it prints."""
    call = [sys.executable, "-m", "tokenspace", *map(str, words)]
    return subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - ourselves


def measured(folder: Path, texts: list[str], wanted: Any, cut: list[int]) -> dict[str, float]:
    """Measure a model by the vectors of another."""
    import numpy as np  # noqa: PLC0415 - as above
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - as above

    model = SentenceTransformer(str(folder), device="cpu")
    cosines = (model.encode(texts, normalize_embeddings=True) * wanted).sum(1)
    return {
        "cosine": float(cosines.mean()),
        "low": float(np.quantile(cosines, 0.05)),
        "tokens": float(np.mean(lengths(model.tokenizer, texts))),
        "tokens_before": float(np.mean(cut)),
    }
