"""Large contrastive batches on small memory: the two passes of gradient caching (Gao et al. 2021, "Scaling Deep Contrastive Learning").

A contrastive loss needs the features of the whole batch at once, but the activations of the encoder only chunk by chunk:

1. encode every chunk without keeping activations;
2. compute the loss of all features and its gradient with respect to them;
3. encode every chunk again, now with activations, and let the cached gradients flow into the weights.

The encoder runs forward twice, and its activations never take more memory than one chunk's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def cached_backward(encoder: nn.Module, views: Tensor, loss_of: Callable[[Tensor], Tensor], *, chunk: int) -> Tensor:
    """Accumulate the gradients of ``loss_of(encoder(views))`` with the encoder's activations of one chunk at a time.

    The gradients are those of the plain step where the encoder treats every image on its own (layer normalization, group normalization). Batch
    normalization takes its statistics from a chunk instead of the batch; it does so in both passes, and its running statistics are updated once.
    Whatever should see the whole batch (a projection head with batch normalization) belongs into ``loss_of``. Dropout draws the same
    masks in both passes.

    Args:
        encoder: float [n, ...] to float [n, D].
        views: float [N, ...].
        loss_of: features float [N, D] to a scalar; its own weights receive their gradients too.
        chunk: images encoded at once, at most.

    Returns:
        The loss, detached.

    Raises:
        ValueError: a chunk below 1.
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}; at least one image must be encoded at a time.")
    count = -(-len(views) // chunk)
    parts, states = views.tensor_split(count), []  # of nearly equal size: no last part of a single image
    buffers = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    with torch.no_grad():
        encoded = []
        for part in parts:
            states.append(_random_state(views.device))
            encoded.append(encoder(part))
        for name, buffer in encoder.named_buffers():  # the second pass will update them
            buffer.copy_(buffers[name])
    features = torch.cat(encoded).requires_grad_(True)
    loss = loss_of(features)
    loss.backward()
    after = _random_state(views.device)
    for part, state, gradient in zip(parts, states, features.grad.tensor_split(count)):
        _set_random_state(state, views.device)
        encoder(part).backward(gradient)
    _set_random_state(after, views.device)
    return loss.detach()


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_random_state(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
