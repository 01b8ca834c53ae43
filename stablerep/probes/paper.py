"""The paper's linear probe, whose number is biased upwards: kept to stand beside published numbers, and for nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.seeding import generator_for

BASE_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # for a batch of 256
MOMENTUM = 0.9
NORM_EPSILON, NORM_MOMENTUM = 1e-6, 0.1  # of the BatchNorm; 0.1 is PyTorch's default


def train_heads(
    features: Tensor, labels: Tensor, classes: int, *, base_rates: Sequence[float] = BASE_RATES, epochs: int = 90, batch_size: int = 1024,
    batch_norm: bool = False, seed: int = 0,
) -> Iterator[Tensor]:  # fmt: skip
    """Linear heads that differ in learning rate, trained side by side on the same batches.

    SGD with momentum 0.9 and no weight decay on the mean cross-entropy of each head; head h learns at base_rates[h] * batch_size / 256,
    times half a cosine to 0 over all steps. The heads are one tensor and share batches but no gradients: each ends where it would alone.

    Args:
        features: float [N, D]. labels: int64 [N] below ``classes``.
        batch_norm: normalize each batch over its items, without scale and offset, before the heads.

    Yields:
        After each epoch, float [heads, D + 1, classes]; the last row holds the intercepts. They fit the features as given: running
        mean and variance of the BatchNorm are folded in.

    Raises:
        ValueError: shapes, labels or numbers that do not fit; as of any iterator, when the first epoch is asked for.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels) or not features.isfinite().all():
        raise ValueError(
            f"features have shape {tuple(features.shape)}, labels {tuple(labels.shape)}; finite [N, D] and [N] are needed."
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(
            f"labels go from {labels.min()} to {labels.max()}; with {classes} classes they go from 0 to {classes - 1}."
        )
    if not base_rates or not all(0 < rate < math.inf for rate in base_rates) or len(set(base_rates)) < len(base_rates):
        raise ValueError(f"base_rates are {list(base_rates)}; one or more positive numbers are needed, each once.")
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; at least 1 is needed.")
    least = 2 if batch_norm else 1  # one item has no variance
    if not least <= batch_size <= len(labels):
        raise ValueError(
            f"batch_size is {batch_size}; with {len(labels)} training items it goes from {least} to {len(labels)}."
        )
    features, device = features.detach().float(), features.device
    per_epoch, (count, width), heads = len(labels) // batch_size, features.shape, len(base_rates)
    start = torch.randn(heads, width, classes, generator=generator_for(seed, "paper probe", "weights")) * 0.01
    weights = F.pad(start, (0, 0, 0, 1)).to(device)  # intercepts start at 0; heads x (D + 1) x classes
    velocity = torch.zeros_like(weights)
    rates = torch.tensor(base_rates, device=device)[:, None, None] * batch_size / 256
    mean, variance = torch.zeros(width, device=device), torch.ones(width, device=device)
    for epoch in range(epochs):
        order = torch.randperm(count, generator=generator_for(seed, "paper probe", "order", epoch)).to(device)
        for step, items in enumerate(order[: per_epoch * batch_size].view(per_epoch, batch_size), epoch * per_epoch):
            x = features[items]
            if batch_norm:
                x = F.batch_norm(x, mean, variance, training=True, momentum=NORM_MOMENTUM, eps=NORM_EPSILON)
            x = F.pad(x, (0, 1), value=1.0)  # batch x (D + 1)
            error = F.softmax(x @ weights, dim=-1)  # heads x batch x classes
            error[:, torch.arange(batch_size, device=device), labels[items]] -= 1
            # the gradient of each head's mean cross-entropy; nothing sums over heads
            velocity.mul_(MOMENTUM).add_(x.T @ error / batch_size)
            # not schedule.cosine_rate, whose first step is always a warm-up
            weights.sub_(0.5 * (1 + math.cos(math.pi * step / (epochs * per_epoch))) * rates * velocity)
        yield _folded(weights, mean, variance) if batch_norm else weights.clone()


def _folded(weights: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Heads on normalized features as heads on the features themselves."""
    scaled = weights[:, :-1] * (variance + NORM_EPSILON).rsqrt()[:, None]
    return torch.cat([scaled, weights[:, -1:] - mean[None, None] @ scaled], dim=1)


def paper_linear_probe(
    features: dict[str, Tensor], labels: dict[str, Sequence], *, evaluated: str = "test", base_rates: Sequence[float] = BASE_RATES,
    epochs: int = 90, batch_size: int = 1024, batch_norm: bool = False, evaluate_every: int = 10, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """The linear probe as the authors' code runs it (``main_linear.py`` of their repository). **Its accuracy is biased upwards.**

    Of ten heads and nine evaluations, the best on the evaluated items is reported on those same items: the maximum of ninety noisy
    estimates. It is kept only to be read beside published numbers, which are made like this; comparisons within the study use
    :func:`~stablerep.probes.linear.linear_probe`.

    Protocol: frozen features; linear heads with one learning rate each, trained together in one pass as in :func:`train_heads`
    (SGD, momentum 0.9, no weight decay, 90 epochs, batch 1024, cosine to 0 without warm-up, weights from a normal of deviation 0.01,
    intercepts from 0, an epoch's last partial batch left out); optionally a BatchNorm without scale and offset in front, of which the
    evaluation uses the running mean and variance; every 10th epoch all heads are evaluated, and the best is kept (the earliest evaluation
    and the smallest rate on ties). Items of a class that training never shows are kept and count as wrong.

    Not known: which published numbers were made with the BatchNorm, their seeds, and how far selection lifted them. Different
    here: features are computed once, where the authors crop and flip each training image anew in every epoch; and the last epoch
    is always evaluated, so that fewer than ten epochs can be asked for.

    Args:
        features: ``train`` and the evaluated part: float [N, D].
        labels: the same keys: class names or numbers.
        evaluated: the part on which the best head is both chosen and reported.
        base_rates: learning rates for a batch of 256; scaled by batch_size / 256.
        batch_size: at most the number of training items; smaller sets need a smaller one.

    Returns:
        One row per evaluated item: ``truth``, ``prediction``, ``correct``, ``selected_on`` (the evaluated part's name, on every row),
        ``base_rate``, ``epoch`` and ``batch_norm`` of what was chosen; ``attrs`` hold the same and ``accuracy`` (by rate, then epoch).

    Raises:
        ValueError: parts that do not match, or what :func:`train_heads` refuses.
    """
    if evaluated == "train":
        raise ValueError("evaluated is 'train'; it must name another part, such as 'test'.")
    for part in ("train", evaluated):
        if part not in features or part not in labels:
            raise ValueError(f"{part} is missing; features have {', '.join(features)}, labels {', '.join(labels)}.")
        if len(features[part]) != len(labels[part]) or not len(labels[part]):
            raise ValueError(
                f"{part} has {len(features[part])} features and {len(labels[part])} labels; it needs as many, above 0."
            )
    if evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; at least 1 is needed.")
    asked = features[evaluated].detach().float()
    if asked.ndim != 2 or asked.shape[1:] != features["train"].shape[1:] or not asked.isfinite().all():
        raise ValueError(
            f"{evaluated} features have shape {tuple(asked.shape)}; finite [N, {features['train'].shape[-1]}] is needed."
        )
    known = sorted(set(labels["train"]))
    number = {name: i for i, name in enumerate(known)}
    y = torch.tensor([number[name] for name in labels["train"]], device=features["train"].device)
    truth = torch.tensor([number.get(name, -1) for name in labels[evaluated]], device=asked.device)
    accuracy, best, chosen = {float(rate): {} for rate in base_rates}, -1.0, None
    training = train_heads(
        features["train"],
        y,
        len(known),
        base_rates=base_rates,
        epochs=epochs,
        batch_size=batch_size,
        batch_norm=batch_norm,
        seed=seed,
    )
    for epoch, heads in enumerate(training, 1):
        if epoch % evaluate_every and epoch < epochs:
            continue
        for rate, head in sorted(
            zip(accuracy, heads), key=lambda pair: pair[0]
        ):  # one at a time: heads x N x classes may be large
            answers = (asked @ head[:-1] + head[-1]).argmax(1)
            accuracy[rate][epoch] = (answers == truth).double().mean().item()
            if accuracy[rate][epoch] > best:
                best, chosen = accuracy[rate][epoch], (rate, epoch, answers.tolist())
    rate, epoch, answers = chosen
    table = pd.DataFrame({"truth": list(labels[evaluated]), "prediction": [known[i] for i in answers]})
    table["correct"] = table["truth"] == table["prediction"]
    choice = {"selected_on": evaluated, "base_rate": rate, "epoch": epoch, "batch_norm": batch_norm}
    table = table.assign(**choice)
    table.attrs = {**choice, "accuracy": accuracy}
    return table
