"""Verdicts: each word by its rule, and how often the words are wrong in simulated studies."""

from __future__ import annotations

import dataclasses
import gc
import importlib
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from stablerep.statistics import MARGIN, WORDS, Verdict, crossed_mean, family, verdict

DECIDED = ("reproduced", "contradicted", "partly")


@pytest.fixture(autouse=True, scope="module")
def garbage_of_others_left_alone():
    """statsmodels, which Holm's method comes from, collects garbage in every call, over all that the tests before have loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


def table(*pairs: tuple[float, float], bound: float = 0.0, seeds: int = 5) -> pd.DataFrame:
    """A row for each (difference, standard error), both in points; the error is normal."""
    difference, error = np.array(pairs, float).reshape(-1, 2).T / 100
    p_for = stats.norm.sf((difference - bound) / error)
    return pd.DataFrame({
        "first": [f"A{k}" for k in range(len(difference))], "second": [f"B{k}" for k in range(len(difference))],
        "difference": difference, "low": difference - 1.96 * error, "high": difference + 1.96 * error,
        "p_for": p_for, "p_against": 1 - p_for, "seeds": seeds,
    })  # fmt: skip


# The rule, in points, with a margin of one

BETTER, WORSE, ALIKE, VAGUE = (3.0, 0.5), (-3.0, 0.5), (0.1, 0.2), (0.1, 2.0)


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([BETTER], "reproduced"),
        ([BETTER, BETTER], "reproduced"),
        ([(0.6, 0.2)], "reproduced"),  # better, though by less than the margin
        ([WORSE], "contradicted"),
        ([WORSE, WORSE], "contradicted"),
        ([(-0.6, 0.2)], "contradicted"),
        ([WORSE, VAGUE], "contradicted"),  # one pair is enough against a claim about all
        ([WORSE, ALIKE], "contradicted"),
        ([ALIKE], "equivalent"),
        ([ALIKE, ALIKE, ALIKE], "equivalent"),
        ([BETTER, WORSE], "partly"),
        ([BETTER, ALIKE], "partly"),
        ([BETTER, WORSE, ALIKE, VAGUE], "partly"),
        ([VAGUE], "undecided"),
        ([VAGUE, VAGUE], "undecided"),
        ([BETTER, VAGUE], "undecided"),  # the other pair may still turn out either way
        ([ALIKE, VAGUE], "undecided"),
        ([(0.0, 0.6)], "undecided"),  # wider than the margin
        ([], "not testable at this scale"),
    ],
)
def test_each_word_by_its_rule(pairs, word):
    assert verdict(table(*pairs)).word == word and word in WORDS
    assert verdict(table(*pairs[::-1])).word == word


def test_every_word_is_given_to_something():
    tables = [[BETTER], [WORSE], [ALIKE], [BETTER, ALIKE], [VAGUE], []]
    assert tuple(verdict(table(*pairs)).word for pairs in tables) == WORDS


@pytest.mark.parametrize(("pairs", "z"), [(1, 1.96), (2, 2.2414), (4, 2.4977), (8, 2.7344)])
def test_one_pair_of_several_speaks_against_a_claim_at_a_shared_level(pairs, z):
    """Quantiles of the normal at 0.025 over the number of pairs."""
    others = [VAGUE] * (pairs - 1)
    assert verdict(table((-z - 0.01, 1.0), *others)).word == "contradicted"
    assert verdict(table((-z + 0.01, 1.0), *others)).word == "undecided"


@pytest.mark.parametrize(("pairs", "z"), [(2, 2.2414), (4, 2.4977), (8, 2.7344)])
def test_one_pair_of_several_speaks_for_a_part_of_a_claim_at_a_shared_level(pairs, z):
    """Where all others are equal, the best of them must not be told from nothing at the level of a single pair."""
    others = [ALIKE] * (pairs - 1)
    assert verdict(table((3 * z + 0.03, 3.0), *others)).word == "partly"
    assert verdict(table((3 * z - 0.03, 3.0), *others)).word == "undecided"


def test_all_pairs_together_need_no_shared_level():
    """That every pair is significant is less likely by chance than that one of them is."""
    assert verdict(table(*[(2.0, 1.0)] * 8)).word == "reproduced"
    assert verdict(table((2.0, 1.0), (1.9, 1.0))).word == "undecided"


def test_a_stricter_alpha_asks_for_more():
    assert verdict(table((2.2, 1.0))).word == "reproduced"
    assert verdict(table((2.2, 1.0)), alpha=0.01).word == "undecided"


@pytest.mark.parametrize(("margin", "word"), [(0.003, "undecided"), (0.01, "equivalent"), (0.1, "equivalent")])
def test_equal_means_within_the_margin(margin, word):
    assert verdict(table(ALIKE), margin=margin).word == word  # the interval reaches 0.49 points


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([ALIKE], "reproduced"),
        ([BETTER, ALIKE], "reproduced"),
        ([(-0.5, 0.2)], "reproduced"),  # worse, but by less than the margin
        ([WORSE], "contradicted"),
        ([VAGUE], "undecided"),
        ([(-1.0, 0.2)], "undecided"),  # on the margin
        ([ALIKE, WORSE], "partly"),
    ],
)
def test_as_good_to_within_the_margin_is_a_matter_of_the_p_values(pairs, word):
    """Those of a claim of "at least as good" are about lying above minus the margin."""
    assert verdict(table(*pairs, bound=-MARGIN)).word == word


@pytest.mark.parametrize("pairs", [[BETTER], [WORSE], [ALIKE, BETTER], [WORSE, VAGUE]])
def test_one_seed_is_not_testable_whatever_it_shows(pairs):
    found = verdict(table(*pairs, seeds=1))
    assert found.word == "not testable at this scale" and np.isnan(found.p) and "A0 minus B0" in found.sentence


@pytest.mark.parametrize("column", ["low", "high"])
@pytest.mark.parametrize("pairs", [[BETTER], [BETTER, WORSE], [WORSE, WORSE]])
def test_a_pair_without_an_interval_is_not_testable_whatever_the_others_show(pairs, column):
    differences = table(*pairs)
    differences.loc[0, column] = np.nan
    assert verdict(differences).word == "not testable at this scale"


def test_one_pair_of_one_seed_is_enough_to_be_not_testable():
    differences = table(BETTER, WORSE).assign(seeds=[5, 1])
    assert verdict(differences).word == "not testable at this scale"


@pytest.mark.parametrize("empty", [pd.DataFrame(), table(), table(BETTER)[:0]])
def test_nothing_run_is_not_testable(empty):
    found = verdict(empty)
    assert (
        found.word == "not testable at this scale" and np.isnan(found.p) and "no pair of arms was run" in found.sentence
    )


# What a verdict rests on


def test_p_is_two_sided_and_corrected_for_the_pairs():
    p = stats.norm.sf
    assert verdict(table((2.5, 1.0))).p == pytest.approx(2 * p(2.5))
    assert verdict(table((-2.5, 1.0))).p == pytest.approx(2 * p(2.5))
    assert verdict(table((2.5, 1.0), (3.0, 1.0))).p == pytest.approx(2 * p(2.5))  # all are needed: the weakest counts
    assert verdict(table((-2.5, 1.0), (-3.0, 1.0))).p == pytest.approx(2 * 2 * p(3.0))  # any is enough: the strongest
    assert verdict(table((3.0, 1.0), ALIKE)).p == pytest.approx(2 * 2 * p(3.0))
    assert verdict(table((3.0, 1.0), (-3.5, 1.0), VAGUE)).p == pytest.approx(2 * 3 * p(3.5))


pairs_at_random = st.lists(st.tuples(st.floats(-4, 4), st.sampled_from([0.1, 0.3, 1.0, 2.0])), min_size=1, max_size=6)


@example([(2.1, 1.0), ALIKE], 0.0, 0.05)
@given(pairs_at_random, st.sampled_from([0.0, -MARGIN]), st.sampled_from([0.01, 0.05, 0.2]))
def test_p_is_at_most_alpha_wherever_something_is_decided(pairs, bound, alpha):
    found = verdict(table(*pairs, bound=bound), alpha=alpha)
    assert found.word in WORDS[:-1] and (found.word in DECIDED) == (not np.isnan(found.p))
    assert np.isnan(found.p) or 0 <= found.p <= alpha + 1e-12


@given(pairs_at_random, st.randoms())
def test_words_follow_from_the_pairs_and_not_from_their_order(pairs, chance):
    found = verdict(table(*pairs))
    assert verdict(table(*chance.sample(pairs, len(pairs)))).word == found.word
    z = np.array([difference / error for difference, error in pairs])
    one_sided = stats.norm.isf(0.025)
    assert (found.word == "reproduced") == (z >= one_sided).all()
    if found.word == "contradicted":
        assert z.min() <= -stats.norm.isf(0.025 / len(pairs)) + 1e-9
    if found.word == "equivalent":
        assert max(abs(difference) + 1.95 * error for difference, error in pairs) < 1
    if found.word == "partly":
        assert z.max() >= one_sided > z.min()


@given(pairs_at_random)
def test_a_pair_of_which_nothing_is_known_reproduces_nothing(pairs):
    assert verdict(table(*pairs, (0.0, 1000.0))).word not in ("reproduced", "equivalent")


def test_the_sentence_names_every_pair():
    found = verdict(table((6.0, 0.5), (-1.04, 0.5)))
    assert found.sentence == "A0 minus B0: +6.0 points [+5.0, +7.0]; A1 minus B1: -1.0 points [-2.0, -0.1]"


def test_a_verdict_cannot_be_changed():
    found = verdict(table(BETTER))
    assert isinstance(found, Verdict)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.word = "partly"


def test_function_and_module_share_a_name():
    """``stablerep.statistics.verdict`` is the function, also after the module of that name is imported."""
    module = importlib.import_module("stablerep.statistics.verdict")
    from stablerep import statistics

    assert statistics.verdict is verdict is module.verdict


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: verdict(table(BETTER).drop(columns=["low", "p_for"])), r"lack the columns \['low', 'p_for'\]"),
        (lambda: verdict(table(BETTER).drop(columns="seeds")), r"lack the columns \['seeds'\]"),
        (lambda: verdict(table(BETTER).assign(low=0.2, high=0.1)), r"A0 minus B0 has the interval \[0.2, 0.1\]"),
        (lambda: verdict(table(BETTER), margin=np.nan), "margin is nan"),
        (lambda: verdict(table(BETTER), margin=0), "margin is 0"),
        (lambda: verdict(table(BETTER), margin=-0.01), "margin is -0.01"),
        (lambda: verdict(pd.DataFrame(), margin=np.inf), "margin is inf"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Several claims together


def says(word: str, p: float = np.nan) -> Verdict:
    return Verdict(word, p, f"as {word} as {p}")


def words(**verdicts: Verdict) -> list[str]:
    return [found.word for found in family(verdicts).values()]


def test_claims_that_holm_upholds_keep_their_words():
    """0.01 times three, 0.02 times two, and 0.04 alone are all at most 0.05."""
    claims = {"a": says("contradicted", 0.02), "b": says("reproduced", 0.01), "c": says("partly", 0.04)}
    assert family(claims) == claims and list(family(claims)) == ["a", "b", "c"]


def test_claims_that_holm_does_not_uphold_are_undecided():
    """0.01 times three is upheld; 0.03 times two is not, nor is then what follows it."""
    claims = {"a": says("contradicted", 0.03), "b": says("reproduced", 0.01), "c": says("partly", 0.04)}
    found = family(claims)
    assert [verdict.word for verdict in found.values()] == ["undecided", "reproduced", "undecided"]
    assert found["a"] == dataclasses.replace(claims["a"], word="undecided")  # what it rests on is still said
    assert [verdict.word for verdict in claims.values()] == ["contradicted", "reproduced", "partly"]


def test_claims_without_a_decision_count_and_those_not_testable_do_not():
    alone = says("reproduced", 0.04)
    assert words(a=alone) == ["reproduced"]
    assert words(a=alone, b=says("undecided")) == ["undecided", "undecided"]
    assert words(a=alone, b=says("equivalent")) == ["undecided", "equivalent"]
    assert words(a=alone, b=says(WORDS[-1]), c=says(WORDS[-1])) == ["reproduced", WORDS[-1], WORDS[-1]]
    assert words(a=says("reproduced", 0.02), b=says("undecided")) == ["reproduced", "undecided"]


def test_a_family_has_its_own_alpha():
    claims = {"a": says("reproduced", 0.04)}
    assert family(claims, alpha=0.01)["a"].word == "undecided" and family(claims, alpha=0.04)["a"].word == "reproduced"


@pytest.mark.parametrize("claims", [{}, {"a": says(WORDS[-1])}, {"a": says("undecided"), "b": says("equivalent")}])
def test_a_family_of_which_nothing_is_decided_stays_as_it_is(claims):
    assert family(claims) == claims and family(claims) is not claims


def test_a_family_without_effects_is_wrong_at_most_once_in_twenty():
    """Eight claims of one pair each: alone they would be wrong in one study of three."""
    rng, studies, alone, together = np.random.default_rng(0), 200, 0, 0
    for p in rng.random((studies, 8)):
        claims = {f"C{k}": says("reproduced", q) if q <= 0.05 else says("undecided") for k, q in enumerate(p)}
        alone += any(found.word == "reproduced" for found in claims.values())
        together += any(found.word == "reproduced" for found in family(claims).values())
    assert together <= stats.binom.ppf(0.999, studies, 0.05) and alone > 0.25 * studies


# How often a verdict is wrong

STUDIES = 400
ERRORS = (0.2, 0.1, 0.1)  # of seeds, of clusters and of cells
FINE, COARSE = 0.5, 20.0  # points for each unit of those errors: far below and far above the margin of a point


def seldom(studies: int) -> float:
    """What happens once in twenty studies is more frequent in one of a thousand simulations."""
    return stats.binom.ppf(0.999, studies, 0.05)


def simulate(effects: list[float], scale: float, *, bound=0.0, chance=0, studies=STUDIES, seeds=5) -> Counter:
    """Words of studies with a hundred clusters, in which arm A is better than each of the others by so many points.

    The others share A, so that their differences from it are correlated.
    """
    rng, shape, clusters = np.random.default_rng(chance), (len(effects) + 1, seeds, 100), 100
    of_seeds, of_clusters, of_cells = np.array(ERRORS) * np.sqrt([seeds, clusters, seeds * clusters])
    rows = []
    for _ in range(studies):
        arms = rng.normal(0, of_cells, shape) + rng.normal(0, of_clusters, (shape[0], 1, clusters))
        arms += rng.normal(0, of_seeds, (shape[0], seeds, 1))
        for k, effect in enumerate(effects):
            found = crossed_mean((effect + scale * (arms[0] - arms[k + 1])) / 100)
            rows.append(("A", f"B{k}", found.mean, found.error, found.freedom, found.seeds))
    first, second, difference, error, freedom, runs = map(np.array, zip(*rows))
    half = stats.t.ppf(0.975, freedom) * error  # of all studies at once: one by one takes seconds
    p_for = stats.t.sf((difference - bound) / error, freedom)
    known = pd.DataFrame({
        "first": first, "second": second, "difference": difference, "low": difference - half, "high": difference + half,
        "p_for": p_for, "p_against": 1 - p_for, "seeds": runs,
    })  # fmt: skip
    return Counter(verdict(known[at : at + len(effects)]).word for at in range(0, len(known), len(effects)))


@pytest.mark.parametrize("scale", [FINE, COARSE])
@pytest.mark.parametrize("pairs", [1, 4])
def test_studies_without_an_effect_are_seldom_decided(pairs, scale):
    found = simulate([0.0] * pairs, scale)
    assert sum(found[word] for word in DECIDED) <= seldom(STUDIES)
    assert found.most_common(1)[0][0] == ("equivalent" if scale == FINE else "undecided")


@pytest.mark.parametrize(("effect", "scale"), [(1.0, 1.5), (-1.0, 1.5), (1.0, 0.8)])
def test_a_difference_as_large_as_the_margin_is_seldom_called_equivalent(effect, scale):
    assert simulate([effect], scale, chance=1, studies=250)["equivalent"] <= seldom(250)


def test_an_arm_worse_by_the_margin_is_seldom_called_as_good():
    found = simulate([-1.0], 1.0, bound=-MARGIN, chance=2, studies=250)
    assert found["reproduced"] + found["contradicted"] <= seldom(250) and found["undecided"] > 200


@pytest.mark.parametrize(
    ("effects", "bound", "word"),
    [
        ([3.0], 0.0, "reproduced"),
        ([3.0, 4.0, 5.0], 0.0, "reproduced"),
        ([-3.0], 0.0, "contradicted"),
        ([-4.0, 0.0, -3.0], 0.0, "contradicted"),
        ([4.0, -4.0, 0.0], 0.0, "partly"),
        ([4.0, 4.0, 0.0], 0.0, "partly"),
        ([0.0, 3.0], -MARGIN, "reproduced"),
        ([-4.0], -MARGIN, "contradicted"),
    ],
)
def test_true_effects_are_found(effects, bound, word):
    assert simulate(effects, 0.5, bound=bound, chance=3, studies=60)[word] >= 50
