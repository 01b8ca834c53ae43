"""Combinations of a sweep: by hand, against itertools, and mistakes told before anything starts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.errors import InputError, MissingError
from stablerep.study.chapters import chapter
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.sweeps.combinations import combinations, grid_values, resolve_all

FIELDS = chapter("scaling").Parameters.model_fields


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
        ("encoder='a,b',C# set", "encoder", ["a,b", "C# set"]),
        # YAML would have made of these 8, 80, a date, false and nothing
        ("seed=010", "seed", [10]),
        ("seed=1:20", "seed", ["1:20"]),
        ("generator=2024-03-01,NO,~", "generator", ["2024-03-01", "NO", "~"]),
        ("learning_rate=1e-3,2e-3", "learning_rate", [0.001, 0.002]),
        ("caption_counts=32,64", "caption_counts", [[32], [64]]),
    ],
)
def test_values_are_read_as_the_schema_says(text, name, values):
    found = grid_values(text, FIELDS)
    assert repr(found) == repr((name, values))


def test_without_a_schema_values_are_read_as_papermill_reads_them():
    assert grid_values("x=1,1e-3,NO,True,[2,b],010") == ("x", [1, 1e-3, "NO", True, [2, "b"], 10])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed", "is not name=values"), ("=1", "is not name=values"), ("seed=", "is not name=values"),
        ("seed=4..0", "the range of seed, 4..0, is empty"), ("seed=0..4..0", "is empty"), ("seed=[1", "could not be read"),
        ("seed=1,,2", "could not be read"), ("encoder=w: 2", "could not be read"),
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
    table.write_text('steps,encoder,caption_counts\n4,resnet10t,"32,64"\n8,# x,[64]\n')
    rows = [
        {"steps": 4, "encoder": "resnet10t", "caption_counts": [32, 64]},
        {"steps": 8, "encoder": "# x", "caption_counts": [64]},
    ]
    assert combinations([], file=table, fields=FIELDS) == rows
    assert combinations(["seed=0,1"], file=table, fields=FIELDS) == [{"seed": k} | row for k in (0, 1) for row in rows]
    mapping = tmp_path / "list.yml"
    mapping.write_text("- {steps: 4}\n- {steps: 8, seed: 1}\n")
    assert combinations([], file=mapping) == [{"steps": 4}, {"steps": 8, "seed": 1}]


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.yml"])
def test_a_list_from_any_editor(tmp_path, name):
    """With a byte order mark and lines that end with CR LF; a cell that is empty is not given."""
    text = {
        "list.csv": "steps,generator\r\n4,2024-03-01\r\n8,\r\n",
        "list.tsv": "steps\tgenerator\r\n4\t2024-03-01\r\n8\t\r\n",
        "list.yml": "- {steps: 4, generator: 2024-03-01}\r\n- {steps: 8, generator: null}\r\n",
    }[name]
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    rows = [{"steps": 4, "generator": "2024-03-01"}, {"steps": 8, "generator": None}]
    assert combinations([], file=tmp_path / name, fields=FIELDS) == rows


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.csv", b"steps\n", "must hold a list of one or more combinations"),
    ("a.csv", b"steps\n4\n4,5\n", "a.csv, row 2: 2 values for the 1 names steps."),
    ("a.csv", b"steps,seed\n4\n", "a.csv, row 1: 1 values for the 2 names steps, seed."),
    ("a.csv", b"steps,steps\n4,5\n", "a.csv has two columns 'steps'"),
    ("a.csv", b'steps\n"4', "a.csv could not be read as a table: unexpected end of data."),
    ("a.csv", b"encoder\nx\ncaf\xe9\n", "a.csv, line 3: byte 0xe9 is not UTF-8"),
    ("a.csv", b"", "must hold a list"),
    ("a.yml", b"steps: 4", "must hold a list"), ("a.yml", b"- 4", "must hold a list"), ("a.yml", b"", "must hold a list"),
    ("a.yml", b"- [4", "a.yml could not be read as YAML: "),
])  # fmt: skip
def test_files_that_hold_no_combinations(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="^[^\n]+$") as error:
        combinations([], file=tmp_path / name, fields=FIELDS)
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingError, match="^there is no file .*absent.csv.$"):
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
