"""Do new words mean what their pieces meant? A sentence encoder gets words as tokens, their rows train on text without labels.

python bench/run.py new_words --model FOLDER --text TRAIN.txt --held OTHER.txt [--seeds 0 1 2]

The words are the most frequent of the training text that the model cuts into three pieces or more. The measure is the cosine between the
sentence vectors of the model as it was and as it is, by sentence-transformers, on sentences of another text that hold such a word.
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
from itertools import islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
WORDS, PIECES, HELD = 100, 3, 400
LENGTH = range(8, 61)
"""Words of a sentence: titles and run-on lines are no sentences."""


def main(arguments: list[str]) -> None:
    """Extend, train for each seed, measure before and after; print a table, write every figure."""
    options = parsed(arguments)
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - slow to load, and `--help` needs it not

    old = SentenceTransformer(str(options.model), device="cpu")
    words = new_words(options.text, old.tokenizer)
    texts = held_out(options.held, words)
    wanted = old.encode(texts, normalize_embeddings=True)
    cut = [len(ids) for ids in old.tokenizer(texts)["input_ids"]]
    with tempfile.TemporaryDirectory() as scratch:
        places = {name: Path(scratch, name) for name in ("words.txt", "start")}
        places["words.txt"].write_text("\n".join(words) + "\n", encoding="utf-8")
        command("extend", options.model, "--tokens", places["words.txt"], "--out", places["start"])
        runs = [{"seed": None, "steps": 0, **measured(places["start"], texts, wanted, cut)}]
        for seed in options.seeds:
            out, before = Path(scratch, f"seed-{seed}"), time.process_time()
            told = command(
                "train-new", places["start"], "--text", options.text, "--steps", options.steps, "--seed", seed, "--out", out, "--json"
            )
            proof = json.loads(told)
            runs.append({"seed": seed, "steps": options.steps, "proved": proof["proved"], **measured(out, texts, wanted, cut)})
            print(f"seed {seed}: {runs[-1]} ({time.process_time() - before:.0f} s here)", file=sys.stderr)
    document = {"case": "new_words", "words": words, "held_out": len(texts), "began": time.strftime("%Y-%m-%d %H:%M"), "runs": runs}
    options.out.write_text(json.dumps(document, indent=1) + "\n")
    print("| seed | steps | cosine, mean | 5 % quantile | tokens a sentence | old rows |\n|---|---|---|---|---|---|")
    for run in runs:
        proved = {None: "-", True: "identical", False: "CHANGED"}[run.get("proved")]
        shorter = f"{run['tokens']:.2f} ({run['tokens'] / run['tokens_before'] - 1:+.1%})"
        print(f"| {run['seed']} | {run['steps']} | {run['cosine']:.4f} | {run['low']:.4f} | {shorter} | {proved} |")
    print(options.out)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a sentence-transformers folder")
    parser.add_argument("--text", type=Path, required=True, help="one sentence a line")
    parser.add_argument("--held", type=Path, required=True, help="another text, to measure on")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--out", type=Path, default=HERE / "results" / f"new_words-{time.strftime('%Y%m%d-%H%M%S')}.json")
    return parser.parse_args(arguments)


def new_words(path: Path, tokenizer: Any) -> list[str]:
    """Return the most frequent words of a text that are cut into several pieces."""
    with path.open(encoding="utf-8") as lines:
        counted = Counter(word for line in lines for word in re.findall(r"(?<![\w'])[a-z]{4,}(?![\w'])", line.lower()))
    several = (word for word, _ in counted.most_common() if len(tokenizer.tokenize(word)) >= PIECES)
    return list(islice(several, WORDS))


def held_out(path: Path, words: list[str]) -> list[str]:
    """Return sentences that hold one of the words, each once."""
    known = set(words)
    with path.open(encoding="utf-8") as lines:
        some = (line.strip() for line in lines if known & set(line.lower().split()) and len(line.split()) in LENGTH)
        return list(islice(dict.fromkeys(some), HELD))


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
    lengths = [len(ids) for ids in model.tokenizer(texts)["input_ids"]]
    return {
        "cosine": float(cosines.mean()),
        "low": float(np.quantile(cosines, 0.05)),
        "tokens": float(np.mean(lengths)),
        "tokens_before": float(np.mean(cut)),
    }
