"""Every format, as data: nothing of a format's own is imported before a file that may be of it is met.

The two formats of model folders are read by `tokenspace.checkpoint`, one storey up, which knows what such a folder holds; they stand here
as the others do, by the names of their modules.
"""

from __future__ import annotations

from tokenspace.formats.format import Format

HERE, ABOVE = "tokenspace.formats.", "tokenspace.checkpoint."

FORMATS: tuple[Format, ...] = (
    Format(
        "native",
        "tokenspace's own: one memory-mapped safetensors file",
        HERE + "native_file",
        (".tokenspace", ".safetensors"),
        begins=((8, b'{"'),),
        writes=True,
    ),
    Format(
        "npy",
        "NumPy: a matrix in .npy, its tokens one a line in a file beside it",
        HERE + "npy",
        (".npy",),
        begins=((0, b"\x93NUMPY"),),
        writes=True,
    ),
    Format("npz", "NumPy: arrays named tokens and matrix in one .npz", HERE + "npz", (".npz",), begins=((0, b"PK"),), writes=True),
    Format("gguf", "GGUF (llama.cpp): the token embedding of a model", HERE + "gguf", begins=((0, b"GGUF"),), parts="tensor"),
    Format(
        "fasttext-bin",
        "fastText .bin and .ftz: words, and n-grams for unseen words",
        HERE + "fasttext_bin",
        begins=((0, b"\xba\x16\x4f\x2f"),),
    ),
    Format("finalfusion", "finalfusion .fifu: words and rows, plain or quantised", HERE + "finalfusion", begins=((0, b"FiFu"),)),
    Format(
        "parquet",
        "Parquet: a column of tokens, a column of lists",
        HERE + "parquet",
        (".parquet",),
        begins=((0, b"PAR1"),),
        writes=True,
        parts="column",
    ),
    Format(
        "arrow",
        "Arrow IPC (Feather): a column of tokens, a column of lists",
        HERE + "arrow",
        (".arrow", ".feather"),
        begins=((0, b"ARROW1"), (0, b"\xff\xff\xff\xff")),
        writes=True,
        parts="column",
    ),
    Format(
        "safetensors",
        "safetensors of any maker: a tensor of two axes, mapped",
        HERE + "safetensors",
        begins=((8, b'{"'),),
        writes=True,
        parts="tensor",
    ),
    Format(
        "projector",
        "TensorBoard projector: numbers between tabs, and the tokens in metadata.tsv beside them",
        HERE + "projector",
        (".tsv",),
        writes=True,
    ),
    Format(
        "word2vec-binary",
        "word2vec binary: a header, then tokens and float32 numbers",
        HERE + "word2vec_binary",
        (".bin",),
        cached=True,
        writes=True,
        pours=True,
    ),
    Format(
        "word2vec-text",
        "word2vec and fastText text: a header, then a token and d numbers a line",
        HERE + "word2vec_text",
        (".vec",),
        cached=True,
        writes=True,
        pours=True,
    ),
    Format(
        "glove",
        "GloVe text: a token and d numbers a line",
        HERE + "glove",
        (".txt", ".glove"),
        cached=True,
        writes=True,
        pours=True,
    ),
    Format("shards", "tokenspace's own, in several files: a folder of native ones", HERE + "sharded", folder=True, writes=True),
    Format(
        "lance",
        "Lance: a folder with a column of tokens, a column of lists",
        HERE + "lance",
        (".lance",),
        folder=True,
        writes=True,
        parts="column",
    ),
    Format("spacy", "spaCy: the vectors of a pipeline saved to disk", HERE + "spacy", folder=True),
    Format("model2vec", "model2vec: a folder with a tokenizer and a table", ABOVE + "model2vec", folder=True, writes=True),
    Format(
        "model-folder",
        "a model folder of Hugging Face or sentence-transformers: its input embedding",
        ABOVE + "model_folder",
        folder=True,
        parts="tensor",
    ),
    Format("gensim", "gensim .kv and .model, only where named: read as data, never unpickled", HERE + "gensim_pickle"),
)
"""In the order in which they are asked whether a file or a folder is theirs: those with a magic number first."""

NATIVE = FORMATS[0]
SHARDS = next(known for known in FORMATS if known.name == "shards")
