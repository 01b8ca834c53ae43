"""The stored reference: what its record says, and how it is checked when the code behind it has changed."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from stablerep.errors import FailedError, InputError, MissingError
from stablerep.study.chapters import resolve, stored_record
from stablerep.study.notebooks import reference
from stablerep.study.protocol import protocol_hash
from stablerep.study.root import PROJECT
from stablerep.study.store.code import code_modules
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step
from tests.study.stand_ins import write_photographs

CLEAN = {"commit": "c0ffee", "dirty": False}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of results in the place of the committed ones, and a chapter whose tables are made by a small step."""
    folder = tmp_path / "results"
    monkeypatch.setattr("stablerep.study.chapters.STORED", folder)
    monkeypatch.setattr(reference, "STORED", folder)
    monkeypatch.setattr(reference, "git_state", lambda folder, **how: dict(CLEAN))
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    made = {"factor": 1.0}
    step = Step("evaluation", code=("stablerep.losses",))

    def compute_tables(name, parameters, study=None):
        study = study or reference.Study(parameters=parameters)
        study.store.obtain(step, parameters={"preset": parameters.preset}, inputs={}, compute=lambda folder: {})
        seconds = pd.Series([1.0, 9.0]) * made["factor"]
        arms = pd.DataFrame({"arm": ["a", "b"], "accuracy": [0.25 * made["factor"], None], "seconds": seconds})
        return {"arms": arms, "names": pd.DataFrame({"arm": ["a"]})}

    monkeypatch.setattr(reference, "compute_tables", compute_tables)
    return folder, made


def test_record_says_what_code_made_it(results):
    folder, _ = results
    assert reference.make_reference("compare", {"seeds": 1}) == ["arms.parquet", "names.parquet", "record.json"]
    record = stored_record("compare")
    assert record["parameters"]["preset"] == "reference" and record["parameters"]["seeds"] == 1
    assert record["modules"] == code_modules(["stablerep.losses"])
    assert record["check"] == {"arms.accuracy": 0.25}  # seconds are those of a machine
    assert record["provenance"]["git"] == CLEAN and record["protocol"] == (mark := protocol_hash(("C1", "C2", "C16")))
    assert pd.read_parquet(folder / "compare" / "arms.parquet")["arm"].tolist() == ["a", "b"]
    text = reference.describe_reference("compare", resolve("compare", {"preset": "reference", "seeds": 1}))
    assert "with the same parameters" in text and "changed" not in text
    assert f"It follows the [protocol](/book/protocol.md) {mark}." in text
    assert "seeds = 1" in reference.describe_reference("compare", resolve("compare", {"preset": "reference"}))


def test_a_dirty_checkout_is_refused_before_anything_is_computed(results, monkeypatch):
    folder, _ = results
    asked = []

    def state(top, *, without):
        asked.append((top, without))
        return {"commit": "c0ffee", "dirty": True}

    monkeypatch.setattr(reference, "git_state", state)
    monkeypatch.setattr(reference, "compute_tables", lambda *given: pytest.fail("nothing may be computed"))
    with pytest.raises(FailedError, match="changes that are not committed; a reference is computed from a commit"):
        reference.make_reference("compare")
    assert asked == [(PROJECT, "results/")]  # whose own changes do not count
    assert not folder.exists()


def test_a_reference_that_lacks_something_is_refused_in_a_sentence(results):
    folder, _ = results
    with pytest.raises(InputError, match="This chapter needs photographs, and a generator"):
        reference.make_reference("photographs")
    assert not folder.exists()


def test_a_record_says_of_which_corpora_and_generators_it_is(results, tmp_path, monkeypatch):
    """Where they are not those of the parameters `corpus` and `generator`."""
    monkeypatch.setenv("STABLEREP_DATA", str(write_photographs(tmp_path / "data")))
    reference.make_reference("photographs", {"cifar10_generator": "emoji"})
    record = stored_record("photographs")
    assert record["corpus"].startswith("cifar10 ") and record["generator"].startswith("cifar10 ")
    assert record["parameters"]["cifar10_generator"] == "emoji"


def test_without_a_checkout_a_reference_can_be_computed(results, monkeypatch):
    """As from an archive, whose record then names no commit."""
    monkeypatch.setattr(reference, "git_state", lambda folder, **how: None)
    reference.make_reference("compare")
    assert stored_record("compare")["provenance"]["git"] is None


def test_results_of_before_a_protocol_and_of_an_earlier_one_say_so(results):
    folder, _ = results
    reference.make_reference("compare")
    path, p = folder / "compare" / "record.json", resolve("compare", {"preset": "reference"})
    record = stored_record("compare")
    path.write_text(json.dumps(record | {"protocol": "0123456789ab"}))
    assert "**It follows an earlier [protocol](/book/protocol.md) (0123456789ab; today's is " in (
        reference.describe_reference("compare", p)
    )
    del record["protocol"]
    path.write_text(json.dumps(record))
    assert "computed before there was a protocol" in reference.describe_reference("compare", p)


def test_changed_code_is_said_until_the_check_agrees(results):
    folder, made = results
    reference.make_reference("compare")
    path = folder / "compare" / "record.json"
    record = stored_record("compare")
    record["modules"]["stablerep.losses"] = "00000000"
    record["modules"]["stablerep.gone"] = "11111111"
    path.write_text(json.dumps(record))
    p = resolve("compare", {"preset": "reference"})
    assert "has changed since** (`stablerep.losses`, `stablerep.gone`)" in reference.describe_reference("compare", p)
    made["factor"] = 3.0
    with pytest.raises(FailedError, match=r"^compare: arms.accuracy is 0.75 .* was 0.25 .*\(1 of 1 sums differ\)"):
        reference.check_reference("compare")
    assert stored_record("compare") == record  # nothing was stamped
    made["factor"] = 1.1  # as another machine rounds
    said = reference.check_reference("compare")
    assert (
        "1 sums of the preset smoke are what they were; the code of stablerep.losses, stablerep.gone has changed"
        in said
    )
    assert "changed" not in reference.describe_reference("compare", p)
    assert stored_record("compare")["modules"] == code_modules(["stablerep.losses"])


def test_a_number_without_end_is_left_out_of_the_sums(results, monkeypatch):
    """Such as the logarithm of a share over one that is zero: no record holds infinity, and nothing is lost when a reference ends in it."""
    table = pd.DataFrame({"skew": [0.7, -float("inf"), None, -0.2]})
    monkeypatch.setattr(reference, "compute_tables", lambda name, parameters, study=None: {"measures": table})
    reference.make_reference("compare")
    assert stored_record("compare")["check"] == {"measures.skew": 0.9}


def test_references_without_a_check(results):
    folder, _ = results
    with pytest.raises(MissingError, match=r"results/compare holds no stored results"):
        reference.check_reference("compare")
    reference.make_reference("compare")
    record = stored_record("compare")
    del record["check"], record["modules"]
    (folder / "compare" / "record.json").write_text(json.dumps(record | {"remark": "It was scored by another probe."}))
    with pytest.raises(MissingError, match="has nothing to be checked by"):
        reference.check_reference("compare")
    text = reference.describe_reference("compare", resolve("compare", {"preset": "reference"}))
    assert "It was scored by another probe. It does not say by which code" in text
    assert "protocol" in text.partition("It was scored")[0]
    other = record | {
        "check": {},
        "modules": {"stablerep.losses": "of before"},
    }  # at the preset smoke there is nothing to compute
    (folder / "compare" / "record.json").write_text(json.dumps(other))
    text = reference.describe_reference("compare", resolve("compare", {"preset": "reference"}))
    assert "(`stablerep.losses`); `stablerep reference compare` computes it anew." in text


def test_modules_are_those_of_the_runs(tmp_path):
    store = RunStore(tmp_path)
    for name, module in (("a", "stablerep.losses"), ("b", "stablerep.views")):
        store.obtain(Step(name, code=(module,)), parameters={}, inputs={}, compute=lambda folder: {})
    store.asked.append("absent-0")
    assert reference.modules_of(store) == code_modules(["stablerep.losses", "stablerep.views"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("captions", 0, "all captions"), ("captions", 12, "captions = 12"), ("edited_captions", 0, "edited_captions = 0"),
        ("stored_counts", [1, 2, 4, 8], "stored_counts = 1, 2, 4 and 8"), ("guidance_scales", [1.0, 2.5], "guidance_scales = 1 and 2.5"),
        ("methods", ["clip"], "methods = clip"), ("methods", [], "methods = none"), ("arms", ["a"] * 9, "9 arms"),
        ("guidance_scale", 2.0, "guidance_scale = 2"), ("guidance_scale", 4.5, "guidance_scale = 4.5"),
    ],
)  # fmt: skip
def test_parameters_of_a_reference_are_told_in_plain_words(results, monkeypatch, name, value, said):
    record = {"parameters": {name: value}, "provenance": {"created": "2026-11-27T10:00"}}
    monkeypatch.setattr(reference, "stored_record", lambda name: record)
    text = reference.describe_reference("compare", resolve("compare", {"captions": 99, "guidance_scale": 9}))
    assert text.startswith(f"The stored reference was computed with {said} on 2026-11-27.")
