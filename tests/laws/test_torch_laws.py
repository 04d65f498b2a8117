"""Laws of the layer and its heads: what holds for any rows, ids and order of events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tokenspace import OneHot  # noqa: E402 - PyTorch may be absent
from tokenspace.torch import EmbeddingLayer, Head, TiedHead, cross_entropy, loss  # noqa: E402

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
OPTIMISERS = [
    lambda p: torch.optim.SGD(p, 0.5, momentum=0.9, weight_decay=0.3),
    lambda p: torch.optim.AdamW(p, 0.3, weight_decay=0.7),
    lambda p: torch.optim.Adagrad(p, 0.5),
    lambda p: torch.optim.RMSprop(p, 0.1, centered=True, momentum=0.5),
]


def numbers(seed, *shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@st.composite
def cases(draw):
    """Draw a matrix, which rows of it train, and ids."""
    n, d = draw(st.integers(2, 30)), draw(st.integers(1, 6))
    chosen = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True))
    ids = draw(st.lists(st.integers(0, n - 1), max_size=40))
    return draw(st.integers(0, 999)), n, d, chosen, torch.tensor(ids, dtype=torch.int64)


@given(cases(), st.sampled_from(DTYPES))
def test_w_times_e_i_is_row_i(case, dtype):
    seed, n, d, chosen, ids = case
    layer = EmbeddingLayer.from_pretrained(numbers(seed, n, d, dtype=dtype))
    for _ in range(2):
        looked_up = layer(ids)
        assert torch.equal(looked_up, layer.weight[ids])
        assert torch.equal(layer.linear(OneHot(ids.numpy(), n=n)), looked_up)
        assert torch.equal(layer.linear(torch.eye(n, dtype=dtype)[ids]), looked_up)
        layer.train_rows(chosen)


@given(cases())
def test_gradients_are_the_whole_gradients_rows(case):
    """The layer's gradient is what the transposed one-hot matrix scatters, seen at the rows that train."""
    seed, n, d, chosen, ids = case
    layer = EmbeddingLayer.from_pretrained(numbers(seed, n, d, dtype=torch.float64))
    layer.train_rows(chosen)
    upstream = numbers(seed + 1, len(ids), d, dtype=torch.float64)
    layer(ids).backward(upstream)
    whole = torch.nn.functional.one_hot(ids, n).double().T @ upstream
    torch.testing.assert_close(layer.new_rows.grad, whole[chosen])
    for mode in ("sum", "mean", "max"):
        bags = EmbeddingLayer.from_pretrained(layer.weight.detach(), mode=mode)
        plain = torch.nn.EmbeddingBag.from_pretrained(layer.weight.detach(), freeze=False, mode=mode)
        bags.train_rows(chosen)
        starts = torch.tensor([0, len(ids) // 2, len(ids) // 2])
        for module in (bags, plain):
            module(ids, starts).backward(numbers(seed + 2, 3, d, dtype=torch.float64))
        torch.testing.assert_close(bags.new_rows.grad, plain.weight.grad[chosen])


@given(cases())
def test_the_head_is_the_layers_adjoint(case):
    """For all x and y: (W x) . y = x . (W^T y)."""
    seed, n, d, chosen, _ = case
    layer = EmbeddingLayer.from_pretrained(numbers(seed, n, d, dtype=torch.float64))
    layer.train_rows(chosen)
    x, y = numbers(seed + 1, n, dtype=torch.float64), numbers(seed + 2, d, dtype=torch.float64)
    torch.testing.assert_close(layer.linear(x) @ y, x @ TiedHead(layer)(y))


@given(
    cases(),
    st.sampled_from(DTYPES),
    st.sampled_from(OPTIMISERS),
    st.lists(st.sampled_from(["step", "extend", "choose", "save"]), max_size=6),
)
def test_no_order_of_events_moves_a_row_that_does_not_train(case, dtype, optimiser, events):
    seed, n, d, chosen, ids = case
    layer = EmbeddingLayer.from_pretrained(numbers(seed, n, d, dtype=dtype))
    head = TiedHead(layer, numbers(seed, n, dtype=dtype))
    layer.train_rows(chosen)
    training = optimiser([*layer.parameters(), *head.parameters()])
    for event in ["step", *events, "step"]:
        if event == "step":
            if not len(ids):
                continue
            old, bias = layer.weight.clone(), head.bias.detach().clone()
            head(layer(ids)).float().square().mean().backward()
            training.step()
            training.zero_grad()
            kept = torch.ones(len(old), dtype=torch.bool)
            kept[layer._selection.ids()] = False
            layer(ids)
            assert torch.equal(layer.weight[kept].view(torch.uint8), old[kept].view(torch.uint8))
            assert torch.equal(head.bias[kept].view(torch.uint8), bias[kept].view(torch.uint8))
            assert layer.proof()
            continue
        if event == "extend":
            layer.extend(2, init="mean")
        elif event == "choose":
            layer.train_rows(chosen)
        else:
            state = {name: value.clone() for name, value in layer.state_dict().items()}
            layer.load_state_dict(state)
            assert torch.equal(layer.weight.view(torch.uint8), state["weight"].view(torch.uint8))
        training = optimiser([*layer.parameters(), *head.parameters()])


@given(cases(), st.integers(1, 5000), st.sampled_from(["mean", "sum", "none"]), st.floats(0, 1))
def test_the_loss_does_not_depend_on_its_blocks(case, block, reduction, smoothing):
    seed, n, d, chosen, ids = case
    head = Head(d, n, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(numbers(seed, n, d))
    head.place(chosen)
    hidden = numbers(seed + 1, len(ids), d, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        seen = []
        for size in (1 << 25, block):
            patch.setattr(loss, "BLOCK", size)
            head.zero_grad()
            value = cross_entropy(hidden, ids, head, reduction=reduction, label_smoothing=smoothing)
            value.sum().backward()
            seen.append((value.detach(), head.new_rows.grad.clone(), head.new_bias.grad.clone()))
        for a, b in zip(*seen, strict=True):
            torch.testing.assert_close(a, b, equal_nan=True)
