"""Power laws: recovered where they are known, equal to another optimizer's, and honest about the largest size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from stablerep.statistics import fit_power_law, power_law_sentences, power_laws
from stablerep.statistics.power_law import EXPONENTS, NoPowerLawError, _fit, _resampled

SIZES = np.array([100, 200, 400, 800, 1600, 3200])


def errors(a, b, c, sizes=SIZES):
    return a * np.asarray(sizes, float) ** -b + c


def seeds_of(rng, *, seeds=6, deviation=0.01, law=(2.0, 0.4, 0.1), sizes=SIZES):
    """Errors of some seeds at each size."""
    return {int(n): e + rng.normal(0, deviation, seeds) for n, e in zip(sizes, errors(*law, sizes))}


@given(st.floats(0.05, 2), st.floats(0.01, 0.5), st.floats(0, 0.5), st.integers(4, 8))
def test_exact_laws_are_recovered(b, fall, c, count):
    sizes = 50 * 2 ** np.arange(count)
    a = fall * 50**b  # so that the error falls from fall + c
    found = fit_power_law({n: [e] for n, e in zip(sizes.tolist(), errors(a, b, c, sizes))})
    assert (found.a, found.b, found.c) == pytest.approx((a, b, c), rel=1e-3, abs=1e-4)
    assert found.predicted == pytest.approx(found.observed, abs=1e-7) and found.held_out == sizes[-1]
    np.testing.assert_allclose(found.band(sizes)["error"], errors(a, b, c, sizes), atol=1e-7)


def slow_cost(sizes, y):
    """Least squares in the logarithms of a, b and c from many starts; c = exp(...) never reaches 0, so c = 0 is fitted apart."""
    scaled, best = sizes / np.exp(np.log(sizes).mean()), np.inf
    for with_floor in (True, False):

        def residuals(t, floor=with_floor):
            return np.exp(t[0]) * scaled ** -np.exp(t[1]) + (np.exp(t[2]) if floor else 0) - y

        for b in (0.03, 0.3, 3):
            for share in (0.1, 0.9) if with_floor else (0,):
                c = share * y.min() + 1e-9
                start = np.log([max(y.mean() - c, 1e-3), b, c])[: 3 if with_floor else 2]
                limits = ([-20, np.log(EXPONENTS[0]), -25][: len(start)], [5, np.log(EXPONENTS[1]), 5][: len(start)])
                best = min(
                    best, 2 * least_squares(residuals, start, bounds=limits, xtol=1e-12, ftol=1e-12, gtol=1e-12).cost
                )
    return best


@pytest.mark.parametrize("deviation", [0.003, 0.03])
@pytest.mark.parametrize("law", [(2.0, 0.4, 0.1), (1.0, 0.15, 0.0), (30.0, 1.2, 0.3)])
def test_the_fit_is_as_good_as_least_squares_in_log_parameters(law, deviation):
    rng = np.random.default_rng(0)
    for _ in range(3):
        y = errors(*law) + rng.normal(0, deviation, len(SIZES))
        ((a, b, c),) = _fit(SIZES, y[None])
        cost, slow = np.square(errors(a, b, c) - y).sum(), slow_cost(SIZES, y)
        assert cost <= slow + 1e-9 and cost == pytest.approx(slow, rel=0.02, abs=1e-8)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(0.1, 1000))
def test_units_of_error_and_size_do_not_matter(chance, unit, length):
    """Shares or percent, captions or thousands of them: the same law."""
    rows = seeds_of(np.random.default_rng(chance), seeds=1, deviation=0.002)
    one = fit_power_law(rows)
    other = fit_power_law({length * n: unit * e for n, e in rows.items()})
    assert (other.b, other.predicted) == pytest.approx((one.b, unit * one.predicted), rel=1e-4)
    assert (other.c, other.a) == pytest.approx((unit * one.c, unit * one.a * length**one.b), rel=1e-3, abs=1e-4 * unit)


@given(st.integers(0, 2**32 - 1))
def test_a_law_is_a_law(chance):
    """Whatever the noise: a and b positive, c not negative, errors that fall, a band in order."""
    rng = np.random.default_rng(chance)
    rows = {int(n): np.abs(rng.normal(e, 0.05, 2)) for n, e in zip(SIZES, errors(2, 0.4, 0.0))}
    try:
        found = fit_power_law(rows, draws=50)
    except ValueError as refused:
        assert "do not fall" in str(refused)
        return
    assert found.a > 0 and EXPONENTS[0] <= found.b <= EXPONENTS[1] * (1 + 1e-9) and found.c >= 0
    assert (found.draws[:, 0] >= 0).all() and (found.draws[:, 2] >= 0).all() and found.draws.shape == (50, 3)
    band = found.band(SIZES)
    assert band["error"].is_monotonic_decreasing and (band["low"] <= band["high"]).all() and (band["low"] >= 0).all()


def test_the_largest_size_is_not_seen():
    rows = seeds_of(np.random.default_rng(0))
    other = rows | {3200: rows[3200] + 0.3}
    one, off = fit_power_law(rows), fit_power_law(other)
    assert (one.a, one.b, one.c, one.predicted) == (off.a, off.b, off.c, off.predicted)
    assert off.observed == pytest.approx(one.observed + 0.3)
    assert one.inside is True and off.inside is False  # 0.3 is thirty deviations of a seed


def coverage(*, seeds, law=(2.0, 0.4, 0.1), drawn=False, repetitions=200):
    """Shares of studies whose band holds the law inside, between and beyond the sizes, and whose held-out size is where expected."""
    rng, at, hits = np.random.default_rng(0), np.array([100, 1000, 3200]), np.zeros(4)
    for k in range(repetitions):
        if drawn:  # one error common to all sizes, as from the same test concepts, and one of each
            common, own = 0.01 * rng.normal(), 0.005 * rng.normal(size=len(SIZES))
            draws = (
                errors(*law)
                + common
                + own
                + 0.01 * rng.normal(size=(150, 1))
                + 0.005 * rng.normal(size=(150, len(SIZES)))
            )
            rows = dict(zip(SIZES.tolist(), draws.T))
        else:
            rows = seeds_of(rng, seeds=seeds, law=law)
        found = fit_power_law(rows, drawn=drawn, draws=150, seed=k)
        band = found.band(at)
        hits += [*((band["low"] <= errors(*law, at)) & (errors(*law, at) <= band["high"])), found.inside]
    return hits / repetitions


@pytest.mark.parametrize("seeds", [3, 8])
def test_bands_from_seeds_hold_the_law_and_the_largest_size(seeds):
    found = coverage(seeds=seeds)
    assert (found >= 0.89).all() and (found <= 0.99).all()


def test_bands_from_draws_hold_the_law_and_the_largest_size():
    found = coverage(seeds=0, drawn=True)
    assert (found >= 0.89).all() and (found <= 1).all()


def test_a_bend_that_is_no_power_law_is_found_out():
    """An error that stops falling between the last two sizes."""
    rng, outside = np.random.default_rng(2), 0
    for k in range(20):
        rows = seeds_of(rng, law=(2.0, 0.3, 0.0))
        rows[3200] = rows[1600] + 0.05
        outside += not fit_power_law(rows, draws=100, seed=k).inside
    assert outside >= 18


def test_draws_of_one_resample_stay_together():
    """Errors that rise and fall together move the law as a whole: no draw changes b, and the prediction moves with the measured error."""
    shift = np.random.default_rng(3).uniform(0.0, 0.1, 80)
    rows = {int(n): e + shift for n, e in zip(SIZES, errors(2, 0.4, 0.1))}
    found = fit_power_law(rows, drawn=True)
    np.testing.assert_allclose(found.draws[:, 1], 0.4, atol=1e-4)
    np.testing.assert_allclose(found.draws[:, 2], 0.1 + shift, atol=1e-4)
    assert (found.low, found.high) == pytest.approx((found.observed, found.observed), abs=1e-5)
    low, high = found.band([3200])[["low", "high"]].iloc[0]
    assert high - low == pytest.approx(np.subtract(*np.quantile(shift, [0.975, 0.025])), abs=1e-4)
    apart = {n: e if n % 400 else e[::-1] for n, e in rows.items()}
    assert np.ptp(fit_power_law(apart, drawn=True).draws[:, 1]) > 0.05


def test_seeds_share_their_spread_and_a_size_may_have_one():
    """Deviations are pooled and scaled: a mean of S seeds spreads by sigma^2 / S, whichever S it has."""
    rng = np.random.default_rng(4)
    values = [0.5 + 0.02 * rng.normal(size=s) for s in (400, 1, 400, 4)]
    found = _resampled(values, False, 4000, 0)
    assert found.shape == (4000, 4)
    np.testing.assert_allclose(found.mean(0), [v.mean() for v in values], atol=0.002)
    np.testing.assert_allclose(found.std(0), 0.02 / np.sqrt([400, 1, 400, 4]), rtol=0.08)
    pairs = [np.array([0.49, 0.51])] * 4  # the deviation of two seeds a gap d apart is d / sqrt(2), of their mean d / 2
    np.testing.assert_allclose(_resampled(pairs, False, 4000, 0).std(0), 0.01, rtol=0.05)


def test_refits_of_rising_errors_are_flat():
    rising = errors(2, 0.4, 0.1)[::-1]
    np.testing.assert_allclose(
        _fit(SIZES, np.stack([rising, errors(2, 0.4, 0.1)]))[:, [0, 2]], [[0, rising.mean()], [2, 0.1]], atol=1e-6
    )


def test_resampled_errors_are_not_negative():
    values = [np.array([0.3, 0.5])] + [np.array([0.0, 0.01])] * 3
    found = _resampled(values, False, 400, 0)
    assert (found >= 0).all() and (found == 0).any(0)[1:].all() and found[:, 0].min() > 0


def test_one_value_per_size_has_no_band():
    found = fit_power_law({int(n): [e] for n, e in zip(SIZES, errors(2, 0.4, 0.1))})
    band = found.band([100, 200])
    assert np.isnan([found.low, found.high]).all() and found.inside is None and found.draws.shape == (0, 3)
    assert band[["low", "high"]].isna().all().all() and band["error"].notna().all()


def test_bands_are_repeatable_and_nested():
    rows = seeds_of(np.random.default_rng(5))
    one, other = fit_power_law(rows, seed=1), fit_power_law(dict(reversed(rows.items())), seed=1)
    np.testing.assert_array_equal(one.draws, other.draws)
    assert one == other and not np.array_equal(one.draws, fit_power_law(rows, seed=2).draws)
    narrow, wide = fit_power_law(rows, seed=1, level=0.5).band(SIZES), one.band(SIZES)
    assert (wide["low"] < narrow["low"]).all() and (narrow["high"] < wide["high"]).all()
    assert wide.columns.tolist() == ["size", "error", "low", "high"] and wide["size"].tolist() == SIZES.tolist()


def test_the_exponent_stays_in_its_range():
    steep = fit_power_law({1: [0.9], 2: [0.3], 4: [0.3], 8: [0.3]})  # fallen before the second size
    assert steep.b == pytest.approx(EXPONENTS[1]) and steep.predicted == pytest.approx(0.3, abs=1e-3)
    line = fit_power_law(
        {int(n): [1 - 0.05 * np.log2(n)] for n in SIZES}
    )  # straight over log N: a power law bends more, unless c < 0
    assert line.c == 0 and 0.05 < line.b < 0.5


GOOD = {int(n): [e, e + 0.01] for n, e in zip(SIZES, errors(2, 0.4, 0.1))}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fit_power_law(dict(list(GOOD.items())[:3])), "there are 3 sizes; a power law needs at least 4"),
        (lambda: fit_power_law({0: [0.9]} | GOOD), "must be positive numbers"),
        (lambda: fit_power_law(GOOD | {400: []}), r"errors of size 400 are \[\]"),
        (lambda: fit_power_law(GOOD | {400: [0.1, -0.1]}), "not negative"),
        (lambda: fit_power_law(GOOD | {400: [np.nan]}), "finite"),
        (lambda: fit_power_law(GOOD | {400: [0.1]}, drawn=True), "1 to 2 draws"),
        (lambda: fit_power_law({n: [0.5] for n in GOOD}), "do not fall"),
        (lambda: fit_power_law({n: [0.1] for n in GOOD}), "do not fall"),
        (lambda: fit_power_law({n: [n / 1e4] for n in GOOD}), "do not fall"),
        (lambda: fit_power_law(GOOD, level=95), "level is 95"),
        (lambda: fit_power_law(GOOD).band([]), "sizes are"),
        (lambda: fit_power_law(GOOD).band([10, 0]), "positive numbers"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_errors_without_a_law_are_told_from_bad_input():
    with pytest.raises(NoPowerLawError, match=r"errors of sizes up to 400 are 0\.5, 0\.512, 0\.6; they do not fall"):
        fit_power_law({100: [0.5], 200: [0.5123], 400: [0.6], 800: [0.1]})
    with pytest.raises(ValueError, match="finite") as refused:
        fit_power_law(GOOD | {400: [np.nan]})
    assert not isinstance(refused.value, NoPowerLawError)


# Several groups


def table_of(groups: dict[tuple[str, str], dict[int, list[float]]]) -> pd.DataFrame:
    return pd.DataFrame([
        {"panel": panel, "arm": arm, "seed": k, "size": size, "error": error}
        for (panel, arm), rows in groups.items() for size, some in rows.items() for k, error in enumerate(some)
    ])  # fmt: skip


RISING, FEW = {n: [n / 1e4] for n in GOOD}, {100: [0.5], 200: [0.4]}


def test_each_group_has_its_law_and_line_or_the_reason_for_none():
    other = {n: [e + 0.2 for e in some] for n, some in GOOD.items()}
    groups = {("y", "b"): GOOD, ("x", "b"): RISING, ("x", "a"): other}
    laws, lines = power_laws(table_of(groups).sample(frac=1, random_state=0).sort_values("seed"), ["panel", "arm"])
    found = laws.set_index(["panel", "arm"])
    assert set(found.index) == set(groups)
    for group in (("y", "b"), ("x", "a")):
        law = fit_power_law(groups[group])
        expected = [law.a, law.b, law.c, law.predicted, law.observed, law.low, law.high, 3200]
        columns = ["a", "b", "c", "predicted", "observed", "low", "high", "size"]
        assert found.loc[group, columns].tolist() == pytest.approx(expected) and found.loc[group, "why"] == ""
        line = lines.set_index(["panel", "arm"]).loc[group]
        assert (line["size"].min(), line["size"].max()) == pytest.approx((100, 3200))
        np.testing.assert_allclose(line["error"], errors(law.a, law.b, law.c, line["size"]))
        assert (line["low"] <= line["error"]).all() and (line["error"] <= line["high"]).all()
    lacking = found.loc[("x", "b")]
    assert "do not fall" in lacking["why"] and lacking.drop("why").isna().all()
    assert set(lines["panel"] + lines["arm"]) == {"yb", "xa"}


def test_tables_without_a_law_have_their_columns():
    laws, lines = power_laws(table_of({("x", "a"): FEW, ("x", "b"): FEW}), ["panel", "arm"])
    assert lines.empty and list(lines) == ["panel", "arm", "size", "error", "low", "high"]
    assert laws["why"].str.startswith("there are 2 sizes").all() and laws["predicted"].isna().all()
    assert power_law_sentences(laws, ["arm", "panel"], "captions") == (
        "- No power law for any arm: there are 2 sizes; a power law needs at least 4, three to fit and the largest to test it."
    )


def test_the_sentences_say_whether_the_largest_size_lies_inside():
    alone = {n: some[:1] for n, some in GOOD.items()}
    off = GOOD | {3200: [0.9, 0.91]}
    laws, _ = power_laws(
        table_of({("x", "a"): GOOD, ("x", "b"): off, ("y", "c"): RISING, ("y", "d"): alone}), ["panel", "arm"]
    )
    said = power_law_sentences(laws, ["arm", "panel"], "captions").split("\n")
    law = fit_power_law(GOOD)
    assert said[0] == (
        f"- **a, x**: the law of the smaller sizes, error = ${law.c:.3g} + {law.a:.3g}\\, N^{{-{law.b:.2g}}}$, predicts an error of "
        f"{100 * law.predicted:.1f} % [{100 * law.low:.1f}, {100 * law.high:.1f}] at 3,200 captions; measured was "
        f"{100 * law.observed:.1f} %, inside."
    )
    assert "**b, x**" in said[1] and said[1].endswith("measured was 90.5 %, **outside**.")
    assert "(one seed has no interval)" in said[2] and "inside" not in said[2] and "outside" not in said[2]
    without = power_law_sentences(laws.assign(c=0.0), ["arm", "panel"], "captions")
    assert (
        f"error = ${law.a:.3g}\\, N" in without and "(with c at its bound, 0), predicts" in without
    )  # nothing is added where nothing is to be added
    assert said[3].startswith("- No power law for c, y: errors of sizes up to 1600 are 0.01, ") and len(said) == 4
