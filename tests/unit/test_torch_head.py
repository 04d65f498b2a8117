"""Output heads of which only new rows and biases train, their loss without all logits, and a model of transformers around them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tokenspace.errors import ArgumentError, DuplicateTokenError, RowIdError, ShapeError, TokenError  # noqa: E402 - PyTorch may be absent
from tokenspace.torch import EmbeddingLayer, Head, TiedHead, cross_entropy, loss  # noqa: E402

N, M, D = 40, 3, 8
BFLOAT = torch.bfloat16


def numbers(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def untied(*, bias=True, dtype=torch.float32):
    head = Head(D, N, bias, dtype=dtype)
    head.load_state_dict({"weight": numbers(N, D), **({"bias": numbers(N, seed=1)} if bias else {})})
    head.extend(M, init=numbers(M, D, seed=2), bias_init=numbers(M, seed=3))
    return head


def tied(*, bias=True, dtype=torch.float32):
    layer = EmbeddingLayer.from_pretrained(numbers(N, D, dtype=dtype))
    head = TiedHead(layer, numbers(N, seed=1, dtype=dtype) if bias else None)
    head.bias_init = numbers(M, seed=3)
    layer.extend(M, init=numbers(M, D, seed=2))
    return head


def usual(*, bias=True, dtype=torch.float32):
    linear = torch.nn.Linear(D, N + M, bias, dtype=dtype)
    state = {"weight": torch.cat([numbers(N, D), numbers(M, D, seed=2)]), "bias": torch.cat([numbers(N, seed=1), numbers(M, seed=3)])}
    linear.load_state_dict(state if bias else {"weight": state["weight"]})
    return linear


def parts(head):
    return head.layer.new_rows if isinstance(head, TiedHead) else head.new_rows, head.new_bias


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, BFLOAT])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("make", [untied, tied])
def test_logits_and_gradients_are_a_linear_layers_on_the_new_rows(make, bias, dtype):
    head, linear = make(bias=bias, dtype=dtype), usual(bias=bias, dtype=dtype)
    hidden = [numbers(2, 5, D, seed=9, dtype=dtype).requires_grad_() for _ in range(2)]
    a, b = head(hidden[0]), linear(hidden[1])
    torch.testing.assert_close(a, b)
    a.float().pow(2).sum().backward()
    b.float().pow(2).sum().backward()
    torch.testing.assert_close(hidden[0].grad, hidden[1].grad)
    new_rows, new_bias = parts(head)
    exact = {"rtol": 2e-2, "atol": 1e-1} if dtype == BFLOAT else {}
    torch.testing.assert_close(new_rows.grad.to(dtype), linear.weight.grad[N:], **exact)
    assert new_bias is None if not bias else torch.allclose(new_bias.grad.to(dtype), linear.bias.grad[N:], **exact)


@pytest.mark.parametrize("make", [untied, tied])
def test_old_rows_and_biases_stay_whatever_the_optimiser(make):
    head = make()
    trained = [p for p in parts(head) if p is not None]
    optimiser = torch.optim.AdamW(trained, 0.1, weight_decay=0.5)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    for _ in range(4):
        head.cross_entropy(numbers(6, D, seed=9), torch.tensor([1, N, N + 1, 5, N + 2, 7])).backward()
        optimiser.step()
        optimiser.zero_grad()
    after = head.state_dict()
    for name in ("weight", "bias"):
        assert torch.equal(before[name][:N], after[name][:N])
        assert (before[name][N:] != after[name][N:]).all()
    assert head.proof()
    if isinstance(head, TiedHead):
        assert head.layer.proof()


def test_the_only_parameters_are_new():
    assert [name for name, _ in untied().named_parameters()] == ["new_rows", "new_bias"]
    head = tied()
    assert [name for name, _ in head.named_parameters()] == ["new_bias"]
    assert [name for name, _ in torch.nn.ModuleDict({"in": head.layer, "out": head}).named_parameters()] == ["in.new_rows", "out.new_bias"]
    assert head.weight is head.layer.weight
    assert (head.in_features, head.out_features) == (D, N + M)


def test_a_bias_grows_with_the_layer_it_is_tied_to():
    layer = EmbeddingLayer(N, D)
    head = TiedHead(layer, torch.arange(float(N)))
    plain = TiedHead(layer)
    torch.testing.assert_close(head(torch.ones(2, D)), plain(torch.ones(2, D)) + torch.arange(float(N)))
    layer.extend(2)
    assert head.bias.tolist()[N:] == [(N - 1) / 2] * 2
    layer.extend(1)
    assert head.new_bias.shape == (1,)
    assert head(torch.ones(D)).shape == (N + 3,)
    layer.train_rows([4, 9])
    head(torch.ones(D)).sum().backward()
    assert head.new_bias.grad.tolist() == [1, 1]
    late = TiedHead(layer, torch.zeros(N + 3))
    assert late.new_bias.shape == (2,)
    layer.train_all()
    assert [name for name, _ in head.named_parameters()] == ["bias"]
    with pytest.raises(ShapeError, match="one number"):
        TiedHead(layer, torch.zeros(3))


@pytest.mark.parametrize("make", [untied, tied])
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
def test_heads_come_through_copies_pickles_and_conversions(make, dtype):
    head = make(dtype=dtype)
    both = torch.nn.ModuleList([head.layer, head] if isinstance(head, TiedHead) else [head])
    for way in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: copy.deepcopy(m).double().float()):  # noqa: S301
        twin = way(both)[-1]
        x = numbers(4, D)
        exact = {} if dtype == torch.float32 else {"rtol": 2e-2, "atol": 2e-2}
        torch.testing.assert_close(twin(x.to(twin.weight.dtype)).float(), head(x.to(dtype)).float(), **exact)
        rows, bias = parts(twin)
        assert rows is not parts(head)[0]
        with torch.no_grad():
            rows.fill_(1)
            bias.fill_(2)
        twin(torch.zeros(D, dtype=twin.weight.dtype))
        assert (twin.weight[N:] == 1).all()
        assert (twin.bias[N:] == 2).all()
        assert (head.weight[N:] != 1).any()


def test_state_dicts_are_a_linear_layers():
    head, linear = untied(), usual()
    assert list(head.state_dict()) == list(linear.state_dict())
    linear.load_state_dict(head.state_dict())
    torch.testing.assert_close(linear(numbers(D)), head(numbers(D)))
    head.load_state_dict(torch.nn.Linear(D, N + M).state_dict())
    model = torch.nn.ModuleDict({"in": tied().layer})
    model["out"] = model["in"]._followers[0]
    assert list(model.state_dict()) == ["in.weight", "out.weight", "out.bias"]
    state = {name: value + 1 for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    assert torch.equal(model["out"].weight, state["in.weight"])
    assert torch.equal(model["out"].bias, state["out.bias"])


def test_merging_gives_a_linear_layer():
    for head in (untied(), tied(), untied(bias=False)):
        linear = head.merge()
        assert type(linear) is torch.nn.Linear
        torch.testing.assert_close(linear(numbers(4, D)), head(numbers(4, D)))
        assert linear.weight.data_ptr() == head.weight.data_ptr()
    taken = Head.from_module(linear)
    assert taken.weight is linear.weight


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [untied, tied])
def test_compiled_and_exported_heads_agree(make):
    head = make()
    torch.compiler.reset()
    compiled = torch.compile(head, backend="aot_eager", fullgraph=True)
    hidden = [numbers(5, D).requires_grad_() for _ in range(2)]
    seen = []
    for way, x in zip((head, compiled), hidden, strict=True):
        rows, bias = parts(head)
        rows.grad = bias.grad = None
        way(x).pow(2).sum().backward()
        seen.append((rows.grad.clone(), bias.grad.clone(), x.grad))
    for a, b in zip(*seen, strict=True):
        torch.testing.assert_close(a, b)
    loss_of = torch.compile(lambda x: head.cross_entropy(x, torch.tensor([1, N, 3, -100, 0])), backend="eager", fullgraph=True)
    torch.testing.assert_close(loss_of(hidden[0]), head.cross_entropy(hidden[0], torch.tensor([1, N, 3, -100, 0])))
    program = torch.export.export(torch.nn.Sequential(head), (hidden[0].detach(),))
    torch.testing.assert_close(program.module()(hidden[0].detach()), head(hidden[0]))


# --------------------------------------------------------------------------------------------------------------------- the loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("make", [untied, tied, usual])
@pytest.mark.parametrize("block", [1, 600, 1 << 25])
def test_the_loss_is_cross_entropy_in_value_and_gradient(monkeypatch, make, reduction, smoothing, block):
    monkeypatch.setattr(loss, "BLOCK", block)
    dtype = torch.float64
    head = Head.from_module(make(dtype=dtype)) if make is usual else make(dtype=dtype)
    linear = usual(dtype=dtype)
    targets = torch.tensor([[1, N, -100, N + 2, 0], [3, 3, N + 1, -100, 39]])
    hidden = [numbers(2, 5, D, seed=9, dtype=dtype).requires_grad_() for _ in range(2)]
    ours = cross_entropy(hidden[0], targets, head, reduction=reduction, label_smoothing=smoothing)
    theirs = torch.nn.functional.cross_entropy(
        linear(hidden[1]).flatten(0, 1), targets.flatten(), reduction=reduction, label_smoothing=smoothing
    )
    theirs = theirs.reshape(targets.shape) if reduction == "none" else theirs
    torch.testing.assert_close(ours, theirs)
    factors = numbers(*ours.shape, seed=4, dtype=dtype)
    (ours * factors).sum().backward()
    (theirs * factors).sum().backward()
    torch.testing.assert_close(hidden[0].grad, hidden[1].grad)
    rows, bias = (head.weight, head.bias) if make is usual else parts(head)
    since = 0 if make is usual else N
    torch.testing.assert_close(rows.grad, linear.weight.grad[since:])
    torch.testing.assert_close(bias.grad, linear.bias.grad[since:])


def test_the_loss_in_half_precision_is_taken_in_float32():
    head = untied(dtype=BFLOAT)
    hidden = numbers(5, D, dtype=BFLOAT).requires_grad_()
    targets = torch.tensor([1, 2, N, 3, N + 1])
    ours = head.cross_entropy(hidden, targets)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(head(hidden).float(), targets))
    ours.backward()
    assert hidden.grad.dtype == BFLOAT
    assert head.new_rows.grad.dtype == torch.float32


def test_the_loss_without_gradient_and_without_targets():
    head = untied()
    targets = torch.tensor([1, N])
    with torch.no_grad():
        assert not head.cross_entropy(numbers(2, D), targets).requires_grad
    assert torch.isnan(head.cross_entropy(numbers(2, D), torch.tensor([-100, -100])))
    assert float(head.cross_entropy(numbers(2, D), torch.tensor([-100, -100]), reduction="sum").detach()) == 0
    assert head.cross_entropy(numbers(0, D), torch.zeros(0, dtype=torch.int64), reduction="none").shape == (0,)


def test_bad_calls_say_what_is_wrong():
    head = untied()
    with pytest.raises(RowIdError, match="43"):
        head.cross_entropy(numbers(2, D), torch.tensor([1, N + M]))
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        head.cross_entropy(numbers(2, D), torch.tensor([1, 2, 3]))
    with pytest.raises(ArgumentError, match="median"):
        head.cross_entropy(numbers(2, D), torch.tensor([1, 2]), reduction="median")
    with pytest.raises(ArgumentError, match="smoothing"):
        head.cross_entropy(numbers(2, D), torch.tensor([1, 2]), label_smoothing=2)
    for some in (head, tied()):
        with pytest.raises(ShapeError, match="8 numbers"):
            some(numbers(2, D + 1))
    with pytest.raises(ArgumentError, match="mean, zeros"):
        head.extend(1, bias_init="magic")
    with pytest.raises(ShapeError, match=r"\(1,\)"):
        head.extend(1, bias_init=[1, 2])
    with pytest.raises(ArgumentError):
        head.extend(0)
    with pytest.raises(ShapeError, match=r"\(1, 8\)"):
        head.place([N + M], torch.ones(1, 3))
    with pytest.raises(RowIdError):
        head.place([N + M])


# ------------------------------------------------------------------------------------------------------- models of transformers

transformers = pytest.importorskip("transformers", reason="models need transformers")


def bert(**options):
    config = transformers.BertConfig(
        vocab_size=N, hidden_size=D, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=32, **options
    )
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(config).eval()
    torch.nn.init.normal_(model.cls.predictions.bias)
    return model


def gpt2(**options):
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=N, n_embd=D, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=0, **options)
    return transformers.GPT2LMHeadModel(config).eval()


def t5():
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=N, d_model=D, d_kv=4, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0, tie_word_embeddings=True
    )
    return transformers.T5ForConditionalGeneration(config).eval()


def gemma():
    torch.manual_seed(0)
    config = transformers.Gemma3TextConfig(
        vocab_size=N, hidden_size=D, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=4, intermediate_size=16,
        max_position_embeddings=32, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return transformers.Gemma3ForCausalLM(config).eval()


def bart():
    torch.manual_seed(0)
    config = transformers.BartConfig(
        vocab_size=N, d_model=D, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=32, scale_embedding=True,
    )  # fmt: skip
    return transformers.BartForConditionalGeneration(config).eval()


MODELS = {
    "bert, tied with bias": bert,
    "bert, untied with bias": lambda: bert(tie_word_embeddings=False),
    "gpt2, tied": gpt2,
    "gpt2, untied": lambda: gpt2(tie_word_embeddings=False),
    "t5, shared three times": t5,
    "gemma3, scaled rows": gemma,
    "bart, scaled rows shared, a bias of its own": bart,
}


def logits(model, ids):
    more = {"decoder_input_ids": ids} if model.config.model_type in {"t5", "bart"} else {}
    with torch.no_grad():
        return model(ids, **more).logits


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_gives_the_logits_it_gave_and_trains_its_new_rows_only(name, tmp_path):
    from tokenspace.torch import extend, merge

    model, reference = MODELS[name](), MODELS[name]()
    ids = torch.arange(2, 12)[None]
    before, state = logits(reference, ids), {key: value.clone() for key, value in reference.state_dict().items()}
    put = extend(model, ["<a>", "<b>", "<c>"], init="sample")
    torch.testing.assert_close(logits(model, ids)[..., :N], before, rtol=1e-6, atol=1e-6)
    assert model.config.vocab_size == N + M
    trained = [p for p in model.parameters() if p.requires_grad]
    assert {id(p) for p in trained} == {id(p) for p in put.parameters()}
    assert all(len(p) == M for p in trained)
    optimiser = torch.optim.AdamW(trained, 0.1, weight_decay=0.1)
    batch = torch.cat([ids, torch.tensor([[N, N + 1]])], 1)
    losses = []
    for _ in range(4):
        out = model(batch, labels=batch)
        out.loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(out.loss.detach()))
    assert losses[-1] < losses[0]
    assert all(put.proofs().values())
    for key, value in model.state_dict().items():
        assert torch.equal(value[tuple(slice(size) for size in state[key].shape)], state[key]), key
    after = logits(model, batch)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(again, batch), after)
    assert again.config.vocab_size == N + M
    merge(model)
    torch.testing.assert_close(logits(model, batch), after)
    assert type(model.get_input_embeddings()) is type(reference.get_input_embeddings())
    assert type(model.get_output_embeddings()) is torch.nn.Linear
    tied_before = reference.get_output_embeddings().weight is reference.get_input_embeddings().weight
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied_before
    assert set(model.state_dict()) == set(state)
    assert {n for n, _ in model.named_parameters()} == {n for n, _ in reference.named_parameters()}
    model.tie_weights()
    torch.testing.assert_close(logits(model, batch), after)


def test_extended_models_are_copied_and_converted():
    from tokenspace.torch import extend, merge

    for make in (bert, gemma, t5):
        model = make()
        extend(model, 2, init="sample")
        ids = torch.tensor([[1, N, N + 1]])
        wanted = logits(model, ids)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
            torch.testing.assert_close(logits(twin, ids), wanted)
            with torch.no_grad():
                twin.get_input_embeddings().new_rows.mul_(-2)
            changed = logits(twin, ids)
            assert not torch.allclose(changed, wanted)
            torch.testing.assert_close(logits(merge(twin), ids), changed)
        torch.testing.assert_close(logits(model, ids), wanted)
        assert logits(model.to(BFLOAT), ids).dtype == BFLOAT


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
def test_gradient_checkpointing_in_a_model():
    from tokenspace.torch import extend

    gradients = []
    for checkpointed in (False, True):
        model = gpt2()
        put = extend(model, 2, init="sample")
        model.train()
        if checkpointed:
            model.gradient_checkpointing_enable()
        torch.manual_seed(3)
        model(torch.tensor([[1, N, N + 1]]), labels=torch.tensor([[1, N, N + 1]])).loss.backward()
        gradients.append(put.layer.new_rows.grad)
    torch.testing.assert_close(*gradients)


def test_an_encoder_without_head_and_reserved_rows():
    from tokenspace.torch import extend

    model = transformers.BertModel(bert().config)
    put = extend(model, 2, ids=[5, N], init=[[1.0] * D, [2.0] * D])
    assert put.head is None
    assert model.config.vocab_size == N + 1
    assert put.layer.weight[5].tolist() == [1] * D
    assert put.ids.tolist() == [5, N]


class Words:
    """A tokenizer as transformers has them, as far as `extend` needs one."""

    def __init__(self, size):
        self.words = {f"w{i}": i for i in range(size)}

    def get_vocab(self):
        return dict(self.words)

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [self.words[word] for word in text.split()]}

    def add_tokens(self, tokens):
        for token in tokens:
            self.words.setdefault(token.strip(), len(self.words))

    def convert_tokens_to_ids(self, tokens):
        return [self.words[token.strip()] for token in tokens]


def test_a_tokenizer_says_what_tokens_are_made_of_and_where_they_go():
    from tokenspace.torch import extend

    model, tokenizer = gpt2(), Words(N - 1)  # one row is reserved
    old = model.get_input_embeddings().weight.detach().clone()
    put = extend(model, ["w1 w2", "w4 w6"], tokenizer=tokenizer, init="subtoken-mean")
    assert put.ids.tolist() == [N - 1, N]
    torch.testing.assert_close(put.layer.weight[N - 1], old[[1, 2]].mean(0))
    assert tokenizer.words["w4 w6"] == N
    for tokens, size, error in [
        (["w3"], N, DuplicateTokenError),
        (["w1 w2", "w1 w2"], N, DuplicateTokenError),
        ([""], N, TokenError),
        (["w1 w2", "w1 w2 "], N, TokenError),
        (["x"], N + 1, ArgumentError),
        (2, N, ArgumentError),
    ]:
        fresh = gpt2()
        with pytest.raises(error):
            extend(fresh, tokens, tokenizer=Words(size), parts=[[1], [2]])
        assert type(fresh.get_input_embeddings()) is torch.nn.Embedding


def test_a_failed_call_leaves_model_and_tokenizer_as_they_were():
    from tokenspace.torch import extend

    model, tokenizer = gpt2(), Words(N)
    for options, error in [
        ({"init": "magic"}, ArgumentError),
        ({"init": torch.ones(2, D)}, ShapeError),
        ({"tokenizer": None, "ids": [N + 1]}, RowIdError),
        ({"tokenizer": None, "ids": [-1]}, RowIdError),
        ({"tokenizer": None, "ids": [3, 4]}, ShapeError),
        ({"tokenizer": None, "ids": [3, 3]}, DuplicateTokenError),
    ]:
        with pytest.raises(error):
            extend(model, ["w1 w2"], **{"tokenizer": tokenizer, **options})
        assert len(tokenizer.words) == N
        assert type(model.get_input_embeddings()) is torch.nn.Embedding
        assert all(parameter.requires_grad for parameter in model.parameters())


def test_models_that_cannot_be_extended_say_why():
    from tokenspace.torch import extend

    with pytest.raises(ArgumentError, match="get_input_embeddings"):
        extend(torch.nn.Linear(2, 2), 1)
    model = gpt2()
    extend(model, 1)
    with pytest.raises(ArgumentError, match="not extended yet"):
        extend(model, 1)
    odd = gpt2()
    odd.lm_head = torch.nn.Conv1d(1, 1, 1)
    with pytest.raises(ArgumentError, match="Conv1d"):
        extend(odd, 1)


def test_the_models_loss_can_be_taken_in_blocks():
    from tokenspace.torch import extend

    model = gpt2()
    put = extend(model, 2, init="sample")
    ids = torch.tensor([[1, N, 7, N + 1, 3]])
    wanted = model(ids, labels=ids).loss
    hidden = model.transformer(ids).last_hidden_state
    ours = put.head.cross_entropy(hidden[:, :-1], ids[:, 1:])
    torch.testing.assert_close(ours, wanted)
    ours.backward()
    first = put.layer.new_rows.grad.clone()
    put.layer.zero_grad()
    wanted.backward()
    torch.testing.assert_close(first, put.layer.new_rows.grad)
    assert np.isfinite(first.numpy()).all()
