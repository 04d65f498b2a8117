"""How each library trains a table on a text: a function that writes the vectors and returns seconds of CPU and wall, of the training alone.

python bench/peers/training.py METHOD '{"text": ..., "out": ..., "model": "skipgram", "dim": 100, ...}'

Programs in C are looked for on PATH under their own names; what is not there is left out.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Options = dict[str, Any]

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, without their whole part, are spread evenly: where a text begins for each seed."""


class Absent(Exception):  # noqa: N818 - no error: a method that is left out
    """A library or a program is not installed."""


def clocks() -> tuple[float, float]:
    """Return seconds of CPU, of this process and its children, and of the wall."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used), time.monotonic()


def between(before: tuple[float, float], after: tuple[float, float]) -> dict[str, float]:
    """Return what passed."""
    return {"cpu": after[0] - before[0], "wall": after[1] - before[1]}


def tokenspace(o: Options) -> dict[str, float]:
    """Ourselves."""
    import tokenspace as ts  # noqa: PLC0415 - a library a process

    names = ["dim", "window", "epochs", "min_count", "seed", "threads", "alpha"] + ["negative", "sample"] * (o["model"] != "glove")
    shared = {name: o[name] for name in names}
    table = getattr(ts.train, o["model"])(o["text"], **shared)
    ts.save(table, o["out"], format="word2vec-binary")
    return {"cpu": table.report.cpu_seconds, "wall": table.report.seconds}


def gensim(*, corpus_file: bool) -> Callable[[Options], dict[str, float]]:
    """Return gensim over lines read anew each epoch, or its corpus_file mode: faster, but with two threads its rate falls too slowly."""

    def method(o: Options) -> dict[str, float]:
        try:
            from gensim.models import Word2Vec  # noqa: PLC0415
            from gensim.models.word2vec import LineSentence  # noqa: PLC0415
        except ImportError as error:
            raise Absent(str(error)) from None
        made = Word2Vec(
            vector_size=o["dim"], window=o["window"], negative=o["negative"], min_count=o["min_count"], sample=o["sample"], seed=o["seed"],
            workers=o["threads"], alpha=o["alpha"], min_alpha=o["alpha"] * 1e-4, sg=int(o["model"] == "skipgram"),
        )  # fmt: skip
        text = {"corpus_file": o["text"]} if corpus_file else {"corpus_iterable": LineSentence(o["text"])}
        made.build_vocab(**text)
        length = {"total_words": made.corpus_total_words} if corpus_file else {"total_examples": made.corpus_count}
        before = clocks()
        made.train(**text, **length, epochs=o["epochs"])
        spent = between(before, clocks())
        made.wv.save_word2vec_format(o["out"], binary=True)
        return spent

    return method


def turned(o: Options, folder: str) -> str:
    """Return the text, from another line on for another seed: a program without an option for it would draw the same numbers each time."""
    if o["seed"] == 1:
        return str(o["text"])
    text = Path(o["text"]).read_bytes()
    cut = text.find(b"\n", int(len(text) * (o["seed"] * GOLDEN % 1))) + 1
    other = Path(folder, "text")
    with other.open("wb") as file:
        file.writelines((text[cut:], text[:cut]))
    return str(other)


def fasttext(o: Options) -> dict[str, float]:
    """Train fastText without pieces of words; the reading of the vocabulary, some 2 % of its time, is among it."""
    try:
        import fasttext as library  # noqa: PLC0415
    except ImportError as error:
        raise Absent(str(error)) from None
    with tempfile.TemporaryDirectory() as folder:
        text = turned(o, folder)
        before = clocks()
        made = library.train_unsupervised(
            text, model=o["model"], dim=o["dim"], ws=o["window"], neg=o["negative"], epoch=o["epochs"], minCount=o["min_count"],
            t=o["sample"], lr=o["alpha"], minn=0, maxn=0, thread=o["threads"], loss="ns", verbose=0,
        )  # fmt: skip
        spent = between(before, clocks())
    words = [word for word in made.get_words() if word != "</s>"]
    write(o, words, (made.get_word_vector(word) for word in words))
    return spent


def write(o: Options, words: list[str], rows: Iterable[Any]) -> None:
    """Write vectors as word2vec's binary file."""
    with open(o["out"], "wb") as file:  # noqa: PTH123 - one line
        file.write(f"{len(words)} {o['dim']}\n".encode())
        file.writelines(word.encode() + b" " + row.astype("<f4").tobytes() + b"\n" for word, row in zip(words, rows, strict=True))


def stanford(o: Options) -> dict[str, float]:
    """Train GloVe by Stanford's programs: counting, shuffling and the epochs together."""
    found = shutil.which("cooccur")
    if found is None:
        message = "cooccur: not on PATH"
        raise Absent(message)
    import glove_training  # noqa: PLC0415 - beside this file

    with tempfile.TemporaryDirectory() as folder:
        asked = {**o, "x_max": 100.0, "folder": folder, "programs": str(Path(found).parent)}
        stages, peaks, words, rows = glove_training.programs(asked)
    write(o, words, rows)
    spent = (
        sum(stages[stage][clock] * times for stage, times in (("counting", 1), ("shuffling", 1), ("epoch", o["epochs"])))
        for clock in (0, 1)
    )
    return dict(zip(("cpu", "wall"), spent, strict=True)) | {"peak_mb": max(peaks.values())}


def program(name: str) -> Callable[[Options], dict[str, float]]:
    """Return word2vec.c or one that takes its options: the whole run less one that only learns the vocabulary."""

    def method(o: Options) -> dict[str, float]:
        found = shutil.which(name)
        if found is None or (o["model"] == "cbow" and name == "pWord2Vec"):
            message = f"{name}: {'has no cbow' if found else 'not on PATH'}"
            raise Absent(message)
        options = {
            "size": o["dim"], "window": o["window"], "negative": o["negative"], "iter": o["epochs"], "sample": o["sample"],
            "min-count": o["min_count"], "threads": o["threads"], "alpha": o["alpha"], "binary": 1,
        }  # fmt: skip
        options |= {"numa": 0} if name == "pWord2Vec" else {"hs": 0, "cbow": int(o["model"] == "cbow")}
        with tempfile.TemporaryDirectory() as folder:
            call = [found, "-train", turned(o, folder), *(str(part) for k, v in options.items() for part in (f"-{k}", v))]
            start = clocks()
            subprocess.run([*call, "-save-vocab", os.devnull], check=False, capture_output=True)  # noqa: S603 - the program asked for
            middle = clocks()
            subprocess.run([*call, "-output", o["out"]], check=True, capture_output=True)  # noqa: S603
            vocabulary, whole = between(start, middle), between(middle, clocks())
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        return {clock: whole[clock] - vocabulary[clock] for clock in whole} | {"peak_mb": peak}

    return method


METHODS: dict[str, Callable[[Options], dict[str, float]]] = {
    "tokenspace": tokenspace,
    "pWord2Vec": program("pWord2Vec"),
    "gensim": gensim(corpus_file=False),
    "gensim corpus_file": gensim(corpus_file=True),
    "word2vec": program("word2vec"),
    "fasttext": fasttext,
    "GloVe C": stanford,
}
"""Each method under its name; programs under that of their file."""


def trained(name: str, o: Options) -> dict[str, float]:
    """Train by one method."""
    if (o["model"] == "glove") != (name == "GloVe C") and name != "tokenspace":
        message = f"has no {o['model']}"
        raise Absent(message)
    return METHODS[name](o)


if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    try:
        told: dict[str, Any] = trained(sys.argv[1], options)
    except Absent as absent:
        told = {"absent": str(absent)}
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"peak_mb": peak / 1e3} | told))
