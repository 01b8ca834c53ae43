r"""How close a set of generated images is to a set of real ones: one distance, and what is plausible and what is missing.

Protocol, on features x_i of N real and y_j of N generated images, in double precision:

- **KID** (Binkowski et al. 2018): the unbiased estimate of MMD^2 with the kernel k(x, y) = (x \cdot y / D + 1)^3, its mean and its
  deviation over subsets drawn without replacement, by torch-fidelity. 0 for one distribution, and by chance below.
- **Precision and recall** (Kynkaanniemi et al. 2019, equations 1 and 2): the share of generated images that lie in a ball around some
  real image, and of real images in a ball around some generated one. A ball reaches to the k-th nearest other image of its own set.
- **Density and coverage** (Naeem et al. 2020, section 3): in how many real balls a generated image lies, divided by k, on average; and
  the share of real balls with a generated image in them. Two samples of one continuous distribution have an expected density of 1 and
  coverage of 1 - prod_{j < k} (N - 1 - j) / (2 N - 1 - j), near 1 - 2^-k. Precision and recall have no such value; they tend to be below 1.

A ball contains its surface, in all four. They, unlike KID, depend on N and k, and are biased between sets of unequal size: compare only
values of the same N, k, extractor and resizing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stablerep.encoders import extract_features
from stablerep.errors import InputError
from stablerep.seeding import generator_for, seed_for
from stablerep.statistics import bootstrap_mean, interval
from stablerep.torchvision_shim import ensure_torchvision_imports

DINOV2 = {f"dinov2-{size}": f"vit_{size}_patch14_dinov2.lvd142m" for size in ("small", "base", "large")}  # in timm
SIDES = {"inception": 299} | dict.fromkeys(
    DINOV2, 224
)  # pixels that a named extractor reads; 224 is a multiple of DINOv2's patch
BLOCK = 2**23  # distances in memory at once: 64 MB


def kid(
    real: Tensor, generated: Tensor, *, subset_size: int = 1000, subsets: int = 100, seed: int = 0
) -> dict[str, float]:
    """Kernel distance of two sets of features, as the module's protocol says.

    Args:
        real: float [N, D]. generated: float [M, D].
        subset_size: rows that a subset takes from either set, 2 to min(N, M); the expected value does not depend on it.

    Returns:
        ``mean`` and ``deviation`` (divided by the count) over subsets. With subsets as large as both sets there is only one, so that its
        deviation is 0 and says nothing.

    Raises:
        ValueError: wrong shapes or types, rows that are not finite, a subset that is larger than a set or below 2, or no subsets.
    """
    real, generated = _checked(real, generated)
    _check_counts(min(len(real), len(generated)), subset_size=subset_size, subsets=subsets)
    ensure_torchvision_imports()
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric

    kernel = {
        "kid_kernel": "poly",
        "kid_kernel_poly_degree": 3,
        "kid_kernel_poly_gamma": None,
        "kid_kernel_poly_coef0": 1.0,
    }
    drawn = {
        "kid_subsets": subsets,
        "kid_subset_size": subset_size,
        "rng_seed": seed_for(seed, "kernel distance") % 2**32,
    }
    found = kid_features_to_metric(real, generated, **kernel, **drawn, verbose=False)
    return {"mean": found[KEY_METRIC_KID_MEAN], "deviation": found[KEY_METRIC_KID_STD]}


def per_image(real: Tensor, generated: Tensor, *, k: int = 3, k_coverage: int = 5) -> dict[str, np.ndarray]:
    """What each image adds to ``precision`` [M], ``recall`` [N], ``density`` [M] and ``coverage`` [N], which are the means of these.

    Written here, not taken from torch-fidelity (which has the first two, and no values per image), so that all four see the same balls.

    Args:
        real: float [N, D]. generated: float [M, D].
        k: neighbours of precision and recall. k_coverage: of density and coverage.

    Raises:
        ValueError: wrong shapes or types, rows that are not finite, or a k that is not from 1 to the images of a set without one.
    """
    real, generated = _checked(real, generated)
    _check_counts(min(len(real), len(generated)), k=k, k_coverage=k_coverage)
    real, generated = real - real.mean(0), generated - real.mean(0)  # distances stay, and lose fewer digits
    small, large = _radii(real, (k, k_coverage))
    (own,) = _radii(generated, (k,))
    density, precise, recalled, covered = torch.zeros_like(generated[:, 0]), False, [], []
    for first, distances in _distances(real, generated):
        rows = slice(first, first + len(distances))
        precise = precise | (distances <= small[rows, None]).any(0)
        recalled.append((distances <= own).any(1))
        inside = distances <= large[rows, None]
        density += inside.sum(0)
        covered.append(inside.any(1))
    values = {
        "precision": precise,
        "recall": torch.cat(recalled),
        "density": density / k_coverage,
        "coverage": torch.cat(covered),
    }
    return {name: value.double().cpu().numpy() for name, value in values.items()}


def compare_sets(
    real: Tensor,
    generated: Tensor,
    *,
    k: int = 3,
    k_coverage: int = 5,
    subset_size: int = 1000,
    subsets: int = 100,
    seed: int = 0,
) -> pd.DataFrame:
    """KID, precision, recall, density and coverage of two sets of features, as the module's protocol says.

    The larger set is first cut to the size of the smaller, by a draw that ``seed`` names. Give one image of a caption where images of a
    caption are alike: intervals take the images to be independent.

    Args:
        real: float [N, D]. generated: float [M, D]. k, k_coverage: as in :func:`per_image`. subset_size, subsets: as in :func:`kid`.

    Returns:
        One row per ``metric``: ``value``; ``low`` and ``high``; ``interval``, what these two are; ``n_real`` and ``n_generated`` as given,
        ``n`` as used of either; ``k``; ``subset_size``, ``subsets``. For KID, low and high are a deviation over subsets from the mean (no
        standard error), NaN where subsets cannot differ. Else they hold 95 % of bootstrap draws of the generated images (precision,
        density) or real ones (recall, coverage), balls and the other set as they are. So they are too narrow for two new sets: between
        150 pairs of Gaussian sets of 200 or 500, values spread 1.1 to 1.8 times as much.

    Raises:
        ValueError: as in :func:`kid` and :func:`per_image`.
    """
    real, generated = _checked(real, generated)
    given = {"n_real": len(real), "n_generated": len(generated)}
    real, generated = _equal(real, generated, seed)
    found = kid(real, generated, subset_size=subset_size, subsets=subsets, seed=seed)
    half = found["deviation"] if subset_size < len(real) and subsets > 1 else np.nan
    drawn = {"subset_size": subset_size, "subsets": subsets, "interval": "one deviation over subsets"}
    rows = [
        {"metric": "kid", "value": found["mean"], "low": found["mean"] - half, "high": found["mean"] + half, "k": None}
        | drawn
    ]
    for name, values in per_image(real, generated, k=k, k_coverage=k_coverage).items():
        asked = "generated" if name in ("precision", "density") else "real"
        low, high = interval(bootstrap_mean(values, seed=seed))
        row = {
            "metric": name,
            "value": values.mean(),
            "low": low,
            "high": high,
            "interval": f"95 % bootstrap of {asked} images",
        }
        rows.append(row | {"k": k if name in ("precision", "recall") else k_coverage})
    counts = ["n_real", "n_generated", "n", "k", "subset_size", "subsets"]
    table = pd.DataFrame(rows).assign(**given, n=len(real))[["metric", "value", "low", "high", "interval", *counts]]
    return table.astype(dict.fromkeys(counts, "Int64"))


def compare_images(
    real: Tensor, generated: Tensor, extractor: nn.Module | str, *, size: int | None = None, name: str | None = None,
    k: int = 3, k_coverage: int = 5, subset_size: int = 1000, subsets: int = 100, seed: int = 0, batch_size: int = 64, device: str = "cpu",
) -> pd.DataFrame:  # fmt: skip
    """:func:`compare_sets` of images. Both sets pass the same resizing, which alone can move such measures (Parmar et al. 2022).

    Args:
        real: uint8 [N, 3, H, W]. generated: uint8 [M, 3, H', W'].
        extractor: a frozen backbone, as from :func:`stablerep.training.load_backbone`, or a name: see :func:`named_extractor`.
        size: side in pixels to which both are resized: bilinear with antialiasing, stretched to a square, rounded to 8 bits. None: the
            side that a named extractor reads; for a backbone, images as they are, which must be of one shape.
        name: of a backbone, for the table.

    Returns:
        The table of :func:`compare_sets` with the columns ``extractor`` and ``resize``.

    Raises:
        ValueError: wrong shapes or types, a size that the extractor does not read, and as in :func:`compare_sets`, :func:`named_extractor`.
    """
    for what, images in (("real", real), ("generated", generated)):
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8 or len(images) < 2:
            raise ValueError(
                f"{what} images have shape {tuple(images.shape)} and type {images.dtype}; need uint8 [N, 3, H, W], N > 1."
            )
    counts = {"k": k, "k_coverage": k_coverage, "subset_size": subset_size, "subsets": subsets}
    _check_counts(min(len(real), len(generated)), **counts)  # before the long part
    if isinstance(extractor, str):
        extract, name = named_extractor(extractor, device=device), extractor
        if size not in (None, SIDES[extractor]):
            raise ValueError(f"size is {size}; {extractor} reads images of {SIDES[extractor]} pixels a side.")
        size = SIDES[extractor]
    else:
        extract, name = partial(extract_features, extractor, device=device), name or type(extractor).__name__
    if (size is None and real.shape[1:] != generated.shape[1:]) or (size is not None and size < 1):
        raise ValueError(
            f"size is {size} for images of {tuple(real.shape)} and {tuple(generated.shape)}; give the side to bring both to."
        )
    # batch by batch, so that no resized set stands in memory
    features = [
        torch.cat([extract(_resized(b, size)) for b in images.split(batch_size)])
        for images in _equal(real, generated, seed)
    ]
    resize = "none" if size is None else f"to {size} x {size}, bilinear with antialiasing, rounded to 8 bits"
    table = compare_sets(*features, seed=seed, **counts)  # of equal n by now
    given = {column: table["n"] * 0 + len(images) for column, images in (("n_real", real), ("n_generated", generated))}
    return table.assign(**given, extractor=name, resize=resize)


def named_extractor(name: str, *, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """A published feature extractor: from one batch, uint8 [N, 3, side, side] with the side of ``SIDES``, to float32 [N, D].

    Args:
        name: ``inception``: the 2048 pooled features of the Inception network of 2015, as converted by torch-fidelity, with which
            published KID is computed; ``dinov2-small``, ``dinov2-base``, ``dinov2-large``: the class token of DINOv2 (Oquab et al. 2023)
            in timm, 384, 768 or 1024 features. Weights are downloaded once, and then read from the cache of torch or the Hub.

    Raises:
        InputError: another name, or weights that are neither in the cache nor can be downloaded. Nothing else takes their place.
    """
    if name not in SIDES:
        raise InputError(f"extractor is {name!r}; valid names are {', '.join(SIDES)}.")
    ensure_torchvision_imports()
    import timm
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        if name == "inception":
            network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], verbose=False)
        else:
            network = timm.create_model(DINOV2[name], pretrained=True, num_classes=0, img_size=SIDES[name])
    except Exception as error:  # urllib, the Hub and its HTTP client share no class of errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".")
        raise InputError(
            f"the weights of {name} are not in the cache and could not be loaded from the network: {reason}."
        ) from error
    network = network.to(device).requires_grad_(False)
    if name == "inception":  # it normalizes by itself
        return lambda images: network(images.to(device))[0].cpu()
    return partial(extract_features, network, device=device)


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


def _check_counts(n: int, **counts: int) -> None:
    """Refuse neighbours and subsets that a smaller set of ``n`` images does not have."""
    for name, value in counts.items():
        low, high = {"subset_size": (2, n), "subsets": (1, math.inf)}.get(name, (1, n - 1))
        if not low <= value <= high:
            raise ValueError(f"{name} is {value}; with {n} images in the smaller set it must be from {low} to {high}.")


def _equal(real: Tensor, generated: Tensor, seed: int) -> list[Tensor]:
    """Both with as many rows as the smaller; a set that is small enough is left as it is."""
    n, rng = min(len(real), len(generated)), generator_for(seed, "equal sets")
    return [
        rows if len(rows) == n else rows[torch.randperm(len(rows), generator=rng)[:n].sort().values]
        for rows in (real, generated)
    ]


def _resized(images: Tensor, size: int | None) -> Tensor:
    if size is None or images.shape[2:] == (size, size):
        return images
    return (
        F.interpolate(images.float(), size=(size, size), mode="bilinear", antialias=True)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
    )


def _distances(x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Euclidean distances in blocks of rows: first row, [rows, M]."""
    rows = max(1, BLOCK // len(y))
    for first in range(0, len(x), rows):
        yield first, torch.cdist(x[first : first + rows], y, compute_mode="use_mm_for_euclid_dist")


def _radii(x: Tensor, ks: tuple[int, ...]) -> list[Tensor]:
    """For each k, the distance from every row to its k-th nearest other row, [N].

    A little is added, about what float32 features resolve, so that no rounding decides whether a point on the surface, such as a copy of
    the neighbour that gave the radius, is inside.
    """
    most = max(ks) + 1  # each row is its own nearest
    nearest = torch.cat([block.topk(most, largest=False).values for _, block in _distances(x, x)])
    return [nearest[:, k] + 1e-6 * (x.norm(dim=1) + nearest[:, k]) for k in ks]
