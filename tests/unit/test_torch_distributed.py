"""A layer with new rows trained by two processes: what travels between them are the new rows, however large the table is."""

from __future__ import annotations

import socket

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.distributed as dist  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

import tokenspace as ts  # noqa: E402
from tokenspace.torch import EmbeddingLayer  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not dist.is_available(), reason="PyTorch without distributed"),
]
N, D, NEW = 20_000, 16, 6
ALONE = NEW * D * 4
"""Bytes of the new rows, float32."""

BATCHES = ([[1, N, 5], [N + 1, 7, 19_999]], [[3, N + 2, 9], [N, 2, N + 5]])


def a_layer():
    rows = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
    layer = EmbeddingLayer.from_table(ts.EmbeddingTable([f"t{row}" for row in range(N)], rows))
    layer.extend([f"new{row}" for row in range(NEW)], init=np.random.default_rng(1).standard_normal((NEW, D)).astype(np.float32))
    return layer


class Travelling(TorchDispatchMode):
    """Adds up the bytes that are handed to collectives."""

    def __init__(self):
        super().__init__()
        self.bytes = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        if name.startswith("c10d"):
            tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
            self.bytes[name] = self.bytes.get(name, 0) + max(tensor.numel() * tensor.element_size() for tensor in tensors)
        return function(*args, **(kwargs or {}))


def _train(model, batch, optimiser):
    for _ in range(2):
        (model(torch.tensor(batch)) - 1).square().mean().backward()
        optimiser.step()
        optimiser.zero_grad()


def _replicated(rank, layer):
    sizes = []

    def counted(_state, bucket):
        sizes.append(bucket.buffer().numel() * bucket.buffer().element_size())
        return dist.all_reduce(bucket.buffer().div_(2), async_op=True).get_future().then(lambda done: done.value()[0])

    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(layer))
    model.register_comm_hook(None, counted)
    _train(model, BATCHES[rank], torch.optim.SGD(model.parameters(), 0.1))
    return sizes, layer.new_rows.detach()


def _sharded(rank, layer):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    model = torch.nn.Sequential(layer, torch.nn.Identity())
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
    with Travelling() as travelling:
        _train(model, BATCHES[rank], torch.optim.SGD(model.parameters(), 0.1))
    return list(travelling.bytes.items()), layer.new_rows.full_tensor().detach()


def _worker(rank, port, way, results):
    import warnings

    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        layer = a_layer()
        seen, rows = {"ddp": _replicated, "fsdp": _sharded}[way](rank, layer)
        results.put((rank, seen, rows.clone().numpy(), layer.digest()))
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_only_new_rows_travel(way):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    workers = [context.Process(target=_worker, args=(rank, port, way, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    both = sorted([results.get(), results.get()], key=lambda one: one[0])
    assert np.array_equal(both[0][2], both[1][2])
    assert both[0][3] == both[1][3] == a_layer().digest()
    seen = both[0][1]
    if way == "ddp":
        assert seen == [ALONE, ALONE]  # of two steps; the table has 1.28 MB
    else:
        assert seen
        assert all(0 < size <= 8 * ALONE for _, size in seen), seen  # gathered forwards and backwards, reduced, in two steps; padded
    layer = a_layer()
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(2):
        torch.stack([(layer(torch.tensor(batch)) - 1).square().mean() for batch in BATCHES]).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    np.testing.assert_allclose(both[0][2], layer.new_rows.detach().numpy(), rtol=1e-5, atol=1e-7)
