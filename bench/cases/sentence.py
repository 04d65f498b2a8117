"""Sentence vectors against model2vec and sentence-transformers: sentences a CPU second, the same numbers, the same ids, in turns.

    python bench/run.py sentence --text SENTENCES.txt --model FOLDER [--static FOLDER] [--tasks static encoder semantic mining]

SENTENCES.txt has one sentence a line. FOLDER is a sentence-transformers folder; --static one of model2vec, distilled from FOLDER where it
is left out. One process, one thread unless --threads says otherwise; a repeat goes through all methods of a task before the next begins.

"static" encodes the lines with the same table and tokenizer: `ours`, which remembers words, is new in each repeat and takes the lines for
the first time; `tokenizing` is the tokenizers library alone, in one batch, and what no method that asks it for every line can go below.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE.parent / "src"))
TASKS = ("static", "encoder", "semantic", "mining")
SIZES = ((100, 1), (1000, 10), (10_000, 100), (30_000, 300), (30_000, 1000), (100_000, 1000))
"""Rows and queries of `semantic_search`."""


def main(arguments: list[str]) -> None:
    """Measure each task; print a table, write every figure."""
    options = parsed(arguments)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(options.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false" if options.threads == 1 else "true"
    import torch  # noqa: PLC0415 - after the threads are told

    torch.set_num_threads(options.threads)
    lines = [line for line in options.text.read_text(encoding="utf-8", errors="replace").splitlines() if line][: options.lines]
    document: dict[str, Any] = {
        "case": "sentence", "machine": platform.processor() or platform.machine(), "cpus": os.cpu_count(), "load": os.getloadavg(),
        "threads": options.threads, "lines": len(lines), "letters": sum(map(len, lines)), "tasks": {},
    }  # fmt: skip
    for task in options.tasks:
        if task == "semantic":
            document["tasks"][task] = by_size(options, lines)
            continue
        with tempfile.TemporaryDirectory() as scratch:
            count, methods, errors = MAKERS[task](options, lines, Path(scratch))
            seen = in_turns(methods, options.repeats)
        document["tasks"][task] = {"count": count, "seen": seen, "errors": errors()}
        show(task, count, seen, document["tasks"][task]["errors"])
    options.out.write_text(json.dumps(document, indent=1, default=str) + "\n")
    print(options.out)


def in_turns(methods: dict[str, Any], repeats: int) -> dict[str, dict[str, list[float]]]:
    """Run all methods in turns; return CPU and wall seconds of each repeat."""
    seen: dict[str, dict[str, list[float]]] = {name: {"cpu": [], "wall": []} for name in methods}
    for _ in range(repeats):
        for name, (prepare, work) in methods.items():
            ready = prepare()
            cpu, wall = time.process_time(), time.perf_counter()
            work(ready)
            seen[name]["cpu"].append(time.process_time() - cpu)
            seen[name]["wall"].append(time.perf_counter() - wall)
    return seen


def show(task: str, count: int, seen: dict[str, dict[str, list[float]]], errors: dict[str, Any]) -> None:
    """Print a task's medians, ratios to ours, and errors."""
    print(
        f"\n{task}\n| method | a CPU second | CPU s, median | spread | wall s | x ours, CPU | x ours, wall |\n|---|---|---|---|---|---|---|"
    )
    ours = {kind: statistics.median(seen["ours"][kind]) for kind in ("cpu", "wall")}
    for name, times in seen.items():
        cpu, wall = (statistics.median(times[kind]) for kind in ("cpu", "wall"))
        spread = f"{min(times['cpu']):.3f}..{max(times['cpu']):.3f}"
        ratios = f"{cpu / ours['cpu']:.2f} | {wall / ours['wall']:.2f}"
        print(f"| {name} | {count / cpu:,.0f} | {cpu:.3f} | {spread} | {wall:.3f} | {ratios} |")
    print(", ".join(f"{name}: {value}" for name, value in errors.items()))


def static(options: argparse.Namespace, lines: list[str], scratch: Path) -> tuple[int, dict[str, Any], Any]:
    """Encode with one static model."""
    import numpy as np  # noqa: PLC0415
    from model2vec import StaticModel  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding  # noqa: PLC0415

    import tokenspace as ts  # noqa: PLC0415
    from tokenspace.encode import Static  # noqa: PLC0415
    from tokenspace.encode.distilling import distil  # noqa: PLC0415

    folder = options.static or scratch / "static"
    if not options.static:
        distil(options.model, folder, threads=options.threads)
    theirs = StaticModel.from_pretrained(folder)
    theirs.embedding = theirs.embedding.astype(np.float32)
    module = StaticEmbedding(theirs.tokenizer, embedding_weights=theirs.embedding)
    st = SentenceTransformer(modules=[module], device="cpu")
    table = ts.open(folder, dtype="float32")
    results: dict[str, Any] = {}

    def keep(name: str, rows: Any) -> None:
        results[name] = rows

    methods = {
        "ours": (lambda: Static(table), lambda encoder: keep("ours", encoder.encode(lines, threads=options.threads))),
        "model2vec": (
            lambda: None,
            lambda _: keep("model2vec", theirs.encode(lines, max_length=None, use_multiprocessing=False)),
        ),
        "sentence-transformers": (
            lambda: None,
            lambda _: keep("st", st.encode(lines, batch_size=1024, show_progress_bar=False, normalize_embeddings=True)),
        ),
        "tokenizing": (
            theirs.tokenizer.no_truncation,
            lambda _: keep("ids", [one.ids for one in theirs.tokenizer.encode_batch_fast(lines, add_special_tokens=False)]),
        ),
    }

    def errors() -> dict[str, Any]:
        return {
            f"largest difference from {name}": float(np.nanmax(np.abs(results["ours"] - results[name]))) for name in ("model2vec", "st")
        }

    return len(lines), methods, errors


def encoder(options: argparse.Namespace, lines: list[str], scratch: Path) -> tuple[int, dict[str, Any], Any]:
    """Encode with the Transformer."""
    import numpy as np  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    from tokenspace.encode.transformer import Transformer  # noqa: PLC0415

    del scratch
    some = lines[:: max(1, len(lines) // options.encoded)][: options.encoded]
    theirs, ours = SentenceTransformer(str(options.model), device="cpu"), Transformer(options.model)
    results: dict[str, Any] = {}
    methods = {
        "ours": (lambda: None, lambda _: results.update(ours=ours.encode(some))),
        "sentence-transformers": (lambda: None, lambda _: results.update(st=theirs.encode(some, show_progress_bar=False))),
    }
    return len(some), methods, lambda: {"largest difference": float(np.abs(results["ours"] - results["st"]).max())}


def vectors(options: argparse.Namespace, lines: list[str], scratch: Path, count: int) -> Any:
    """Return the vectors of some different lines."""
    from tokenspace.encode import open_encoder  # noqa: PLC0415
    from tokenspace.encode.distilling import distil  # noqa: PLC0415

    folder = options.static or scratch / "static"
    if not options.static:
        distil(options.model, folder, threads=options.threads)
    rows = open_encoder(folder).encode(list(dict.fromkeys(lines))[:count])
    return rows[rows.any(axis=1)]


def by_size(options: argparse.Namespace, lines: list[str]) -> dict[str, Any]:
    """Search the ten closest sentences of some, for each size: one table."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = vectors(options, lines, Path(scratch), max(n for n, _ in options.sizes))
    print(
        "\nsemantic\n| rows x queries | ours, CPU ms | wall ms | sentence-transformers, CPU ms | wall ms | x CPU | x wall | wrong ids, "
        "ours | theirs | places with another id |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    document = {}
    for n, q in options.sizes:
        corpus = rows[:n]
        queries = corpus[:: max(1, len(corpus) // q)][:q]
        methods, errors = searches(corpus, queries, options.threads)
        repeats = max(options.repeats, min(200, 20_000_000 // (n * q)))  # short calls more often
        seen = in_turns(methods, repeats)
        ours, theirs = ({kind: 1e3 * statistics.median(times) for kind, times in one.items()} for one in seen.values())
        wrong = errors()
        figures = [f"{one[kind]:.2f}" for one in (ours, theirs) for kind in ("cpu", "wall")]
        figures += [f"{theirs[kind] / ours[kind]:.2f}" for kind in ("cpu", "wall")]
        print("|", " | ".join([f"{len(corpus):,} x {len(queries):,}", *figures, *map(str, wrong.values())]), "|")
        document[f"{len(corpus)}x{len(queries)}"] = {"seen": seen, "errors": wrong}
    return document


def searches(corpus: Any, queries: Any, threads: int) -> tuple[dict[str, Any], Any]:
    """Return both searches, and what tells the wrong ids among those that they found."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from sentence_transformers import util  # noqa: PLC0415

    from tokenspace.search import semantic_search  # noqa: PLC0415

    results: dict[str, Any] = {}
    tensors = torch.from_numpy(queries), torch.from_numpy(corpus)
    methods = {
        "ours": (lambda: None, lambda _: results.update(ours=semantic_search(queries, corpus, 10, threads=threads))),
        "sentence-transformers": (lambda: None, lambda _: results.update(st=util.semantic_search(*tensors, top_k=10))),
    }

    def errors() -> dict[str, Any]:
        wide = corpus.astype(np.float64)
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        theirs = [[hit["corpus_id"] for hit in hits] for hits in results["st"]]
        wrong = {"ours": 0, "sentence-transformers": 0}
        elsewhere = 0
        for row, query in enumerate(queries[:200].astype(np.float64)):
            scores = wide @ (query / np.linalg.norm(query))
            least = np.partition(scores, -10)[-10] - 1e-12
            for name, ids in (("ours", results["ours"].ids[row]), ("sentence-transformers", theirs[row])):
                wrong[name] += int((scores[ids] < least).sum())
            elsewhere += int((results["ours"].ids[row] != np.array(theirs[row])).sum())
        return {f"wrong ids, {name}": count for name, count in wrong.items()} | {"places with another id": elsewhere}

    return methods, errors


def size(text: str) -> tuple[int, int]:
    """Read ROWSxQUERIES."""
    rows, queries = map(int, text.split("x"))
    return rows, queries


def mining(options: argparse.Namespace, lines: list[str], scratch: Path) -> tuple[int, dict[str, Any], Any]:
    """Mine the closest pairs of some sentences."""
    import torch  # noqa: PLC0415
    from sentence_transformers import util  # noqa: PLC0415

    from tokenspace.search import paraphrase_mining  # noqa: PLC0415

    rows = vectors(options, lines, scratch, options.mined)
    results: dict[str, Any] = {}
    methods = {
        "ours": (lambda: None, lambda _: results.update(ours=paraphrase_mining(rows, 100, most=50_000, threads=options.threads))),
        "sentence-transformers": (
            lambda: None,
            lambda _: results.update(st=util.paraphrase_mining_embeddings(torch.from_numpy(rows), top_k=100, max_pairs=50_000)),
        ),
    }

    def errors() -> dict[str, Any]:
        ours, theirs = ({(i, j) for _, i, j in results[name]} for name in ("ours", "st"))
        return {"pairs": len(ours), "not in theirs": len(ours - theirs), "only in theirs": len(theirs - ours)}

    return len(rows), methods, errors


MAKERS: dict[str, Any] = {"static": static, "encoder": encoder, "mining": mining}


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True, help="one sentence a line")
    parser.add_argument("--model", type=Path, required=True, help="a sentence-transformers folder")
    parser.add_argument("--static", type=Path, help="a model2vec folder; left out, distilled from --model")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=TASKS)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--encoded", type=int, default=500, help="lines for the Transformer")
    parser.add_argument("--sizes", type=size, nargs="*", default=SIZES, metavar="ROWSxQUERIES", help="of semantic_search")
    parser.add_argument("--mined", type=int, default=10_000, help="vectors mined")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / f"sentence-{time.strftime('%Y%m%d-%H%M%S')}.json")
    return parser.parse_args(arguments)
