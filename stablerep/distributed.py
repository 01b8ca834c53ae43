"""Contrastive losses over several processes: features are gathered with their gradient, ids at every step.

Each function does nothing to speak of in one process, so that the same code serves a laptop and a cluster. Gradients follow the convention of
``DistributedDataParallel``, which averages the gradients of the processes: each process returns the mean loss of its own
anchors against all candidates, and the average over processes has the value and the gradient of the loss in one process.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from stablerep.losses import image_text, multi_positive_among


def processes() -> int:
    """How many processes train together; 1 when torch.distributed is not in use."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if processes() > 1 else 0


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes, [W * N, ...], in the order of the processes; differentiable when they are floating.

    The gradient of a process's rows is the sum of what the losses of all processes say of them. Every process must give as many rows.
    In one process these are the rows themselves.
    """
    if processes() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather  # not there in a torch that was built without processes

    return torch.cat(all_gather(rows))


def gathered_multi_positive(features: Tensor, ids: Tensor, *, temperature: float = 0.1, lonely: str = "zero") -> Tensor:
    """:func:`stablerep.losses.multi_positive` of the batch that all processes hold together.

    Args:
        features: float [N, D], this process's part. ids: integer [N]; they must mean the same in every process.

    Returns:
        Scalar: the mean over this process's anchors. Its average over processes is the loss of the whole batch. With
        ``lonely="skip"`` that holds when every process has as many anchors with a positive.
    """
    place = process() * len(features) + torch.arange(len(features), device=features.device)
    return multi_positive_among(
        features, ids, gather(features), gather(ids), itself=place, temperature=temperature, lonely=lonely
    )  # fmt: skip


def gathered_image_text(
    image_features: Tensor, text_features: Tensor, image_ids: Tensor, text_ids: Tensor, *, logit_scale: Tensor | float
) -> Tensor:
    """:func:`stablerep.losses.image_text` of the batch that all processes hold together; arguments are this process's part.

    The whole loss is computed from gathered features in every process. Each process's gradient then reaches its own rows W times over, once from
    every process, which the average over processes undoes; ``logit_scale``, the same everywhere, is counted once by that average.
    """
    return image_text(
        gather(image_features), gather(text_features), gather(image_ids), gather(text_ids), logit_scale=logit_scale
    )
