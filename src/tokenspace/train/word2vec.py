"""word2vec: skip-gram and CBOW (Mikolov et al. 2013), over text of any length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenspace.engines import engine_of, local
from tokenspace.errors import ArgumentError
from tokenspace.train import growing
from tokenspace.train.corpus import read_corpus
from tokenspace.train.hogwild import Keeper, Run
from tokenspace.train.model import Model, TrainedTable, open_model
from tokenspace.train.plan import plan_of
from tokenspace.train.replicas import EXCHANGES, Replicated

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from tokenspace.engines import Engine
    from tokenspace.table import EmbeddingTable
    from tokenspace.train.corpus import Text
    from tokenspace.train.running import Progress


def skipgram(text: Text, **options: Any) -> TrainedTable:
    """Train a table by skip-gram: each word is to tell its neighbours.

    Parameters
    ----------
    text : str, path, list of them, or iterable of token lists
        As `tokenspace.train.corpus.read_corpus` takes.
    **options
        dim, window, negative, loss, epochs, alpha, sample, ns_exponent, minn, maxn, bucket, seed, held_out, patience: see
        `tokenspace.train.plan.Plan`. tokenizer, min_count, max_vocabulary, errors: see `read_corpus`. And:

        - ``threads``: by default one for every CPU;
        - ``deterministic`` (False): the same bits for any number of threads, of which one then trains and the others only read;
        - ``extend``: a `Model`, its file, or a table whose tokens keep their rows, with its ``dim``; new words come behind them;
        - ``rows`` ("new"): which rows train when extending: "new", and the old ones of **both** matrices stay bit for bit, or "all";
        - ``init`` ("a-la-carte"): where new rows start when extending: there or "random";
        - ``checkpoint``: a file to keep the state in, every ``every`` (60) seconds and at the end; with ``patience`` a second one, .best;
        - ``resume`` (False): go on from that file;
        - ``engine``: "local", "ray" or a `tokenspace.engines.Engine`: replicas train in its workers, instead of threads on shared rows;
          ``replicas`` says how many (as many as workers), ``exchanges`` (50) how often in an epoch they become one;
        - ``watch``: called as ``watch(progress)`` some ten times a second; ``reading`` as `read_corpus` calls its ``watch``.

    Returns
    -------
    TrainedTable
        An `EmbeddingTable` with `model` (both matrices) and `report` (loss, rate, proofs); a `tokenspace.subwords.SubwordTable` as well
        where words are made of pieces, saved in the native format with what makes vectors for unseen words.

    Raises
    ------
    ArgumentError
        If an option is unknown or outside, or the text has fewer than two different words.
    NotFiniteError
        If the numbers grew beyond float32: alpha is too large.
    FileContentError, TableNotFoundError, OutputError
        As `read_corpus`, and if a checkpoint is damaged or of another training.

    Notes
    -----
    One thread gives the same bits for the same text, options and seed, on every machine, with or without a stop between. Several
    threads write to shared rows without locks, which changes the last digits from run to run; `deterministic` costs their speed: with
    two free CPUs it takes twice as long. Ctrl-C ends the training as if it had been asked for so much: the table is usable, and
    `checkpoint` can be resumed.

    Memory: 8 bytes a number of each row, 16 while the result is copied; the text is mapped. Windows share the words drawn against
    them, as in pWord2Vec. The vice: rows of words that stand in the text 5 times are close to where chance put them.

    References
    ----------
    T. Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", NIPS 2013.

    Examples
    --------
    >>> table = skipgram([["the", "cat", "sat"], ["the", "dog", "sat"]] * 50, dim=8, threads=1)
    >>> table.shape, table.report.epochs
    ((4, 8), 5)
    """
    return _train("skipgram", text, **options)


def cbow(text: Text, **options: Any) -> TrainedTable:
    """Train a table by CBOW: the mean of a word's neighbours is to tell the word.

    Parameters
    ----------
    text : str, path, list of them, or iterable of token lists
    **options
        As `skipgram`; alpha begins at 0.05.

    Returns
    -------
    TrainedTable

    Raises
    ------
    ArgumentError, NotFiniteError, FileContentError, TableNotFoundError, OutputError
        As `skipgram`.

    Notes
    -----
    Faster than skip-gram, as each word is one step and not one a neighbour, and worse for rare words.

    Examples
    --------
    >>> cbow([["the", "cat", "sat"], ["the", "dog", "sat"]] * 50, dim=8, threads=1).model.outputs.shape
    (4, 8)
    """
    return _train("cbow", text, **options)


def _train(  # noqa: PLR0913 - what belongs to no plan
    name: str,
    text: Text,
    *,
    tokenizer: str | os.PathLike[str] | None = None,
    min_count: int = 5,
    max_vocabulary: int | None = None,
    errors: str = "strict",
    threads: int | None = None,
    deterministic: bool = False,
    extend: Model | EmbeddingTable | str | os.PathLike[str] | None = None,
    rows: str = "new",
    init: str = "a-la-carte",
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = 60.0,
    resume: bool = False,
    watch: Callable[[Progress], None] | None = None,
    reading: Callable[[str, int, int], None] | None = None,
    engine: str | Engine | None = None,
    replicas: int | None = None,
    exchanges: int = EXCHANGES,
    **options: Any,
) -> TrainedTable:
    dim = options.get("dim")
    plan = plan_of(name, options)
    if resume and checkpoint is None:
        message = "resume needs the checkpoint to go on from"
        raise ArgumentError(message, hint="name the file: checkpoint=... (--checkpoint)")
    stand = open_model(checkpoint) if resume and checkpoint is not None else None
    old = None if extend is None else growing.old_of(extend, plan, rows, init)
    if old is not None:
        growing.check_dim(old.inputs.shape[1], dim)
        plan = replace(plan, dim=old.inputs.shape[1])
    corpus = read_corpus(
        text, tokenizer=tokenizer, min_count=min_count, max_vocabulary=max_vocabulary, base=old.vocabulary if old else None, errors=errors,
        threads=threads, watch=reading,
    )  # fmt: skip
    count = 1 if deterministic else local.thread_count(threads)
    if engine is None:
        run = Run(plan, corpus, threads=count, old=old)
    else:
        workers = engine_of(engine, threads=threads)
        run = Replicated(plan, corpus, threads=count, old=old, engine=workers, replicas=replicas, exchanges=exchanges)
    keeper = Keeper(Path(checkpoint), every) if checkpoint is not None else None
    if stand is not None and keeper is not None:
        run.take_up(stand, keeper)
    return run.through(keeper, watch)
