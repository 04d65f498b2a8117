"""The embedding layer in PyTorch: what it replaces, what joins it, and that what was there before stays."""

from __future__ import annotations

import copy
import io
import pickle
import socket

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tokenspace import EmbeddingTable, OneHot  # noqa: E402 - PyTorch may be absent
from tokenspace.errors import (  # noqa: E402
    ArgumentError,
    DtypeError,
    DuplicateTokenError,
    NotFiniteError,
    ProofError,
    RowIdError,
    ShapeError,
    TokenError,
)
from tokenspace.torch import EmbeddingLayer, Head, TiedHead, partial  # noqa: E402
from tokenspace.torch.arrays import as_array, as_tensor  # noqa: E402

N, M, D = 50, 4, 6
BFLOAT = torch.bfloat16


def rows(n=N, dtype=torch.float32, seed=0):
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed)).to(dtype)


def extended(dtype=torch.float32, init="sample", **options):
    layer = EmbeddingLayer.from_pretrained(rows(dtype=dtype), freeze=False, **options)
    layer.extend(M, init=init)
    return layer


def step(layer, optimiser, ids, target=1.0):
    loss = ((layer(ids).float() - target) ** 2).sum()
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return float(loss.detach())


def some_ids(n=N + M):
    return torch.randint(0, n, (3, 17), generator=torch.Generator().manual_seed(2))


OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.1, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.1, momentum=0.9, weight_decay=0.1),
    "foreach": lambda p: torch.optim.AdamW(p, 0.1, foreach=True),
    "fused": lambda p: torch.optim.AdamW(p, 0.1, fused=True),
}


# ------------------------------------------------------------------------------------------------------------ only the new rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, BFLOAT])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_only_new_rows_train_and_old_ones_stay_bit_for_bit(dtype, optimiser):
    layer, old = extended(dtype), rows(dtype=dtype)
    assert [name for name, _ in layer.named_parameters()] == ["new_rows"]
    assert list(layer.buffers()) == []
    start = layer.new_rows.detach().clone()
    chosen = OPTIMISERS[optimiser](layer.parameters())
    for _ in range(5):
        step(layer, chosen, some_ids())
    assert torch.equal(layer.weight[:N].view(torch.uint8), old.view(torch.uint8))
    assert layer.proof()
    assert layer.proof(old).require().added == M
    assert (layer.new_rows != start).all()
    layer(some_ids())
    assert torch.equal(layer.weight[N:], layer.new_rows.detach().to(dtype))


def test_an_optimiser_warm_from_full_training_cannot_move_old_rows():
    layer = EmbeddingLayer.from_pretrained(rows(), freeze=False)
    optimiser = torch.optim.AdamW(layer.parameters(), 0.1)
    step(layer, optimiser, some_ids(N))
    layer.extend(M)
    before = layer.weight[:N].clone()
    optimiser.add_param_group({"params": layer.parameters()})
    for _ in range(3):
        step(layer, optimiser, some_ids())
    assert torch.equal(layer.weight[:N], before)
    assert layer.proof()


def test_the_parameter_is_a_view_of_the_rows_and_costs_nothing_to_merge():
    layer = extended()
    assert layer.new_rows.data_ptr() == layer.weight[N:].data_ptr()
    with torch.no_grad():
        layer.new_rows.fill_(7)
    assert (layer.weight[N:] == 7).all()
    assert (layer(torch.tensor([N])) == 7).all()
    plain = layer.merge()
    assert type(plain) is torch.nn.Embedding
    assert plain.weight.data_ptr() == layer.weight.data_ptr()
    assert plain.weight.requires_grad


def test_half_precision_trains_float32_masters_through_small_steps():
    layer = extended(BFLOAT, init=torch.ones(M, D))
    assert layer.new_rows.dtype == torch.float32
    optimiser = torch.optim.SGD(layer.parameters(), 1e-4)
    for _ in range(100):  # each step alone would be rounded away beside 1
        layer(torch.tensor([N])).float().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    assert abs(float(layer.new_rows.detach()[0, 0]) - 0.99) < 1e-5
    assert float(layer(torch.tensor([N]))[0, 0].detach()) == float(torch.tensor(0.99).to(BFLOAT))
    assert layer.state_dict()["weight"].dtype == BFLOAT


def test_masters_reach_the_rows_even_by_data():
    layer = extended(BFLOAT, init="zeros")
    layer(torch.tensor([N]))
    layer.new_rows.data.fill_(2)
    assert (layer(torch.tensor([N])) == 2).all()
    layer.new_rows.data.fill_(3)
    assert (layer.state_dict()["weight"][N:] == 3).all()
    assert (layer.to_table([str(i) for i in range(N + M)]).matrix[N:] == 3).all()


def test_a_batch_without_new_ids_gives_a_zero_gradient():
    layer = extended()
    layer(torch.tensor([1, 2])).sum().backward()
    assert (layer.new_rows.grad == 0).all()
    layer.new_rows.requires_grad_(requires_grad=False)
    assert not layer(torch.tensor([N])).requires_grad


def test_gradients_match_finite_differences():
    layer = extended(torch.float64)
    ids = torch.tensor([[0, N, N + 1], [N, 3, N + 3]])
    rules, start = layer._rules(), layer.new_rows.detach().clone().requires_grad_()

    def looked_up(new):
        from tokenspace.torch.gather import Lookup

        return Lookup.apply(torch.cat([layer.weight[:N], new.detach()]), new, ids, layer._selection, rules)

    assert torch.autograd.gradcheck(looked_up, [start])
    assert torch.autograd.gradgradcheck(lambda new: looked_up(new) ** 2, [start])


# ------------------------------------------------------------------------------------------------------------------- extending


def test_extending_again_trains_the_newest_rows_and_train_rows_chooses_otherwise():
    layer = extended()
    step(layer, torch.optim.AdamW(layer.parameters(), 0.1), some_ids())
    before = layer.weight.clone()
    assert layer.extend(3, init="zeros") == range(N + M, N + M + 3)
    assert layer.new_rows.shape == (3, D)
    step(layer, torch.optim.AdamW(layer.parameters(), 0.1), some_ids(N + M + 3))
    assert torch.equal(layer.weight[: N + M], before)
    assert layer.proof().rows == N + M
    layer.train_rows(range(N, N + M + 3))
    step(layer, torch.optim.AdamW(layer.parameters(), 0.1), some_ids(N + M + 3))
    assert torch.equal(layer.weight[:N], before[:N])
    assert not torch.equal(layer.weight[N : N + M], before[N:])
    assert layer.proof()


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
@pytest.mark.parametrize("ids", [[10, 11, 12], [30, 4, 17], [N - 1], [0]])
def test_reserved_rows_in_the_middle_train_alone(dtype, ids):
    layer = EmbeddingLayer.from_pretrained(rows(dtype=dtype), freeze=False)
    layer.train_rows(ids)
    old = layer.weight.clone()
    optimiser = torch.optim.AdamW(layer.parameters(), 0.1, weight_decay=0.1)
    for _ in range(3):
        step(layer, optimiser, some_ids(N))
    layer(some_ids(N))
    others = [i for i in range(N) if i not in ids]
    assert torch.equal(layer.weight[others], old[others])
    assert (layer.weight[ids] != old[ids]).any(dim=1).all()
    assert torch.equal(layer.weight[ids], layer.new_rows.detach().to(dtype))
    assert layer.proof()
    layer.train_all()
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


def test_rows_go_into_reserved_places_and_behind():
    layer = EmbeddingLayer.from_pretrained(rows())
    layer.place([7, N, N + 1], torch.ones(3, D))
    assert layer.num_embeddings == N + 2
    assert (layer.weight[[7, N, N + 1]] == 1).all()
    assert torch.equal(layer.weight[8:N], rows()[8:])
    assert layer.proof().rows == N - 1
    with pytest.raises(RowIdError, match="gap"):
        layer.place([N + 3], torch.ones(1, D))
    with pytest.raises(ShapeError, match=r"\(1, 6\)"):
        layer.place([N], torch.ones(1, 5))


def test_tokens_are_known_where_the_layer_came_from_a_table():
    table = EmbeddingTable(["new", "york", "is"], np.float32([[2, 0], [0, 2], [5, 5]]))
    layer = EmbeddingLayer.from_table(table)
    assert layer.extend(["new york"], init="subtoken-mean") == range(3, 4)
    assert torch.equal(layer(torch.tensor(3)), torch.tensor([1.0, 1.0]))
    bigger = layer.to_table()
    assert list(bigger) == ["new", "york", "is", "new york"]
    assert bigger.proof(table)
    np.testing.assert_array_equal(table.matrix[0], [2, 0])
    assert layer.extend("royal", init=[[1, 2]]) == range(4, 5)
    assert layer.vocabulary.token(4) == "royal"
    assert list(EmbeddingLayer(2, 3, vocabulary=["a", "b"]).to_table()) == ["a", "b"]
    assert list(EmbeddingLayer(2, 3).to_table(["a", "b"])) == ["a", "b"]


def test_bfloat16_tables_come_and_go_by_their_bits():
    table = EmbeddingTable(["a", "b"], as_array(rows(2, BFLOAT)))
    layer = EmbeddingLayer.from_table(table)
    assert layer.weight.dtype == BFLOAT
    assert layer.to_table().proof(table)
    with pytest.raises(DtypeError):
        as_array(torch.ones(2, dtype=torch.complex64))
    assert as_tensor(np.float16([1, 2])).dtype == torch.float16


def test_what_cannot_be_extended_says_why():
    layer = EmbeddingLayer.from_table(EmbeddingTable(["a", "b"], np.eye(2)))
    for tokens, error, text in [
        (["a"], DuplicateTokenError, "'a'"),
        (["c", "c"], DuplicateTokenError, "'c'"),
        ([""], TokenError, "empty"),
        ([3], TokenError, "string"),
        ([], ArgumentError, "none"),
        (3, ArgumentError, "knows its own"),
    ]:
        with pytest.raises(error, match=text):
            layer.extend(tokens)
    nameless = EmbeddingLayer(5, 2)
    with pytest.raises(DuplicateTokenError, match="at 0 and at 2"):
        nameless.extend(["x", "y", "x"])
    with pytest.raises(ArgumentError, match="seen 0"):
        nameless.extend(0)
    with pytest.raises(ShapeError, match=r"\(2, 2\)"):
        nameless.extend(2, init=torch.ones(2, 3))
    with pytest.raises(NotFiniteError):
        nameless.extend(1, init=[[1, float("nan")]])
    with pytest.raises(ArgumentError, match="parts"):
        nameless.extend(1, init="subtoken-mean")
    with pytest.raises(ArgumentError, match="pass them|know"):
        nameless.to_table()
    for ids, error in [([5], RowIdError), ([-1], RowIdError), ([0.5], RowIdError), ([], ArgumentError), ([1, 3, 1], DuplicateTokenError)]:
        with pytest.raises(error):
            nameless.train_rows(ids)
    with pytest.raises(ArgumentError, match="all rows train"):
        nameless.proof()
    assert nameless.new_rows is None
    nameless.extend(1, record=False)
    with pytest.raises(ArgumentError, match="no digest"):
        nameless.proof()
    assert nameless.digest()
    with pytest.raises(ArgumentError, match="mode"):
        EmbeddingLayer(2, 2, mode="median")
    with pytest.raises(ShapeError, match="tokens"):
        EmbeddingLayer(2, 2, vocabulary=["a"])
    with pytest.raises(ShapeError, match=r"\(n, d\)"):
        EmbeddingLayer.from_pretrained(torch.ones(2))
    with pytest.raises(ArgumentError, match="Linear"):
        EmbeddingLayer.from_module(torch.nn.Linear(2, 2))


def test_ids_outside_are_named():
    layer = extended()
    for bad in (N + M, -1):
        with pytest.raises(RowIdError, match=str(bad)):
            layer(torch.tensor([0, bad]))
        with pytest.raises(RowIdError, match=str(bad)):
            EmbeddingLayer.from_pretrained(layer.weight, mode="sum")(torch.tensor([[0, bad]]))
    with pytest.raises(RowIdError, match="50"):
        EmbeddingLayer(50, 3)(torch.tensor([50]))


def test_a_changed_old_row_is_found():
    layer = extended()
    old = layer.weight[:N].clone()
    layer.weight[3, 2] += 1e-6
    assert not layer.proof()
    assert layer.proof(old).first_difference == 3
    with pytest.raises(ProofError):
        layer.proof().require()


# ---------------------------------------------------------------------------------------------- state dicts, copies, conversions


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
@pytest.mark.parametrize("ids", [None, [3, 9]])
def test_state_dicts_are_those_of_an_embedding_in_both_directions(dtype, ids):
    layer = extended(dtype)
    if ids:
        layer.train_rows(ids)
    with torch.no_grad():
        layer.new_rows.add_(1)
    state = layer.state_dict()
    assert list(state) == ["weight"]
    plain = torch.nn.Embedding(N + M, D, dtype=dtype)
    plain.load_state_dict(state, strict=True)
    assert torch.equal(plain(some_ids()), layer(some_ids()))
    other = torch.nn.Embedding(N + M, D, dtype=dtype)
    for assign in (False, True):
        layer.load_state_dict(other.state_dict(), strict=True, assign=assign)
        assert torch.equal(layer(some_ids()), other(some_ids()))
        assert torch.equal(layer.new_rows.detach().to(dtype), other.weight[list(ids or range(N, N + M))])
        with torch.no_grad():
            layer.new_rows.fill_(5)
        assert (layer(torch.tensor((ids or [N])[0])) == 5).all()
    with pytest.raises(RuntimeError, match="size mismatch"):
        layer.load_state_dict({"weight": torch.ones(3, D)})
    with pytest.raises(RuntimeError, match="Missing key"):
        layer.load_state_dict({})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        layer.load_state_dict({"weight": other.weight, "more": other.weight})
    model = torch.nn.Sequential(layer)
    model.load_state_dict({"0.weight": other.weight.detach()})
    assert torch.equal(layer.state_dict()["weight"], other.weight)


def test_before_extending_state_dicts_load_both_ways_too():
    layer, plain = EmbeddingLayer(N, D), torch.nn.Embedding(N, D)
    plain.load_state_dict(layer.state_dict())
    layer.load_state_dict(plain.state_dict())
    assert list(layer.state_dict()) == ["weight"]


def _saved(layer):
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),  # noqa: S301
    "torch.save": _saved,
}


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
@pytest.mark.parametrize("way", COPIES)
def test_copies_keep_the_view_and_share_nothing(dtype, way):
    layer = extended(dtype)
    twin = COPIES[way](layer)
    assert twin._selection.is_view(twin.weight) == (dtype == torch.float32)
    with torch.no_grad():
        twin.new_rows.fill_(9)
    assert (twin(torch.tensor([N])) == 9).all()
    assert (layer(torch.tensor([N])) != 9).any()
    assert twin.proof()
    step(twin, torch.optim.AdamW(twin.parameters(), 0.1), some_ids())
    assert twin.proof()


def test_conversions_keep_the_relation_and_the_parameter():
    layer = extended()
    parameter, values = layer.new_rows, layer.new_rows.detach().clone()
    optimiser = torch.optim.AdamW(layer.parameters(), 0.1)
    step(layer, optimiser, some_ids())
    values = layer.new_rows.detach().clone()
    layer.to(BFLOAT)
    assert layer.weight.dtype == BFLOAT
    assert layer.new_rows is parameter
    assert torch.equal(layer.new_rows, values)  # float32 still
    step(layer, optimiser, some_ids())
    kept = layer.new_rows.detach().clone()
    layer.float()
    assert torch.equal(layer.weight[N:], kept)
    assert layer.new_rows.data_ptr() == layer.weight[N:].data_ptr()
    step(layer, optimiser, some_ids())
    layer.double()
    assert layer.new_rows.data_ptr() == layer.weight[N:].data_ptr()
    layer(torch.tensor([N])).sum().backward()
    layer.half()
    assert layer.new_rows.grad.dtype == layer.new_rows.dtype == torch.float32
    layer.share_memory()
    assert layer.weight.is_shared()


def test_the_meta_device_and_back():
    layer = extended()
    layer.to("meta")
    assert layer(torch.zeros(2, dtype=torch.int64, device="meta")).shape == (2, D)
    layer.to_empty(device="cpu")
    layer.load_state_dict({"weight": rows(N + M)})
    assert torch.equal(layer(torch.tensor([N])), rows(N + M)[[N]])
    assert layer.new_rows.data_ptr() == layer.weight[N:].data_ptr()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_device_moves_keep_the_view():
    layer = extended()
    layer.cuda()
    assert layer.new_rows.data_ptr() == layer.weight[N:].data_ptr()
    step(layer, torch.optim.AdamW(layer.parameters(), 0.1), some_ids().cuda())
    layer.train_rows([3, 9])
    step(layer, torch.optim.AdamW(layer.parameters(), 0.1), some_ids().cuda())
    layer.cpu()
    step(layer, torch.optim.AdamW(layer.parameters(), 0.1), some_ids())
    assert layer.proof()


# ------------------------------------------------------------------------------------------------------------ inside of PyTorch


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
def test_gradient_checkpointing_gives_the_same_gradient(dtype, reentrant):
    from torch.utils.checkpoint import checkpoint

    layer = extended(dtype)
    head = TiedHead(layer)
    gradients = []
    for way in (lambda f, *x: f(*x), lambda f, *x: checkpoint(f, *x, use_reentrant=reentrant)):
        layer.zero_grad()
        spark = torch.zeros((), requires_grad=True)  # reentrant checkpointing wants an input that asks for a gradient
        way(lambda ids, spark: torch.tanh(head(torch.tanh(layer(ids))).float() + spark), some_ids(), spark).sum().backward()
        gradients.append(layer.new_rows.grad.clone())
    assert torch.equal(*gradients)


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("mode", [None, "sum", "mean", "max"])
@pytest.mark.filterwarnings("ignore")
def test_compiled_it_gives_the_same_rows_and_gradients(backend, mode, dtype):
    layer = EmbeddingLayer.from_pretrained(rows(dtype=dtype), mode=mode, padding_idx=N - 1)
    layer.extend(M, init=rows(M, seed=5))  # rows that differ: among equal ones the two ways choose another largest
    ids = torch.tensor([[1, N, N + 1, N - 1], [N, N, 3, N + 3]])
    torch.compiler.reset()
    compiled = torch.compile(layer, backend=backend, fullgraph=True)
    seen = []
    for way in (layer, compiled):
        layer.zero_grad()
        out = way(ids)
        out.float().square().sum().backward()
        seen.append((out.detach(), layer.new_rows.grad.clone()))
    torch.testing.assert_close(*[out for out, _ in seen])
    torch.testing.assert_close(*[gradient for _, gradient in seen], rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-6)
    before = layer.weight[:N].clone()
    optimiser = torch.optim.AdamW(layer.parameters(), 0.1)
    linear = torch.compile(layer.linear, backend=backend, fullgraph=True)
    for _ in range(2):
        compiled(ids).float().square().sum().backward()
        optimiser.step()
    x = torch.eye(N + M, dtype=dtype)[ids[0]]
    sums = linear(x)  # the masters of the last step are not written through yet
    torch.testing.assert_close(sums, layer.linear(x), rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-2)
    torch.testing.assert_close(compiled(ids), layer(ids))
    assert torch.equal(layer.weight[:N], before)


@pytest.mark.filterwarnings("ignore")
def test_it_can_be_exported():
    layer = extended()
    program = torch.export.export(torch.nn.Sequential(layer), (some_ids(),))
    torch.testing.assert_close(program.module()(some_ids()), layer(some_ids()))
    layer.train_rows([3, 9])
    program = torch.export.export(torch.nn.Sequential(layer, torch.nn.Tanh()), (some_ids(),))
    torch.testing.assert_close(program.module()(some_ids()), torch.tanh(layer(some_ids())))


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
def test_inference_mode_sees_the_last_step(dtype):
    layer = extended(dtype)
    step(layer, torch.optim.SGD(layer.parameters(), 1), some_ids())
    with torch.inference_mode():
        assert torch.equal(layer(torch.arange(N, N + M)), layer.new_rows.to(dtype))
    step(layer, torch.optim.SGD(layer.parameters(), 1), some_ids())
    assert layer.proof()


def test_it_says_what_it_is():
    assert repr(EmbeddingLayer(3, 2, mode="sum")) == "EmbeddingLayer(3, 2, mode=sum)"
    assert repr(extended()) == f"EmbeddingLayer({N + M}, {D}, trains Selection({N}..{N + M - 1} of {N + M}))"
    layer = extended()
    layer.train_rows([1, 3])
    assert "2 rows of 54" in repr(layer)


def test_autocast_and_no_grad_change_nothing():
    layer = extended()
    with torch.no_grad():
        assert torch.equal(layer(some_ids()), layer.weight[some_ids()])
    with torch.autocast("cpu", dtype=BFLOAT):
        head = TiedHead(layer)
        head(layer(some_ids())).float().sum().backward()
        head.cross_entropy(layer(some_ids()), some_ids()).backward()
    assert layer.new_rows.grad.dtype == torch.float32


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _ddp_worker(rank, port, dtype, results):
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        layer = EmbeddingLayer.from_pretrained(rows(dtype=dtype))
        layer.extend(M, init=rows(M, seed=5 + rank))  # the processes start apart, and the first one's new rows count
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(layer))
        optimiser = torch.optim.AdamW(model.parameters(), 0.1, weight_decay=0.1)
        batches = [torch.tensor([[0, N, N + 1], [N, 2, 3]]), torch.tensor([[4, N + 2, 6], [7, 8, 9]])]
        for _ in range(3):
            (model(batches[rank]).float() - 1).square().mean().backward()
            optimiser.step()
            optimiser.zero_grad()
        results.put((rank, layer.new_rows.detach().clone().numpy(), bool(layer.proof()), layer.digest()))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT])
@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without distributed")
def test_two_processes_train_as_one(dtype):
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    port = _free_port()
    workers = [context.Process(target=_ddp_worker, args=(rank, port, dtype, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    (_, a, proved, digest), (_, b, proved_too, digest_too) = sorted([results.get(), results.get()])
    np.testing.assert_array_equal(a, b)
    assert proved
    assert proved_too
    assert digest == digest_too
    layer = EmbeddingLayer.from_pretrained(rows(dtype=dtype))
    layer.extend(M, init=rows(M, seed=5))
    optimiser = torch.optim.AdamW(layer.parameters(), 0.1, weight_decay=0.1)
    ids = torch.tensor([[0, N, N + 1], [N, 2, 3], [4, N + 2, 6], [7, 8, 9]])
    for _ in range(3):
        (layer(ids).float() - 1).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    np.testing.assert_allclose(a, layer.new_rows.detach().numpy(), rtol=1e-5 if dtype == torch.float32 else 2e-2, atol=1e-6)


# -------------------------------------------------------------------------------------------------------- drop-in for both kinds


@pytest.mark.parametrize(
    "options",
    [{}, {"padding_idx": 3}, {"padding_idx": -1}, {"max_norm": 1.5}, {"max_norm": 2.0, "norm_type": 1.0}, {"scale_grad_by_freq": True}],
)
@pytest.mark.parametrize("grown", [False, True])
def test_it_is_an_embedding(options, grown):
    plain = torch.nn.Embedding.from_pretrained(rows(N + M), freeze=False, **options)
    if grown:
        first = rows(N + M)
        layer = EmbeddingLayer.from_pretrained(first[:N].clone(), freeze=False, **{**options, "padding_idx": None})
        layer.extend(M, init=first[N:])
        layer.padding_idx = plain.padding_idx
    else:
        layer = EmbeddingLayer.from_pretrained(rows(N + M), freeze=False, **options)
    assert isinstance(layer, torch.nn.Embedding)
    new = list(range(N, N + M)) if grown else list(range(N + M))
    ours, theirs = (torch.optim.SGD(module.parameters(), 0.01) for module in (layer, plain))
    kept = layer.weight[:N].clone() if grown else None
    for _ in range(3):
        a, b = layer(some_ids()), plain(some_ids())
        torch.testing.assert_close(a, b)
        (a**3).sum().backward()
        (b**3).sum().backward()
        torch.testing.assert_close((layer.new_rows if grown else layer.weight).grad, plain.weight.grad[new])
        ours.step()
        theirs.step()
        with torch.no_grad():
            if grown:
                plain.weight[:N] = rows(N + M)[:N]
        torch.testing.assert_close(layer.weight[new], plain.weight[new])
        ours.zero_grad()
        theirs.zero_grad()
    if grown:
        assert torch.equal(layer.weight[:N], kept)
    repr(layer)


@pytest.mark.parametrize("grown", [False, True])
def test_sparse_gradients_go_with_sparse_optimisers(grown):
    layer = EmbeddingLayer(N, D, sparse=True)
    if grown:
        layer.extend(M)
    optimiser = torch.optim.SparseAdam(list(layer.parameters()), 0.1)
    step(layer, optimiser, some_ids(layer.num_embeddings))
    assert not grown or layer.proof()


BAG_CASES = [
    ({}, None, None),
    ({"padding_idx": 2}, None, None),
    ({"padding_idx": N + 1}, [0, 3, 3, 9], None),
    ({}, [0, 3, 3, 9], None),
    ({"include_last_offset": True}, [0, 3, 3, 20], None),
    ({"max_norm": 1.5}, [0, 3, 3, 9], None),
    ({}, None, "weights"),
    ({"padding_idx": 2}, [0, 3, 3, 9], "weights"),
    ({"scale_grad_by_freq": True}, None, None),
]


@pytest.mark.parametrize(("options", "offsets", "weights"), BAG_CASES)
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("grown", [False, True])
def test_it_is_a_bag_of_embeddings(mode, options, offsets, weights, grown):
    if weights and mode != "sum":
        pytest.skip("weights are for sums")
    if mode == "max" and options.get("scale_grad_by_freq"):
        pytest.skip("torch does not scale the gradient of a maximum")
    first = rows(N + M)
    plain = torch.nn.EmbeddingBag.from_pretrained(first.clone(), freeze=False, mode=mode, **options)
    if grown:
        layer = EmbeddingLayer.from_pretrained(first[:N].clone(), freeze=False, mode=mode, **{**options, "padding_idx": None})
        layer.extend(M, init=first[N:])
        layer.padding_idx = plain.padding_idx
    else:
        layer = EmbeddingLayer.from_module(plain)
        layer.weight = torch.nn.Parameter(first.clone())
    ids = torch.randint(0, N + M, (4, 5), generator=torch.Generator().manual_seed(3))
    ids[0, :3] = torch.tensor([N, 2, N + 1])
    ids = ids if offsets is None else ids.reshape(-1)
    places = None if offsets is None else torch.tensor(offsets)
    out = []
    for module in (layer, plain):
        factors = torch.linspace(-1, 1, 20).reshape(ids.shape).requires_grad_() if weights else None
        bags = module(ids, places, factors)
        bags.pow(3).sum().backward()
        out.append((bags, factors))
    torch.testing.assert_close(out[0][0], out[1][0])
    torch.testing.assert_close(layer.new_rows.grad if grown else layer.weight.grad, plain.weight.grad[N if grown else 0 :])
    if weights:
        torch.testing.assert_close(out[0][1].grad, out[1][1].grad)
    merged = layer.merge()
    assert isinstance(merged, torch.nn.EmbeddingBag)
    torch.testing.assert_close(merged(ids, places, out[1][1]), out[1][0])


def test_bags_say_what_they_need():
    bag, lookup = EmbeddingLayer(5, 2, mode="mean"), EmbeddingLayer(5, 2)
    with pytest.raises(ShapeError, match="with offsets"):
        bag(torch.tensor([1, 2]))
    with pytest.raises(ShapeError, match=r"\(1, 2\) with offsets"):
        bag(torch.tensor([[1, 2]]), torch.tensor([0]))
    with pytest.raises(ArgumentError, match="'sum'"):
        bag(torch.tensor([[1, 2]]), None, torch.ones(1, 2))
    with pytest.raises(ShapeError, match="per_sample_weights"):
        EmbeddingLayer(5, 2, mode="sum")(torch.tensor([[1, 2]]), None, torch.ones(2))
    with pytest.raises(ArgumentError, match="mode"):
        lookup(torch.tensor([1, 2]), torch.tensor([0]))
    assert bag(torch.zeros(0, 3, dtype=torch.int64)).shape == (0, 2)


# -------------------------------------------------------------------------------------------------------------- the linear map


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("ids", [None, [3, 9]])
def test_the_linear_map_takes_dense_sparse_and_one_hot(ids):
    layer = extended(torch.float64)
    if ids:
        layer.train_rows(ids)
    x = torch.zeros(5, N + M, dtype=torch.float64)
    x[torch.arange(5), torch.tensor([1, N, 3, N + 2, 9])] = torch.tensor([1.0, 2, 3, 4, 5], dtype=torch.float64)
    whole = layer.weight.clone().requires_grad_()
    (x @ whole).pow(2).sum().backward()
    wanted = whole.grad[ids or range(N, N + M)]
    for form in (x, x.to_sparse_coo(), x.to_sparse_csr()):
        layer.zero_grad()
        z = layer.linear(form)
        torch.testing.assert_close(z, x @ layer.weight)
        z.pow(2).sum().backward()
        torch.testing.assert_close(layer.new_rows.grad, wanted)
    asked = x.clone().requires_grad_()
    layer.linear(asked).pow(2).sum().backward()
    torch.testing.assert_close(asked.grad, 2 * (x @ layer.weight) @ layer.weight.T)
    assert torch.equal(layer.linear(OneHot([[0, 3], [N, 1]], n=N + M)), layer(torch.tensor([[0, 3], [N, 1]])))
    assert torch.equal(layer.linear((x != 0).long()), (x != 0).double() @ layer.weight)
    with torch.no_grad():
        torch.testing.assert_close(layer.linear(x[0]), x[0] @ layer.weight)
    with pytest.raises(ShapeError, match=r"\(2, 7\)"):
        layer.linear(torch.ones(2, 7))


def test_the_linear_map_of_all_rows_is_a_matrix_product():
    layer = EmbeddingLayer(4, 3)
    x = torch.rand(2, 4)
    assert torch.equal(layer.linear(x), x @ layer.weight)
    assert EmbeddingLayer(4, 3, mode="sum").linear(OneHot([1], n=4)).shape == (1, 3)


# ------------------------------------------------------------------------------------------------------------ what a step costs


def test_a_step_allocates_nothing_of_the_tables_size():
    """Backward's largest tensor is the batch's, not the table's: 200,000 rows would be 51 MB."""
    layer = EmbeddingLayer(200_000, 64, _weight=torch.zeros(200_000, 64))
    layer.extend(10, record=False)
    head = Head(64, 10)
    ids = torch.randint(0, 200_010, (8, 16))
    with torch.profiler.profile(profile_memory=True) as seen:
        head(layer(ids)).sum().backward()
        torch.optim.AdamW(layer.parameters()).step()
    assert max(abs(event.self_cpu_memory_usage) for event in seen.key_averages()) < 1_000_000


# -------------------------------------------------------------------------------------- another tensor in the parameter's place


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("place", [None, [2, 9, 5]])
def test_a_call_with_other_parameters_uses_those_and_changes_nothing(dtype, place):
    layer = EmbeddingLayer(12, 4, dtype=dtype)
    if place is None:
        layer.extend(3)
    else:
        layer.train_rows(place)
    head = TiedHead(layer, bias=torch.zeros(layer.num_embeddings))
    before = layer.weight.clone()
    chosen = place or [12, 13, 14]
    ids = torch.tensor([0, *chosen])
    other = torch.nn.Parameter(torch.full((3, 4), 7.0))
    out = torch.func.functional_call(layer, {"new_rows": other}, (ids,))
    assert torch.equal(out[1:].float(), torch.full((3, 4), 7.0))
    assert torch.equal(out[0], before[0])
    out.float().sum().backward()
    assert torch.equal(other.grad, torch.ones(3, 4))
    assert torch.equal(other.detach(), torch.full((3, 4), 7.0))
    assert layer.new_rows.grad is None
    assert torch.equal(layer.weight, before)
    assert torch.equal(layer(ids), before[ids])
    model = torch.nn.ModuleDict({"layer": layer, "head": head})
    assert "head.weight" in model.state_dict()
    assert layer.proof()


def test_gradients_hold_against_differences_and_a_batch_of_calls_is_one_call():
    layer = EmbeddingLayer(6, 3, dtype=torch.float64)
    layer.extend(2)
    ids = torch.tensor([[1, 6], [7, 6]])
    start = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: torch.func.functional_call(layer, {"new_rows": rows}, (ids,)), (start,))
    assert torch.equal(torch.vmap(layer)(ids), layer(ids))
    by_rows = torch.func.grad(lambda rows: torch.func.functional_call(layer, {"new_rows": rows}, (ids,)).sum())
    assert torch.equal(by_rows(start.detach()), torch.tensor([[2.0] * 3, [1.0] * 3], dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_memory_under_the_parameter_is_taken_in(dtype):
    layer = EmbeddingLayer(6, 3, dtype=dtype)
    layer.extend(2)
    layer.new_rows.data = torch.full((2, 3), 5.0)  # as optimisers with flat buffers do
    assert torch.equal(layer(torch.tensor([7])).float(), torch.full((1, 3), 5.0))
    assert torch.equal(layer.weight[6:].float(), torch.full((2, 3), 5.0))
    layer.new_rows = torch.nn.Parameter(torch.full((2, 3), 4.0))  # as a user does
    assert torch.equal(layer(torch.tensor([7])).float(), torch.full((1, 3), 4.0))
    assert torch.equal(layer.state_dict()["weight"][6:].float(), torch.full((2, 3), 4.0))
    assert layer.proof()


def new_weight(layer, values):
    layer.weight = values


def new_parameter(layer, values):
    layer.weight = torch.nn.Parameter(values)


def new_memory(layer, values):
    layer.weight.data = values


def into_the_rows(layer, values):
    with torch.no_grad():
        layer.weight.copy_(values)


def into_the_data(layer, values):
    layer.weight.data.copy_(values)


def goes_on_from(write, dtype, ids):
    layer = EmbeddingLayer(8, 3, dtype=dtype)
    chosen = list(layer.extend(2)) if ids is None else ids
    if ids is not None:
        layer.train_rows(ids)
    every = torch.arange(layer.num_embeddings)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer(every).sum().backward()
    optimiser.step()
    layer(every)
    write(layer, torch.full_like(layer.weight.detach(), 7.0))
    assert (layer(every) == 7).all()
    assert (layer.new_rows == 7).all()
    assert [name for name, _ in layer.named_parameters()] == ["new_rows"]
    optimiser.zero_grad()
    layer(every).sum().backward()
    optimiser.step()
    wanted = torch.full((layer.num_embeddings, 3), 7.0, dtype=dtype)
    wanted[chosen] = 6
    assert torch.equal(layer(every), wanted)
    assert torch.equal(layer.state_dict()["weight"], wanted)


@pytest.mark.parametrize("ids", [None, [3, 5]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("write", [new_weight, new_parameter, new_memory, into_the_rows, into_the_data])
def test_training_goes_on_from_what_others_write_into_the_weight(write, dtype, ids):
    goes_on_from(write, dtype, ids)


@pytest.mark.parametrize("ids", [None, [3, 5]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("write", [new_weight, new_parameter, new_memory, into_the_rows])
def test_so_it_does_where_the_count_of_changes_has_to_tell(write, dtype, ids, monkeypatch):
    monkeypatch.setattr(partial, "COMPARED", ())
    goes_on_from(write, dtype, ids)


def test_numbers_beside_those_that_were_written_keep_their_master():
    layer = EmbeddingLayer(8, 3, dtype=torch.bfloat16)
    layer.extend(2)
    with torch.no_grad():
        layer.new_rows.fill_(1 + 2**-12)  # 1 in bfloat16
    layer(torch.tensor([8]))
    with torch.no_grad():
        layer.weight[9, 1] = 5
        layer.weight[0] = 3
    layer(torch.tensor([8]))
    wanted = torch.full((2, 3), 1 + 2**-12)
    wanted[1, 1] = 5
    assert torch.equal(layer.new_rows.detach(), wanted)


def test_another_weight_has_the_same_shape():
    layer = EmbeddingLayer(8, 3)
    layer.extend(2)
    with pytest.raises(ShapeError, match=r"weight must be of shape \(10, 3\).*seen \(8, 3\)"):
        layer.weight = torch.zeros(8, 3)
    assert layer(torch.tensor([9])).shape == (1, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_another_weight_may_be_of_another_type(dtype):
    layer = EmbeddingLayer(8, 3, dtype=dtype)
    layer.extend(2)
    layer.weight = torch.full((10, 3), 2.0, dtype=torch.bfloat16 if dtype is torch.float32 else torch.float32)
    assert layer(torch.tensor([0, 9])).tolist() == [[2.0] * 3] * 2
    assert layer.new_rows.dtype == torch.float32


def test_rows_chosen_without_a_record_lose_no_step_of_those_before():
    layer = EmbeddingLayer(8, 3, dtype=torch.bfloat16)
    layer.train_rows([1, 2])
    with torch.no_grad():
        layer.new_rows.fill_(4)
    layer.train_rows([5], record=False)
    assert (layer.weight[1:3] == 4).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_that_was_extended_in_inference_mode_serves_there(dtype):
    with torch.inference_mode():
        layer = EmbeddingLayer(8, 3, dtype=dtype)
        layer.extend(2)
        assert layer(torch.tensor([9])).shape == (1, 3)
        layer.weight[9] = 5
        assert (layer(torch.tensor([9])) == 5).all()


def test_a_layer_served_in_inference_mode_trains_afterwards():
    layer = EmbeddingLayer(8, 3, dtype=torch.bfloat16)
    layer.extend(2)
    with torch.inference_mode():
        layer(torch.tensor([9]))
        layer.load_state_dict(layer.state_dict())
        layer(torch.tensor([9]))
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    before = layer.new_rows.detach().clone()
    layer(torch.tensor([9])).sum().backward()
    optimiser.step()
    layer(torch.tensor([9]))
    assert torch.equal(layer.new_rows.detach(), before - torch.tensor([[0.0], [1.0]]))
