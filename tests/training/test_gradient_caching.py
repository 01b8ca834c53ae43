"""Gradient caching against the plain step, and its memory against the size of the batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from stablerep.losses import multi_positive
from stablerep.training.gradient_caching import cached_backward


def encoder(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2),
        nn.GroupNorm(2, 8),
        nn.GELU(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(8 * 49, 16),
    )


def head() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(16, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))


def batch(n: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(2)), torch.arange(n) // 4


@pytest.mark.parametrize("chunk", [1, 3, 7, 20, 100])
def test_loss_and_gradients_equal_the_plain_step(chunk):
    """The head has batch normalization: it sees the whole batch, because it belongs to the loss."""
    views, ids = batch()
    network, top = encoder(), head()
    plain_network, plain_top = copy.deepcopy(network), copy.deepcopy(top)
    plain = multi_positive(plain_top(plain_network(views)), ids)
    plain.backward()
    loss = cached_backward(network, views, lambda z: multi_positive(top(z), ids), chunk=chunk)
    assert not loss.requires_grad and loss.item() == pytest.approx(plain.item(), abs=1e-5)
    for ours, theirs in zip(
        [*network.parameters(), *top.parameters()], [*plain_network.parameters(), *plain_top.parameters()]
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(top.buffers(), plain_top.buffers()):
        torch.testing.assert_close(ours, theirs)


def test_gradients_add_to_those_that_are_there():
    views, ids = batch()
    network = encoder()
    cached_backward(network, views, lambda z: multi_positive(z, ids), chunk=6)
    once = [p.grad.clone() for p in network.parameters()]
    cached_backward(network, views, lambda z: multi_positive(z, ids), chunk=6)
    for parameter, gradient in zip(network.parameters(), once):
        torch.testing.assert_close(parameter.grad, 2 * gradient)


def test_dropout_draws_the_same_masks_in_both_passes_and_others_in_the_next_step():
    """One chunk is the plain step, dropout included."""
    views, ids = batch()
    network = encoder(dropout=0.5)
    plain = copy.deepcopy(network)
    torch.manual_seed(7)
    expected = multi_positive(plain(views), ids)
    expected.backward()
    after = torch.rand(1)
    torch.manual_seed(7)
    loss = cached_backward(network, views, lambda z: multi_positive(z, ids), chunk=20)
    assert torch.equal(torch.rand(1), after)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    for ours, theirs in zip(network.parameters(), plain.parameters()):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-5)


def test_running_statistics_are_updated_once():
    views, ids = batch()
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    plain = copy.deepcopy(network)
    for part in views.split(5):
        plain(part)
    cached_backward(network, views, lambda z: multi_positive(z, ids), chunk=5)
    for ours, theirs in zip(network.buffers(), plain.buffers()):
        torch.testing.assert_close(ours, theirs)


def kept_bytes(run) -> int:
    """The largest number of bytes that autograd keeps for the backward pass at once, counted as tensors are saved and freed."""
    import weakref

    now = {"bytes": 0, "most": 0}

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            size = tensor.numel() * tensor.element_size()
            now["bytes"] += size
            now["most"] = max(now["most"], now["bytes"])
            weakref.finalize(self, lambda: now.__setitem__("bytes", now["bytes"] - size))

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        run()
    return now["most"]


def test_activations_do_not_grow_with_the_batch_beyond_the_chunk():
    network = encoder()

    def most(n, chunk):
        views, ids = batch(n)
        return kept_bytes(lambda: cached_backward(network, views, lambda z: z.square().mean(), chunk=chunk))

    def plain(n):
        views, ids = batch(n)
        return kept_bytes(lambda: network(views).square().mean().backward())

    assert plain(256) > 7 * plain(32)  # what is to be avoided
    features = 256 * 16 * 4  # bytes that the loss keeps of its features
    assert most(256, 16) <= most(32, 16) + 2 * features
    assert most(256, 16) < plain(256) / 5


def test_a_chunk_below_one_is_refused():
    views, ids = batch()
    with pytest.raises(ValueError, match="chunk is 0"):
        cached_backward(encoder(), views, lambda z: multi_positive(z, ids), chunk=0)
