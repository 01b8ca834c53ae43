"""Two real processes give the loss and the gradient of one."""

from __future__ import annotations

import datetime
import faulthandler
import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from stablerep.distributed import gather, gathered_image_text, gathered_multi_positive, process, processes
from stablerep.losses import image_text, multi_positive

N, PROCESSES = 12, 2
CASES = {
    "simclr": torch.arange(N // 2).repeat(2),
    "stablerep": torch.arange(N // 4).repeat_interleave(4),
    "supervised contrastive": torch.tensor([0, 1, 0, 1, 2, 2, 2, 2, 0, 1, 0, 1]),
}


def networks() -> tuple[nn.Module, nn.Module, nn.Parameter]:
    torch.manual_seed(0)
    return (
        nn.Sequential(nn.Linear(10, 16), nn.GELU(), nn.Linear(16, 6)),
        nn.Linear(7, 6),
        nn.Parameter(torch.tensor(5.0)),
    )


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(N, 10, generator=rng), torch.randn(N // 4, 7, generator=rng)


def losses(x, texts, ids, text_ids, image_net, text_net, scale, *, contrast, match) -> dict:
    z = image_net(x)
    found = {name: contrast(z, part, temperature=0.2) for name, part in ids.items()}
    found["clip and stablerep+"] = match(z, text_net(texts), ids["stablerep"], text_ids, logit_scale=scale)
    return found


def gradients(loss, parameters) -> torch.Tensor:
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in zip(found, parameters)])


def work(number: int, folder: str) -> None:
    """One of two processes: its half of every batch; averages over processes, as DistributedDataParallel makes them, are saved."""
    faulthandler.enable()  # a crash inside a library names its place
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/meet", PROCESSES)
    dist.init_process_group(
        "gloo",
        store=store,
        rank=number,
        world_size=PROCESSES,
        timeout=datetime.timedelta(seconds=60),
    )
    assert (processes(), process()) == (PROCESSES, number)
    image_net, text_net, scale = networks()
    x, texts = inputs()
    mine = slice(number * N // PROCESSES, (number + 1) * N // PROCESSES)
    ids = {name: part[mine] for name, part in CASES.items()}
    # a fourth caption, which has no images, so that each process has two texts
    text_rows = torch.tensor([0, 1]) if number == 0 else torch.tensor([2, 3])
    texts = torch.cat([texts, torch.zeros(1, 7)])[text_rows]
    found = losses(
        x[mine],
        texts,
        ids,
        text_rows,
        image_net,
        text_net,
        scale,
        contrast=gathered_multi_positive,
        match=gathered_image_text,
    )
    parameters = [*image_net.parameters(), *text_net.parameters(), scale]
    means = {}
    for name, loss in found.items():
        both = torch.cat([loss.detach().reshape(1), gradients(loss, parameters)])
        dist.all_reduce(both)
        means[name] = both / PROCESSES
    assert torch.equal(gather(torch.tensor([number, number])), torch.tensor([0, 0, 1, 1]))
    if number == 0:
        torch.save(means, f"{folder}/means.pt")
    # How a group is taken apart is gloo's business and not what is tested: both meet through the file and leave at once.
    store.set(f"process {number} is done", "")
    store.wait([f"process {other} is done" for other in range(PROCESSES)])
    os._exit(0)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("distributed")
    mp.spawn(work, args=(str(folder),), nprocs=PROCESSES)
    return torch.load(folder / "means.pt", weights_only=True)


@pytest.mark.parametrize("name", [*CASES, "clip and stablerep+"])
def test_two_processes_give_the_loss_and_gradient_of_one(two_processes, name):
    image_net, text_net, scale = networks()
    x, texts = inputs()
    texts = torch.cat([texts, torch.zeros(1, 7)])  # a caption without images, as in the two processes
    found = losses(
        x, texts, CASES, torch.arange(4), image_net, text_net, scale, contrast=multi_positive, match=image_text
    )
    parameters = [*image_net.parameters(), *text_net.parameters(), scale]
    expected = torch.cat([found[name].detach().reshape(1), gradients(found[name], parameters)])
    torch.testing.assert_close(two_processes[name], expected, atol=1e-5, rtol=1e-5)
    assert expected[1:].abs().max() > 1e-3  # there is a gradient to compare


def test_one_process_gathers_nothing():
    x = torch.randn(4, 3, requires_grad=True)
    assert gather(x) is x and (processes(), process()) == (1, 0)
    ids = torch.tensor([0, 0, 1, 1])
    assert gathered_multi_positive(x, ids).item() == multi_positive(x, ids).item()
