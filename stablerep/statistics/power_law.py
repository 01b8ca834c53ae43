"""How the error falls with size: a power law, held to account by the largest size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from stablerep.errors import InputError
from stablerep.statistics.resampling import interval

# Published exponents lie well within (Hestness et al. 2017 find 0.07 to 0.35 for errors of networks, theory has 0.5 to 1). A law with a
# lower one is a straight line over log N for any sizes in reach; with a higher one it has fallen before the second size.
EXPONENTS = (1e-3, 10.0)
POINTS = 50  # of a line


class NoPowerLawError(InputError):
    """Errors of too few sizes for a power law, or that do not fall."""


@dataclass(frozen=True)
class PowerLaw:
    """error = a * N^-b + c, fitted to all sizes but the largest.

    Attributes:
        a, b, c: a and b are positive, c is not negative.
        held_out: the largest size, which the fit has not seen.
        predicted, observed: its error by the law, and as measured.
        low, high: where its measured error was to be expected: the band there, widened by the spread of the measured error itself. NaN
            without a band.
        level: of the band.
        draws: float64 [draws, 3], a, b and c of each refit; empty when there is one value per size, which has no band. A refit whose
            errors do not fall is flat: a = 0.
    """

    a: float
    b: float
    c: float
    held_out: float
    predicted: float
    observed: float
    low: float
    high: float
    level: float
    draws: np.ndarray = field(repr=False, compare=False)

    @property
    def inside(self) -> bool | None:
        """Whether the largest size is where the others say; None without a band."""
        return None if np.isnan(self.low) else bool(self.low <= self.observed <= self.high)

    def band(self, sizes: Sequence[float]) -> pd.DataFrame:
        """The law and its band: ``size``, ``error``, ``low``, ``high`` (NaN without a band). It is a band for the law, not for new values.

        Raises:
            ValueError: no sizes, or one that is not a positive number.
        """
        sizes = np.asarray(sizes, float)
        if sizes.ndim != 1 or not len(sizes) or not (np.isfinite(sizes) & (sizes > 0)).all():
            raise ValueError(f"sizes are {sizes.tolist()}; a list of positive numbers is needed.")
        bounds = np.full((2, len(sizes)), np.nan)
        if len(self.draws):
            bounds = np.quantile(_errors(self.draws, sizes), [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        law = _errors(np.array([[self.a, self.b, self.c]]), sizes)[0]
        return pd.DataFrame({"size": sizes, "error": law, "low": bounds[0], "high": bounds[1]})


def fit_power_law(
    errors: Mapping[float, Sequence[float]],
    *,
    drawn: bool = False,
    level: float = 0.95,
    draws: int = 500,
    seed: int = 0,
) -> PowerLaw:
    """Fit error = a * N^-b + c by least squares to the mean error of all sizes but the largest (a fall to a floor: Rosenfeld et al. 2020).

    Residuals are those of the error, not of its logarithm: the standard error of a share of wrong answers changes little with size, and
    a share of zero has no logarithm. For a given b the best a and c follow in closed form, so that the fit is a search over b alone,
    which finds the least of all minima and lets c be exactly 0. Four sizes leave three to fit, which the law then passes through unless
    a bound stops it; a band over so few is wide. In 600 simulated studies of five sizes and a sixth held out, 95 % bands from three or
    eight seeds held the law in 92 to 94 %, and in 88 to 93 % where its floor c was 0, the bound.

    Args:
        errors: size -> errors, as shares of 1 or of 100. Values of seeds, as many as there are: each refit adds to the mean of a size as
            many deviations of seeds from the means of their sizes, drawn from those of all sizes, since two or three seeds of one size
            say little of their spread. Or, with ``drawn``, draws of the mean error as from
            :func:`stablerep.statistics.bootstrap_mean`, the same number for each size, of which the k-th were made together (over the same
            concepts with the same seed): each refit takes the k-th of all sizes, and ``draws`` and ``seed`` are not used.
        level: of the band.

    Returns:
        The law, what it says of the largest size, and its band.

    Raises:
        NoPowerLawError: fewer than four sizes, or errors that do not fall with size.
        ValueError: sizes that are not positive, errors that are missing, negative or not finite, or unequal numbers of draws.
    """
    if len(errors) < 4:
        raise NoPowerLawError(
            f"there are {len(errors)} sizes; a power law needs at least 4, three to fit and the largest to test it."
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1.")
    sizes, values = np.array(sorted(errors), float), [np.asarray(errors[size], float) for size in sorted(errors)]
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"sizes are {sizes.tolist()}; they must be positive numbers.")
    for size, some in zip(sizes, values):
        if some.ndim != 1 or not len(some) or not (np.isfinite(some) & (some >= 0)).all():
            raise ValueError(
                f"errors of size {size:g} are {some.tolist()}; a list of finite numbers that are not negative is needed."
            )
    means = np.array([some.mean() for some in values])
    law = _fit(sizes[:-1], means[None, :-1])
    ends = _errors(law, sizes[[0, -2]])[0]
    if not ends[0] - ends[1] > 1e-9 * ends[0]:  # more than rounding
        listed = ", ".join(f"{mean:.3g}" for mean in means[:-1])
        raise NoPowerLawError(
            f"errors of sizes up to {sizes[-2]:g} are {listed}; they do not fall with size as a power law does."
        )
    resampled = _resampled(values, drawn, draws, seed)
    refits = _fit(sizes[:-1], resampled[:, :-1])
    low = high = np.nan
    if len(refits):
        # the refits miss resampled values of the largest size by as much as the law may miss the measured one
        low, high = interval(_errors(refits, sizes[-1:])[:, 0] - resampled[:, -1] + means[-1], level)
    predicted = _errors(law, sizes[-1:])[0, 0]
    return PowerLaw(*law[0].tolist(), *map(float, (sizes[-1], predicted, means[-1], low, high)), level, refits)


def power_laws(errors: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A power law for each group of rows, by :func:`fit_power_law`.

    Args:
        errors: a row per group, size and seed: the columns ``by``, ``size``, ``error`` (a share of 1).

    Returns:
        The laws, a row per group: ``by``; ``a``, ``b``, ``c``; ``size``, the largest one, its error as ``predicted`` from the others and as
        ``observed``, and ``low`` and ``high``, where it was to be expected; ``why`` there is no law, or an empty text. And their lines:
        ``by``, ``size``, ``error``, ``low``, ``high`` at sizes from the smallest to the largest, for groups that have a law.
    """
    laws, lines = [], []
    for names, part in errors.groupby(list(by), sort=False):
        about = dict(zip(by, names))
        sizes = part["size"].unique()
        try:
            law = fit_power_law({size: part.loc[part["size"] == size, "error"].tolist() for size in sizes})
        except NoPowerLawError as error:
            laws.append(about | {"why": str(error)})
            continue
        known = {"predicted": law.predicted, "observed": law.observed, "low": law.low, "high": law.high}
        laws.append(about | {"a": law.a, "b": law.b, "c": law.c, "size": law.held_out, "why": ""} | known)
        lines.append(law.band(np.geomspace(sizes.min(), sizes.max(), POINTS)).assign(**about))
    columns = [*by, "size", "error", "low", "high"]
    numbers = ["a", "b", "c", "size", "predicted", "observed", "low", "high"]
    found = pd.DataFrame(laws).reindex(columns=[*by, *numbers, "why"]).astype(dict.fromkeys(numbers, float))
    return found, pd.concat(lines, ignore_index=True)[columns] if lines else pd.DataFrame(columns=columns, dtype=float)


def power_law_sentences(laws: pd.DataFrame, by: Sequence[str], unit: str) -> str:
    """Markdown: a point for each law, and one for those groups that have none for one reason.

    Args:
        laws: of :func:`power_laws`, of groups ``by``. unit: what sizes count, such as captions.
    """
    points, lacking = [], {}
    for law, names in zip(laws.itertuples(), laws[list(by)].itertuples(index=False)):
        if law.why:
            lacking.setdefault(law.why, []).append(", ".join(names))
            continue
        band, place = " (one seed has no interval)", ""
        if not np.isnan(law.low):
            band = f" [{100 * law.low:.1f}, {100 * law.high:.1f}]"
            place = ", inside" if law.low <= law.observed <= law.high else ", **outside**"
        above = law.c >= 5e-4
        floor, bound = (f"{law.c:.3g} + ", "") if above else ("", " (with c at its bound, 0)")
        points.append(
            f"- **{', '.join(names)}**: the law of the smaller sizes, error = ${floor}{law.a:.3g}\\, N^{{-{law.b:.2g}}}${bound}, predicts an error of "
            f"{100 * law.predicted:.1f} %{band} at {law.size:,.0f} {unit}; measured was {100 * law.observed:.1f} %{place}."
        )
    for why, groups in lacking.items():
        points.append(f"- No power law for {'any arm' if len(groups) == len(laws) else '; '.join(groups)}: {why}")
    return "\n".join(points)


def _resampled(values: list[np.ndarray], drawn: bool, draws: int, seed: int) -> np.ndarray:
    """Mean errors as they might have been, draws x sizes; no rows where every size has one value.

    A mean of S deviations varies by (S - 1) / S too little; each is scaled up for it, so that sizes with other numbers of seeds can share.
    """
    counts = [len(some) for some in values]
    if drawn:
        if len(set(counts)) > 1:
            raise ValueError(
                f"sizes have {min(counts)} to {max(counts)} draws; each needs the same number, made together."
            )
        return np.stack(values, axis=1)
    deviations = [(some - some.mean()) * np.sqrt(len(some) / (len(some) - 1)) for some in values if len(some) > 1]
    if not deviations:
        return np.empty((0, len(values)))
    pool, rng = np.concatenate(deviations), np.random.default_rng(seed)
    means = [some.mean() + pool[rng.integers(len(pool), size=(draws, len(some)))].mean(1) for some in values]
    return np.stack(means, axis=1).clip(0)


def _errors(laws: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Errors of laws [K, 3] (a, b, c) at sizes [S], K x S."""
    a, b, c = laws.T[:, :, None]  # each K x 1
    return a * sizes**-b + c


def _fit(sizes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Least-squares a, b, c of each row of errors, K x sizes, as K x 3: a grid over log b, narrowed around its best point."""
    if not len(errors):
        return np.empty((0, 3))
    unit, k = np.exp(np.log(sizes).mean()), np.arange(len(errors))  # powers of sizes / unit stay near 1
    bounds = np.log(EXPONENTS)
    logs, step = np.linspace(*bounds, 121)[None], np.diff(bounds)[0] / 120  # K or 1 x grid
    while True:
        a, c, cost = _given_exponents(sizes / unit, errors, np.exp(logs))
        best = cost.argmin(1)
        centre = np.broadcast_to(logs, cost.shape)[k, best]
        if step < 1e-9:
            return np.stack([a[k, best] * unit ** np.exp(centre), np.exp(centre), c[k, best]], axis=1)
        logs = np.clip(centre[:, None] + np.linspace(-step, step, 21), *bounds)
        step /= 10


def _given_exponents(sizes: np.ndarray, errors: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best a and c, none of them negative, and their sum of squares, for exponents b [K, grid]; each K x grid."""
    x, y = sizes ** -b[:, :, None], errors[:, None, :]  # K x grid x sizes
    x_mean, y_mean = x.mean(-1), y.mean(-1)
    dx = x - x_mean[:, :, None]
    a = (dx * y).sum(-1) / (dx * dx).sum(-1)
    c = y_mean - a * x_mean
    # the square is convex, so where one of them would be negative the best is at its 0; never both, as errors are not negative
    a = np.where(c < 0, (x * y).sum(-1) / (x * x).sum(-1), np.maximum(a, 0))
    c = np.where(c < 0, 0.0, y_mean - a * x_mean)
    cost = np.square(a[:, :, None] * x + c[:, :, None] - y).sum(-1)
    return a, c, cost
