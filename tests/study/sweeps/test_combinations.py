"""Combinations of a sweep: by hand, against itertools, and mistakes told before anything starts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.study.parameters.errors import ParameterError
from stablerep.study.sweeps.combinations import combinations, grid_values, resolve_all


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("guidance_scale=1,2.5,4", "guidance_scale", [1, 2.5, 4]),
        ("seed=0..4", "seed", [0, 1, 2, 3, 4]),
        ("seed=3..9..3", "seed", [3, 6, 9]),
        ("seed=-1..1", "seed", [-1, 0, 1]),
        ("seed=7", "seed", [7]),
        ("sampler=ddim,dpm++", "sampler", ["ddim", "dpm++"]),
        ("live=true,false", "live", [True, False]),
        ("caption_counts=[32,64],[64,128]", "caption_counts", [[32, 64], [64, 128]]),
        ("encoder='a=b'", "encoder", ["a=b"]),
    ],
)
def test_values_are_read(text, name, values):
    assert grid_values(text) == (name, values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed", "is not name=values"), ("=1", "is not name=values"), ("seed=", "is not name=values"),
        ("seed=4..0", "the range of seed, 4..0, is empty"), ("seed=0..4..0", "is empty"), ("seed=[1", "could not be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(text, said):
    with pytest.raises(ValueError, match="^[^\n]+$") as error:
        grid_values(text)
    assert said in str(error.value)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
def test_a_grid_is_the_product(columns):
    grid = [f"n{i}={','.join(map(str, values))}" for i, values in enumerate(columns)]
    assert [tuple(one.values()) for one in combinations(grid)] == list(itertools.product(*columns))
    assert all(list(one) == [f"n{i}" for i in range(len(columns))] for one in combinations(grid))


def test_pairs_go_together():
    assert combinations(["a=1,2", "b=x,y"], pairs=True) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    with pytest.raises(ValueError, match="these have a 2, b 3"):
        combinations(["a=1,2", "b=1..3"], pairs=True)


def test_rows_of_a_file_meet_every_value_of_the_grid(tmp_path):
    table = tmp_path / "list.csv"
    table.write_text('steps,encoder\n4,resnet10t\n8,"[a, b]"\n')
    rows = [{"steps": 4, "encoder": "resnet10t"}, {"steps": 8, "encoder": ["a", "b"]}]
    assert combinations([], file=table) == rows
    assert combinations(["seed=0,1"], file=table) == [{"seed": k} | row for k in (0, 1) for row in rows]
    mapping = tmp_path / "list.yml"
    mapping.write_text("- {steps: 4}\n- {steps: 8, seed: 1}\n")
    assert combinations([], file=mapping) == [{"steps": 4}, {"steps": 8, "seed": 1}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "steps\n"),
        ("a.csv", "steps\n4,5\n"),
        ("a.csv", 'steps\n"4'),
        ("a.yml", "steps: 4"),
        ("a.yml", "- 4"),
        ("a.yml", "- [4"),
        ("a.yml", ""),
    ],
)
def test_files_that_hold_no_combinations(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match="^[^\n]+$"):
        combinations([], file=tmp_path / name)
    with pytest.raises(ValueError, match="could not be read"):
        combinations([], file=tmp_path / "absent.csv")


def test_slips_are_told():
    with pytest.raises(ValueError, match="nothing to combine"):
        combinations([])
    with pytest.raises(ValueError, match="seed is given twice"):
        combinations(["seed=1", "seed=2"])
    with pytest.raises(ValueError, match="the combination seed = 1 occurs twice"):
        combinations(["seed=1,1"])
    with pytest.raises(ValueError, match="10,201 combinations"):
        combinations(["a=0..100", "b=0..100"])


def test_every_combination_is_checked_before_the_first():
    found = combinations(["guidance_scale=0.5,2", "seeds=0,1"])
    with pytest.raises(ParameterError) as error:
        resolve_all("compare", found, {"preset": "smoke"})
    first, second = str(error.value).splitlines()
    assert first == "guidance_scale is 0.5: input should be greater than or equal to 1 (combinations 1, 2 of 4)."
    assert second == "seeds is 0: input should be greater than or equal to 1 (combinations 1, 3 of 4)."
    with pytest.raises(
        ParameterError, match=r"^compare has no parameter 'guidance_scael'; did you mean guidance_scale\?$"
    ):
        resolve_all("compare", combinations(["guidance_scael=1,2"]), {})
    with pytest.raises(ParameterError, match="seed is both swept and given"):
        resolve_all("compare", combinations(["seed=1,2"]), {"seed": 3})
    good = resolve_all("compare", combinations(["guidance_scale=1,2", "seed=0..1"]), {"preset": "smoke"})
    assert [(p.guidance_scale, p.seed, p.preset) for p in good] == [
        (1, 0, "smoke"),
        (1, 1, "smoke"),
        (2, 0, "smoke"),
        (2, 1, "smoke"),
    ]
