"""What features look like before any label is used: how near positives lie, how far the rest spreads, how many dimensions carry it.

Positives are named by ids, as in :mod:`stablerep.losses`: ids = image index over two views asks about augmentation, ids = caption
over images asks about the caption. All sums run in double precision and in blocks of rows, so that N x N never stands in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

# Bounds of collapse(). For scale, a ResNet-10 of 512 dimensions on 400 emoji, one of a caption: trained for 250 steps as StableRep it
# has a spread of 0.76, a rank share of 0.48 and a mean cosine of 0.39; untrained 0.09, 0.17 and 0.98, which raises the last alarm.
# Spread: an isotropic Gaussian has 1; at 0.02 all but 1/2500 of a feature's squared length is the same for all images.
MIN_SPREAD = 0.02
# Rank share: an isotropic Gaussian comes near 1; below a tenth, nine of ten dimensions are all but unused.
MIN_RANK_SHARE = 0.1
# Mean cosine: directions at random have 0; above 0.95, at most a twentieth of the squared length tells images apart.
MAX_MEAN_COSINE = 0.95


def _check(features: Tensor) -> Tensor:
    """The features in double precision, or a ValueError."""
    if features.ndim != 2 or not features.is_floating_point() or len(features) < 2 or not features.shape[1]:
        raise ValueError(
            f"features have shape {tuple(features.shape)} and type {features.dtype}; float [N, D], N >= 2, is needed."
        )
    if not features.isfinite().all():
        raise ValueError(
            f"features of row {int((~features.isfinite()).any(1).nonzero()[0])} are not finite; all must be numbers."
        )
    return features.detach().double()


def _directions(features: Tensor) -> Tensor:
    """Features on the unit sphere, NxD; a zero row has no direction and is refused."""
    features = _check(features)
    empty = (features == 0).all(1)
    if empty.any():
        raise ValueError(f"features of row {int(empty.nonzero()[0])} are all zero; a direction needs one that is not.")
    return F.normalize(features, dim=1)


def _check_ids(ids: Tensor, count: int) -> None:
    if ids.shape != (count,) or ids.is_floating_point():
        raise ValueError(f"ids have shape {tuple(ids.shape)} and type {ids.dtype}; integer [{count}] is needed.")


def _blocks(z: Tensor, rows: int = 1024) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Cosine similarities of every pair, once: first row, block [rows, N - first], and which of its entries are pairs i < j."""
    for first in range(0, len(z), rows):
        block = z[first : first + rows] @ z[first:].T
        yield first, block, torch.ones_like(block, dtype=torch.bool).triu(1)


def alignment(features: Tensor, ids: Tensor, *, power: float = 2.0) -> float:
    r"""How far apart positives lie (Wang & Isola 2020, section 4.1); 0 is perfect.

    .. math:: L_{align} = E_{(x, y) \sim p_{pos}} \| f(x) - f(y) \|_2^{power}

    over all pairs with equal ids, every pair with the same weight: a caption of k images counts k (k - 1) / 2 times.

    Args:
        features: float [N, D], of any length; normalized here.
        ids: integer [N]: the image's index for pairs of views, the caption's for pairs of images.
        power: positive; the paper uses 2, for which orthogonal positives have 2 and opposite ones 4.

    Raises:
        ValueError: wrong shapes or types, a row that is zero or not finite, no two equal ids, or a power that is not positive.
    """
    z = _directions(features)
    _check_ids(ids, len(z))
    if not power > 0:
        raise ValueError(f"power is {power}; it must be positive.")
    total, count = 0.0, 0
    for first, block, pair in _blocks(z):
        pair &= ids[first : first + len(block), None] == ids[None, first:]
        total += (2 - 2 * block[pair]).clamp_min(0).pow(power / 2).sum().item()
        count += int(pair.sum())
    if not count:
        raise ValueError(f"ids are {len(z)} different numbers; alignment needs two rows with the same.")
    return total / count


def uniformity(features: Tensor, *, t: float = 2.0) -> float:
    r"""How evenly features cover the sphere (Wang & Isola 2020, section 4.1): lower is more even, 0 is one point.

    .. math:: L_{uniform} = \log E_{x, y \sim p_{data}} \exp(-t \| f(x) - f(y) \|_2^2)

    over all pairs of different rows, as in the authors' code. Give one image of a caption: positives among the rows raise it.

    Args:
        features: float [N, D], of any length; normalized here.
        t: positive; the paper uses 2, for which features at right angles have -4.

    Raises:
        ValueError: wrong shapes or types, a row that is zero or not finite, or a ``t`` that is not positive.
    """
    z = _directions(features)
    if not t > 0:
        raise ValueError(f"t is {t}; it must be positive.")
    parts = [torch.logsumexp(-t * (2 - 2 * block[pair]), 0) for _, block, pair in _blocks(z) if pair.any()]
    pairs = len(z) * (len(z) - 1) / 2
    return (torch.logsumexp(torch.stack(parts), 0) - torch.tensor(pairs).log()).item()


def caption_similarity(features: Tensor, ids: Tensor) -> pd.DataFrame:
    """Cosine similarity of images within a caption and between captions. The gap of the two means is what an encoder makes of captions.

    Args:
        features: float [N, D], of any length. ids: integer [N], the captions.

    Returns:
        Two rows, ``pairs`` = within and between: ``count``, ``mean`` and ``deviation`` (of the pairs, divided by their count).

    Raises:
        ValueError: wrong shapes or types, a row that is zero or not finite, or no pair of either kind.
    """
    z = _directions(features)
    _check_ids(ids, len(z))
    sums = {"within": torch.zeros(3, dtype=torch.double), "between": torch.zeros(3, dtype=torch.double)}
    for first, block, pair in _blocks(z):
        same = ids[first : first + len(block), None] == ids[None, first:]
        for name, mask in (("within", pair & same), ("between", pair & ~same)):
            values = block[mask]
            sums[name] += torch.stack([torch.tensor(float(len(values))), values.sum().cpu(), values.pow(2).sum().cpu()])
    rows = []
    for name, (count, total, squares) in sums.items():
        if not count:
            raise ValueError(f"{len(z)} rows have {len(ids.unique())} ids; pairs {name} captions need at least one.")
        variance = (squares / count - (total / count) ** 2).clamp_min(0)
        rows.append(
            {"pairs": name, "count": int(count), "mean": (total / count).item(), "deviation": variance.sqrt().item()}
        )
    return pd.DataFrame(rows)


def effective_rank(features: Tensor, *, centred: bool = True) -> float:
    r"""How many dimensions the features use (Roy & Vetterli 2007, section 2): the exponential of the entropy of singular values.

    .. math:: erank = \exp\left(-\sum_k p_k \log p_k\right), \quad p_k = \sigma_k / \sum_j \sigma_j

    Between 1 and the rank. Features are not normalized. Singular values below float32's rounding of the largest entry count as zero.

    Args:
        features: float [N, D].
        centred: subtract the mean first, so that what all images share is no dimension; without it this is RankMe (Garrido et al.
            2023, equation 1) but for the 1e-7 that it adds to each p.

    Returns:
        The rank; 0 when nothing is left, as of constant features.

    Raises:
        ValueError: a wrong shape or type, or rows that are not finite.
    """
    features = _check(features)
    values = torch.linalg.svdvals(features - features.mean(0) if centred else features)
    # without this floor the rounding of constant features, noise in all directions, would have full rank
    values = values[values > features.abs().max() * len(features) ** 0.5 * torch.finfo(torch.float32).eps]
    share = values / values.sum()
    return (-(share * share.log()).sum()).exp().item() if len(values) else 0.0


def collapse(features: Tensor) -> pd.DataFrame:
    """Alarms of a collapsed encoder: features that say little, whatever a probe may still read from them.

    Measured on normalized features (a zero row stays zero):

    - ``constant``: mean over dimensions of the deviation over images, times sqrt(D), below ``MIN_SPREAD``: 1 for an isotropic Gaussian,
      0 for one point (Chen & He 2021, section 4.1).
    - ``dimensions``: effective rank of the centred features as a share of min(D, N - 1), the most it can be, below ``MIN_RANK_SHARE``
      (dimensional collapse: Jing et al. 2022).
    - ``alike``: mean cosine over all pairs of images above ``MAX_MEAN_COSINE``.

    Args:
        features: float [N, D]; several hundred different images, one of a caption. With few images the rank share says little.

    Returns:
        One row per alarm: ``alarm``, ``value``, ``bound``, ``raised``.

    Raises:
        ValueError: a wrong shape or type, or rows that are not finite.
    """
    z = F.normalize(_check(features), dim=1)
    n, d = z.shape
    spread = (z.std(0).mean() * d**0.5).item()
    share = effective_rank(z) / min(d, n - 1)
    cosine = ((z.sum(0).pow(2).sum() - z.pow(2).sum()) / (n * (n - 1))).item()
    rows = [
        ("constant", spread, MIN_SPREAD, spread < MIN_SPREAD),
        ("dimensions", share, MIN_RANK_SHARE, share < MIN_RANK_SHARE),
        ("alike", cosine, MAX_MEAN_COSINE, cosine > MAX_MEAN_COSINE),
    ]
    return pd.DataFrame(rows, columns=["alarm", "value", "bound", "raised"])


def describe(features: Tensor, captions: Sequence[str]) -> pd.DataFrame:
    """One row on the features of captioned images, before any label is used.

    Args:
        features: float [N, D].
        captions: [N].

    Returns:
        ``alignment`` of the images of a caption, ``uniformity`` over captions, mean cosine ``within`` and ``between`` captions,
        ``effective_rank``, ``dimensions`` and ``alarms`` (names of those that :func:`collapse` raises, or none). Alignment and ``within`` are
        NaN where no caption has two images, uniformity and ``between`` where there is only one caption.
    """
    ids = torch.from_numpy(pd.factorize(np.asarray(captions, object))[0].copy())
    first = torch.from_numpy(np.unique(ids.numpy(), return_index=True)[1])
    repeated, several = len(first) < len(ids), len(first) > 1
    row = dict.fromkeys(("alignment", "uniformity", "within", "between"), np.nan)
    if repeated:
        row["alignment"] = alignment(features, ids)
    if several:
        row["uniformity"] = uniformity(features[first])
    if repeated and several:
        row |= caption_similarity(features, ids).set_index("pairs")["mean"].to_dict()
    elif len(ids) > 1:  # all pairs are of one kind; positives at cosine c have the squared distance 2 - 2 c
        row["within" if repeated else "between"] = 1 - alignment(features, torch.zeros_like(ids)) / 2
    raised = collapse(features).query("raised")["alarm"]
    return pd.DataFrame([
        row | {"effective_rank": effective_rank(features), "dimensions": features.shape[1], "alarms": ", ".join(raised) or "none"}
    ])  # fmt: skip
