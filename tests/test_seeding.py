"""Seeds named by what they are for."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.seeding import generator_for, seed_for

parts = st.lists(st.one_of(st.integers(), st.text(alphabet="abc01 .", max_size=5)), min_size=1, max_size=4)


@given(parts)
def test_a_seed_fits_where_seeds_go_and_is_always_the_same(name):
    seed = seed_for(*name)
    assert 0 <= seed < 2**63
    assert seed == seed_for(*name)


@given(parts, parts)
def test_different_names_have_different_seeds(one, other):
    if list(map(str, one)) != list(map(str, other)):
        assert seed_for(*one) != seed_for(*other)


def test_parts_do_not_run_into_each_other():
    assert len({seed_for("ab", "c"), seed_for("a", "bc"), seed_for("abc"), seed_for("abc", "")}) == 4


def test_a_seed_is_fixed_for_all_time():
    """Stored sets and runs rest on these numbers: a change here makes every one of them another."""
    assert seed_for(0, "views", 7) == 8922704655647904638
    assert seed_for("a") == 7304431660483791845


def test_a_generator_repeats_its_numbers_and_leaves_the_global_one_alone():
    state = torch.get_rng_state()
    one, again, other = (torch.rand(4, generator=generator_for(0, "noise", k)) for k in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(state, torch.get_rng_state())
