r"""How close a set of generated images is to a set of real ones: one distance, and what is plausible and what is missing.

Protocol, on features x_i of N real and y_j of M generated images, in double precision. Images belong to *units*, such as concepts, which are
independent of each other while images of one unit are not. Published measures are those of units of one image each; here, two images of one
unit are never compared:

- **KID** (Binkowski et al. 2018): the unbiased estimate of MMD^2 with the kernel k(x, y) = (x \cdot y / D + 1)^3, over pairs of different
  units. 0 for two draws of units from one population on average, and by chance below. With pairs within units it would be above.
- **Precision and recall** (Kynkaanniemi et al. 2019, equations 1 and 2): the share of generated images that lie in a ball around some
  real image, and of real images in a ball around some generated one. A ball reaches to the k-th nearest image of its set's other units.
- **Density and coverage** (Naeem et al. 2020, section 3): in how many real balls a generated image lies, divided by k, on average; and
  the share of real balls with a generated image in them. With units of one image, two samples of one continuous distribution have an expected
  density of 1 and coverage of 1 - prod_{j < k} (N - 1 - j) / (N + M - 1 - j), near 1 - 2^-k for N = M.

A ball contains its surface. Precision, recall, density and coverage, unlike KID, depend on N, M and k: compare only values of the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stablerep.seeding import seed_for
from stablerep.statistics import bootstrap_mean, interval

METRICS = ("kid", "precision", "recall", "density", "coverage")
DRAWS = 1000  # of units, for intervals


def kid(
    real: Tensor,
    generated: Tensor,
    of_real: Sequence | None = None,
    of_generated: Sequence | None = None,
    *,
    seed: int = 0,
) -> dict:
    """Kernel distance of two sets of features, as the module's protocol says.

    Args:
        real: float [N, D]. generated: float [M, D].
        of_real: [N], the unit of each row; None makes each row its own. of_generated: [M].

    Returns:
        ``value``, and ``low`` and ``high``: 95 % bootstrap of units in both sets, pairs of a unit with itself left out.

    Raises:
        ValueError: wrong shapes or types, rows that are not finite, or a set with fewer than two units.
    """  # fmt: skip
    real, generated = _checked(real, generated)
    first, second = _numbers(of_real, len(real)), _numbers(of_generated, len(generated))
    n, m = np.bincount(first), np.bincount(second)
    rng = np.random.default_rng(seed_for(seed, "kernel distance"))
    # how often each unit is drawn: once in the sets themselves, then as the bootstrap has it
    x, y = (np.vstack([np.ones(c), rng.multinomial(c, np.full(c, 1 / c), DRAWS)]) for c in (len(n), len(m)))
    found = _within(_kernel_sums(real, real, first, first), n, x)
    found += _within(_kernel_sums(generated, generated, second, second), m, y)
    between = _kernel_sums(real, generated, first, second)
    found -= 2 * ((x @ between) * y).sum(1) / ((x @ n) * (y @ m))
    low, high = interval(found[1:][np.isfinite(found[1:])])
    return {"value": float(found[0]), "low": low, "high": high}


def _kernel_sums(x: Tensor, y: Tensor, of_x: np.ndarray, of_y: np.ndarray) -> np.ndarray:
    """The kernel, added up over the rows of each pair of units."""
    kernel = (x @ y.T).div(x.shape[1]).add(1).pow(3)
    rows = kernel.new_zeros(of_x.max() + 1, len(y)).index_add_(0, torch.from_numpy(of_x), kernel)
    return rows.new_zeros(len(rows), of_y.max() + 1).index_add_(1, torch.from_numpy(of_y), rows).numpy()


def _within(total: np.ndarray, sizes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of the kernel over pairs of different units, for each row of weights [draws, units]."""
    total, pairs = total.copy(), np.outer(sizes, sizes).astype(float)
    np.fill_diagonal(total, 0)
    np.fill_diagonal(pairs, 0)
    with np.errstate(invalid="ignore"):  # of a draw of one unit alone
        return ((weights @ total) * weights).sum(1) / ((weights @ pairs) * weights).sum(1)


def per_image(
    real: Tensor, generated: Tensor, of_real: Sequence | None = None, of_generated: Sequence | None = None, *, k: int = 3, k_coverage: int = 5,
) -> dict[str, np.ndarray]:  # fmt: skip
    """What each image adds to ``precision`` [M], ``recall`` [N], ``density`` [M] and ``coverage`` [N], which are the means of these.

    Args:
        real, generated, of_real, of_generated: as of :func:`kid`.
        k: neighbours of precision and recall. k_coverage: of density and coverage.

    Raises:
        ValueError: wrong shapes or types, rows that are not finite, or a k that is not from 1 to :func:`most_neighbours`.
    """
    real, generated = _checked(real, generated)
    of_real, of_generated = _numbers(of_real, len(real)), _numbers(of_generated, len(generated))
    most = min(most_neighbours(of_real), most_neighbours(of_generated))
    for name, value in (("k", k), ("k_coverage", k_coverage)):
        if not 1 <= value <= most:
            raise ValueError(f"{name} is {value}; some image has {most} images of other units in its set: 1 to {most}.")
    real, generated = real - real.mean(0), generated - real.mean(0)  # distances stay, and lose fewer digits
    small, large = _radii(real, of_real, (k, k_coverage))
    (own,) = _radii(generated, of_generated, (k,))
    distances = torch.cdist(real, generated, compute_mode="use_mm_for_euclid_dist")
    inside = distances <= large[:, None]
    values = {
        "precision": (distances <= small[:, None]).any(0),
        "recall": (distances <= own).any(1),
        "density": inside.sum(0).double() / k_coverage,
        "coverage": inside.any(1),
    }
    return {name: value.double().numpy() for name, value in values.items()}


def most_neighbours(units: Sequence) -> int:
    """Of how many images of other units every image of a set can be told the distance."""
    return len(units) - int(np.bincount(pd.factorize(np.asarray(units))[0]).max())


def compare_sets(
    real: Tensor, generated: Tensor, of_real: Sequence | None = None, of_generated: Sequence | None = None, *, k: int = 3, k_coverage: int = 5,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """KID, precision, recall, density and coverage of two sets of features, as the module's protocol says.

    Args:
        real, generated, of_real, of_generated, k, k_coverage: as of :func:`kid` and :func:`per_image`.

    Returns:
        One row per ``metric``: ``value``; ``low`` and ``high``; ``resampled``, the units of which set these two are 95 % bootstrap draws of;
        ``n_real``, ``n_generated``; ``k``. Balls and the other set stay as they are: intervals of precision, recall, density and coverage are
        too narrow for two new sets.

    Raises:
        ValueError: as in :func:`kid` and :func:`per_image`.
    """
    rows = [{"metric": "kid", "resampled": "both", **kid(real, generated, of_real, of_generated, seed=seed)}]
    for name, values in per_image(real, generated, of_real, of_generated, k=k, k_coverage=k_coverage).items():
        asked = "generated" if name in ("precision", "density") else "real"
        low, high = interval(
            bootstrap_mean(values, of_generated if asked == "generated" else of_real, draws=DRAWS, seed=seed)
        )
        row = {"metric": name, "value": values.mean(), "low": low, "high": high, "resampled": asked}
        rows.append(row | {"k": k if name in ("precision", "recall") else k_coverage})
    return pd.DataFrame(rows).assign(n_real=len(real), n_generated=len(generated)).astype({"k": "Int64"})


def _checked(real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets in double precision, or a ValueError."""
    for name, features in (("real", real), ("generated", generated)):
        if features.ndim != 2 or not features.is_floating_point() or len(features) < 2 or not features.shape[1]:
            raise ValueError(
                f"{name} features have shape {tuple(features.shape)} and type {features.dtype}; need float [N, D], N > 1."
            )
        if not features.isfinite().all():
            raise ValueError(
                f"{name} features of row {int((~features.isfinite()).any(1).nonzero()[0])} are not all finite numbers."
            )
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            f"features have {real.shape[1]} and {generated.shape[1]} dimensions; one extractor must give both sets."
        )
    return real.detach().double(), generated.detach().double()


def _numbers(units: Sequence | None, count: int) -> np.ndarray:
    """Numbers from 0 of the units of ``count`` rows, [count]."""
    numbers = np.arange(count) if units is None else pd.factorize(np.asarray(units))[0]
    if len(numbers) != count or numbers.max() == 0:
        raise ValueError(
            f"{count} images have {len(numbers)} names of {numbers.max() + 1} units; each needs one, and a set two units."
        )
    return numbers


def _radii(x: Tensor, units: np.ndarray, ks: tuple[int, ...]) -> list[Tensor]:
    """For each k, the distance from every row to the k-th nearest row of other units, [N].

    A little is added, about what float32 features resolve, so that no rounding decides whether a point on the surface, such as a copy of
    the neighbour that gave the radius, is inside.
    """
    numbers = torch.from_numpy(units)
    distances = torch.cdist(x, x, compute_mode="use_mm_for_euclid_dist").masked_fill(
        numbers[:, None] == numbers, torch.inf
    )
    nearest = distances.topk(max(ks), largest=False).values
    return [nearest[:, k - 1] + 1e-6 * (x.norm(dim=1) + nearest[:, k - 1]) for k in ks]
