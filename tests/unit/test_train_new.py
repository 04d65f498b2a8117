"""Training the new rows of an extended model: only they change, it brings them closer, it stops and goes on."""

from __future__ import annotations

import json
import os
import random
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from click.testing import CliRunner  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertForMaskedLM,
    BertModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from tokenspace import checkpoint  # noqa: E402
from tokenspace.cli import main  # noqa: E402
from tokenspace.errors import ArgumentError, ModelFolderError, NotFiniteError, OutputError  # noqa: E402
from tokenspace.torch import loss as loss_module  # noqa: E402
from tokenspace.train.new_rows import reading, train_new_rows  # noqa: E402
from tokenspace.train.new_rows import texts as texts_module  # noqa: E402
from tokenspace.train.new_rows.network import loaded, partial, written  # noqa: E402
from tokenspace.train.new_rows.objectives import SentenceVectors, objective_of, padded, pooling_of  # noqa: E402
from tokenspace.train.new_rows.optimising import optimiser_of  # noqa: E402
from tokenspace.train.new_rows.texts import Cutter  # noqa: E402

WORDS = [f"{a}{b}" for a in ("ba", "do", "ki", "lu", "me") for b in ("ra", "si", "to")]
PIECES = ["ba", "do", "ki", "lu", "me", "##ra", "##si", "##to"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NEW = ["basi", "dora", "kito", "lura"]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the networks are so small that threads would only wait for each other
    yield
    torch.set_num_threads(threads)


def texts(count=400):
    draw = random.Random(0)  # noqa: S311 - texts, not secrets
    return [" ".join(draw.choices(WORDS, k=8)) for _ in range(count)]


def tokenizer_file(folder, *, special=True):
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *PIECES, *"abcdefg"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    if special:
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "[MASK]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(vocabulary)


def model_of(kind, n):
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    if kind in {"bert", "masked"}:
        config = BertConfig(vocab_size=n, max_position_embeddings=64, initializer_range=0.5, **small)
        return (BertModel if kind == "bert" else BertForMaskedLM)(config)
    if kind == "gpt2":
        return GPT2LMHeadModel(GPT2Config(vocab_size=n, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.5))
    if kind == "gemma2":
        gemma = Gemma2Config(
            vocab_size=n, max_position_embeddings=64, num_key_value_heads=2, head_dim=8, final_logit_softcapping=1.0, **small
        )
        return Gemma2ForCausalLM(gemma)
    llama = LlamaConfig(vocab_size=n, max_position_embeddings=64, num_key_value_heads=2, initializer_range=0.5, **small)
    return LlamaForCausalLM(llama)  # whose head is its own


@pytest.fixture
def folder_of(tmp_path):
    """Return a function that makes an extended model folder."""

    def make(kind, dtype=None):
        plain = tmp_path / kind
        plain.mkdir()
        model = model_of(kind, tokenizer_file(plain, special=kind in {"bert", "masked"}))
        model.to(dtype or torch.float32).save_pretrained(plain)
        checkpoint.extend(plain, NEW, out=tmp_path / f"{kind}-extended")
        return tmp_path / f"{kind}-extended"

    return make


def rows_of(folder):
    opened = checkpoint.open(folder)
    return {name: np.array(opened.weights.tensors[name].matrix()) for name in opened.roles.names}


@pytest.mark.parametrize("kind", ["bert", "masked", "gpt2", "llama"])
def test_distillation_brings_the_new_rows_closer_and_nothing_else_changes(folder_of, tmp_path, kind):
    folder, out = folder_of(kind), tmp_path / "out"
    seen = []
    rate = 0.1 if kind == "masked" else 0.01  # few places are masked
    trained = train_new_rows(folder, texts(), out=out, steps=20, batch=16, lr=rate, watch=lambda *step: seen.append(step))
    assert (trained.tokens, trained.steps, trained.texts + trained.held_out) == (4, 20, 355)
    assert trained.new_length < trained.old_length
    assert trained.proof
    better = trained.after > trained.before if kind == "bert" else trained.after < trained.before
    assert trained.measure == ("cosine" if kind == "bert" else "loss")
    assert better
    assert [done for done, _, _ in seen] == list(range(1, 21))
    before, after = rows_of(folder), rows_of(out)
    for name, rows in before.items():
        assert after[name][:-4].tobytes() == rows[:-4].tobytes()
        assert after[name].shape == rows.shape
        assert name.endswith("bias") or (after[name][-4:] != rows[-4:]).any()
    old, new = load_file(folder / "model.safetensors"), load_file(out / "model.safetensors")
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old.keys() - before.keys())
    assert not list(tmp_path.glob("*.training.safetensors"))
    assert "4 new rows, 20 steps" in str(trained)
    json.dumps(trained.document())


@pytest.mark.parametrize(("kind", "objective"), [("masked", "mlm"), ("gpt2", "clm"), ("llama", "clm")])
def test_the_texts_own_tokens_can_be_the_goal(folder_of, tmp_path, kind, objective):
    trained = train_new_rows(folder_of(kind), texts(), out=tmp_path / "out", objective=objective, steps=20, batch=16)
    assert trained.after < trained.before
    assert trained.proof


@pytest.mark.parametrize(
    ("kind", "objective", "capped"),
    [("masked", "mlm", False), ("masked", "distil", False), ("gpt2", "clm", False), ("llama", "distil", False), ("gemma2", "clm", True)],
)
def test_losses_in_blocks_are_those_of_all_logits(folder_of, monkeypatch, kind, objective, capped):
    opened = checkpoint.open(folder_of(kind))
    ids = np.arange(opened.taken - len(NEW), opened.taken)
    goal_of = objective_of(opened, objective)
    model = loaded(opened, goal_of)
    head = partial(model, ids).head
    goal = goal_of(model, opened, ids, head)
    assert goal.reader.whole is capped, "logits that are capped after the head cannot be made in blocks"
    batch = Cutter(opened, ids).gather(texts(8), 8, 64)
    found = []
    for whole, block in ((False, 1), (False, 1 << 25), (True, 1 << 25)):
        if capped and not whole:
            continue
        monkeypatch.setattr(reading, "BLOCK", block)
        monkeypatch.setattr(loss_module, "BLOCK", block)
        goal.reader.whole = whole
        model.zero_grad()
        loss = goal.loss(batch, np.random.default_rng(0))
        loss.backward()
        found.append((float(loss.detach()), [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]))
    value, gradients = found[-1]
    assert value > 0
    assert gradients
    for other, others in found[:-1]:
        assert other == pytest.approx(value, rel=1e-5)
        torch.testing.assert_close(others, gradients, rtol=1e-4, atol=1e-6)


def test_half_precision_models_train(folder_of, tmp_path):
    trained = train_new_rows(folder_of("bert", torch.bfloat16), texts(), out=tmp_path / "out", steps=20, batch=16)
    assert trained.proof
    assert trained.after > trained.before
    assert checkpoint.open(tmp_path / "out").embedding.dtype == "BF16"


def test_the_same_seed_gives_the_same_rows(folder_of, tmp_path):
    folder = folder_of("bert")
    for name in ("a", "b"):
        train_new_rows(folder, texts(), out=tmp_path / name, steps=3, batch=8)
    for name, rows in rows_of(tmp_path / "a").items():
        np.testing.assert_array_equal(rows, rows_of(tmp_path / "b")[name])


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_a_stopped_training_is_usable_and_goes_on_to_the_same_rows(folder_of, tmp_path, kind):
    folder = folder_of(kind)
    whole = train_new_rows(folder, texts(), out=tmp_path / "whole", steps=6, batch=8)

    def stop(done, _steps, _loss):
        if done == 3:
            raise KeyboardInterrupt

    stopped = train_new_rows(folder, texts(), out=tmp_path / "out", steps=6, batch=8, watch=stop)
    assert (stopped.steps, stopped.wanted) == (3, 6)
    assert "stopped after 3 of 6" in str(stopped)
    assert stopped.proof
    assert (tmp_path / "out.training.safetensors").exists()
    with pytest.raises(ArgumentError, match="batch"):
        train_new_rows(folder, texts(), out=tmp_path / "out", steps=6, batch=4, resume=True)
    resumed = train_new_rows(folder, texts(), out=tmp_path / "out", steps=6, batch=8, resume=True)
    assert resumed.after == pytest.approx(whole.after, rel=1e-6)
    for name, rows in rows_of(tmp_path / "whole").items():
        np.testing.assert_allclose(rows, rows_of(tmp_path / "out")[name], rtol=1e-6)
    assert not (tmp_path / "out.training.safetensors").exists()
    with pytest.raises(ArgumentError, match="nothing to go on"):
        train_new_rows(folder, texts(), out=tmp_path / "out", steps=6, batch=8, resume=True)


def test_an_encoders_rows_share_an_offset_and_a_map(folder_of):
    """Steps of the rows themselves are those of own + start @ map + offset, by torch's gradients."""
    opened = checkpoint.open(folder_of("bert"))
    ids = np.arange(opened.rows - 4, opened.rows)
    network = loaded(opened, SentenceVectors)
    extended = partial(network, ids)
    optimiser = optimiser_of(extended, SentenceVectors(network, opened, ids, None), 0.01)
    rows, start = extended.layer.new_rows, extended.layer.new_rows.detach().clone()
    wanted = torch.randn(start.shape, generator=torch.Generator().manual_seed(0))
    own, offset, square = (torch.zeros(shape, requires_grad=True) for shape in (start.shape, start.shape[1:], (start.shape[1],) * 2))
    groups = [{"params": [own], "lr": 0.006}, {"params": [offset, square], "lr": 0.003}]
    plain = torch.optim.AdamW(groups, betas=(0.3, 0.999), weight_decay=0.0)
    scaled = start / start.abs().sum(1).mean()
    for step in range(5):
        for group in optimiser.param_groups:
            group["lr"] = 0.01 * group["share"]
        sums = start + own + scaled @ square + offset
        for each, values in ((optimiser, rows), (plain, sums)):
            each.zero_grad()
            torch.autograd.backward(((values - wanted)[step % 4] ** 2).sum())  # one row is seen at a time
            each.step()
    reached = start + own + scaled @ square + offset
    assert (reached - start).abs().max() > 0.03
    np.testing.assert_allclose(rows.detach(), reached.detach(), atol=1e-5)


def test_named_tokens_train_alone(folder_of, tmp_path):
    folder = folder_of("bert")
    trained = train_new_rows(folder, texts(), out=tmp_path / "out", tokens=["basi", "kito"], steps=3, batch=8)
    assert trained.tokens == 2
    before, after = rows_of(folder), rows_of(tmp_path / "out")
    for name, rows in before.items():
        changed = np.flatnonzero((rows != after[name]).any(axis=1)) - (len(rows) - 4)
        assert changed.tolist() == [0, 2]


def test_both_cuts_meet_where_tokens_end_together(folder_of):
    opened = checkpoint.open(folder_of("bert"))
    cutter = Cutter(opened, np.arange(opened.taken - 4, opened.taken))
    (example,) = cutter.cut(["mera basi luto", "no new word"], 64)
    assert len(example.old.ids) == 8
    assert len(example.new.ids) == 7
    old, new = example.boundaries()
    assert old.tolist() == [1, 2, 4, 5, 6]
    assert new.tolist() == [1, 2, 3, 4, 5]
    assert list(cutter.cut(["basi"], 3)) == []


def test_rare_tokens_get_their_texts(folder_of):
    opened = checkpoint.open(folder_of("bert"))
    cutter = Cutter(opened, np.arange(opened.taken - 4, opened.taken))
    lines = ["basi mera"] * 500 + ["dora mera"] * 10 + ["kito mera", "lura mera"] + ["nothing"] * 50
    chosen = cutter.gather(lines, 60, 64)
    assert len(chosen) == 60
    present = np.concatenate([example.new.ids for example in chosen]) - (opened.taken - 4)
    assert (np.bincount(present[present >= 0], minlength=4) == [48, 10, 1, 1]).all()


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("block", [1, 2, 5, 64, 1 << 20])
def test_a_files_lines_come_from_all_its_parts_and_each_once(tmp_path, monkeypatch, block, end):
    monkeypatch.setattr(texts_module, "BLOCK", block)
    path = tmp_path / "text.txt"
    lines = [b"a", b"", "ü \u2028 x".encode(), b"bad \xff byte", b"long" * 40, b"", b"d"]
    path.write_bytes(b"\n".join(lines) + end)
    orders = [list(texts_module.scattered(path, seed)) for seed in (0, 0, 1)]
    expected = [line.decode("utf-8", "replace") for line in path.read_bytes().splitlines(keepends=True)]
    assert orders[0] == orders[1]
    assert all(sorted(order) == sorted(expected) for order in orders)
    assert block > 5 or orders[0] != orders[2]
    path.write_bytes(b"")
    assert list(texts_module.scattered(path, 0)) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX's")
def test_a_pipe_is_read_from_the_front(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("a\nb\n",))
    writer.start()
    assert list(texts_module.scattered(path, 0)) == ["a\n", "b\n"]
    writer.join()


def test_poolings(folder_of):
    folder = folder_of("bert")
    assert pooling_of(checkpoint.open(folder)) == "mean"
    (folder / "1_Pooling").mkdir()
    for told, mode in (({"pooling_mode_cls_token": True}, "cls"), ({"pooling_mode": "max"}, "max"), ({}, "mean")):
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(told))
        assert pooling_of(checkpoint.open(folder)) == mode
    ids, mask = padded([np.array([3]), np.array([4, 5])])
    assert ids.tolist() == [[3, 0], [4, 5]]
    assert mask.tolist() == [[1, 0], [1, 1]]


def test_bad_use_says_what_is_wrong(folder_of, tmp_path):
    folder = folder_of("bert")
    good = {"steps": 1, "batch": 2, "out": tmp_path / "out"}
    with pytest.raises(ArgumentError, match="none of the texts"):
        train_new_rows(folder, ["nothing here"], **good)
    with pytest.raises(ArgumentError, match="no added token"):
        train_new_rows(tmp_path / "bert", texts(), **good)
    with pytest.raises(ArgumentError, match="output head"):
        train_new_rows(folder, texts(), objective="mlm", **good)
    with pytest.raises(ArgumentError, match="objective"):
        train_new_rows(folder, texts(), objective="magic", **good)
    with pytest.raises(ArgumentError, match="'mera'"):
        train_new_rows(folder, texts(), tokens=["mera"], **good)
    with pytest.raises(ArgumentError, match="steps"):
        train_new_rows(folder, texts(), **{**good, "steps": 0})
    with pytest.raises(ArgumentError, match="no model folder"):
        train_new_rows(tmp_path, texts(), **good)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError, match="there already"):
        train_new_rows(folder, texts(), steps=1, out=tmp_path / "there")
    (folder / "config.json").write_text('{"model_type": "bert", "vocab_size": 24, "hidden_size": 7}')
    with pytest.raises(ModelFolderError):
        train_new_rows(folder, texts(), **good)
    assert not (tmp_path / "out").exists()


def test_a_training_that_runs_away_writes_nothing(folder_of, tmp_path):
    opened, ids = checkpoint.open(folder_of("bert")), np.arange(2)
    extended = partial(loaded(opened, objective_of(opened, "distil")), ids)
    with torch.no_grad():
        extended.layer.new_rows[1, 0] = float("nan")
    with pytest.raises(NotFiniteError, match="run away"):
        written(opened, extended, ids, tmp_path / "out", force=False)
    with pytest.raises(ArgumentError, match="finite"):
        train_new_rows(folder_of("gpt2"), texts(), out=tmp_path / "out", lr=float("inf"))
    assert not (tmp_path / "out").exists()


def test_a_place_that_is_taken_is_seen_before_the_training(folder_of, tmp_path):
    folder = folder_of("bert")
    with pytest.raises(ArgumentError, match="must not lie in one another"):
        train_new_rows(folder, texts(), out=folder, steps=2, force=True, watch=lambda *_: pytest.fail("a step was taken"))


def test_the_command_trains_and_says_so(folder_of, tmp_path):
    folder = folder_of("bert")
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n".join(texts()))
    call = ["train-new", str(folder), "--text", str(corpus), "--steps", "2", "--batch", "4", "--out", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["proved"] is True
    assert document["steps"] == 2
    assert "step 2 of 2" in done.stderr
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 1
    assert "--force" in again.stderr
