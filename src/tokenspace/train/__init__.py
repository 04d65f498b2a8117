"""Training: tables from text, and the rows that a vocabulary was extended by."""

from __future__ import annotations

from tokenspace.train.corpus import Corpus, read_corpus
from tokenspace.train.glove import glove
from tokenspace.train.hogwild import Trained
from tokenspace.train.model import Model, TrainedTable, open_model
from tokenspace.train.running import Progress
from tokenspace.train.word2vec import cbow, skipgram

__all__ = ["Corpus", "Model", "Progress", "Trained", "TrainedTable", "cbow", "glove", "open_model", "read_corpus", "skipgram"]
