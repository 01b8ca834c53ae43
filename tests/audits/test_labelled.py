"""Labels by eye against a reader, on a made-up file."""

from __future__ import annotations

import pandas as pd
import pytest

from stablerep.audits.labelled import IMAGE, LABELLED, compare_labels
from stablerep.audits.people import KNOWN_CLASSES
from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError
from stablerep.generator import load_generator
from stablerep.study.chapters import resolve

CLASSES = {"tone": ("none", "dark"), "gender": ("woman", "man")}
MADE = {"guidance_interval": "everywhere", "generator": "abc", "sampling_steps": 8, "sampler": "dpm++", "seed": 0}


def rows(tones: list[str], genders: list[str], **made) -> pd.DataFrame:
    """Two images of each caption."""
    images = [{"caption": f"c{k // 2}", "image": k % 2, "guidance_scale": 2.0} for k in range(len(tones))]
    return pd.DataFrame(images).assign(**MADE | made, tone=tones, gender=genders)


@pytest.fixture
def labels(tmp_path):
    """A file of labels, written from a table."""
    path = tmp_path / "labelled.csv"
    return lambda table: table.to_csv(path, index=False) or path


def test_agreement_by_hand(labels):
    path = labels(
        rows(["none"] * 5 + ["dark"], ["woman", "man", "man", CANNOT_TELL, "man", "man"]).astype(
            {"guidance_scale": int}
        )
    )
    readings = rows(
        ["none", "none", "none", "dark", "dark", CANNOT_TELL],
        ["woman", "woman", "man", "man", CANNOT_TELL, CANNOT_TELL],
    )
    found = compare_labels(path, readings, CLASSES)
    tone, gender = (row for _, row in found["agreement"].iterrows())
    assert (tone["attribute"], tone["images"], tone["captions"], tone["both"]) == ("tone", 6, 3, 5 / 6)
    assert tone["agreement"] == pytest.approx((1 + 0.5 + 0) / 3)  # captions weigh the same
    assert gender["both"] == 0.5 and gender["agreement"] == pytest.approx((0.5 + 1) / 2)
    assert 0 <= gender["low"] <= gender["agreement"] <= gender["high"] <= 1
    counts = found["by_eye"].set_index(["attribute", "truth", "prediction"])["images"]
    assert counts["tone", "none", "dark"] == 2 and counts["tone", "dark", CANNOT_TELL] == 1
    assert counts["gender", CANNOT_TELL, "man"] == 1 and counts["gender"].sum() == counts["tone"].sum() == 6


def test_labels_of_other_images_say_nothing(labels, tmp_path):
    readings = rows(["none", "dark"], ["woman", "man"])
    for other in (
        {"generator": "xyz"},
        {"seed": 1},
        {"sampler": "ddim"},
        {"sampling_steps": 12},
        {"guidance_interval": "0.2 to 5"},
    ):
        found = compare_labels(labels(rows(["dark", "king"], ["woman", "man"], **other)), readings, CLASSES)
        assert found["agreement"].empty and found["by_eye"].empty
        assert "agreement" in found["agreement"] and "images" in found["by_eye"]
    assert compare_labels(tmp_path / "none.csv", readings, CLASSES)["agreement"].empty


def test_labels_that_cannot_be_read_are_told(labels):
    readings = rows(["none", "dark"], ["woman", "man"])
    with pytest.raises(InputError, match=r"labelled.csv has tone 'pale'; it is one of none, dark, cannot tell"):
        compare_labels(labels(rows(["pale", "dark"], ["woman", "man"])), readings, CLASSES)
    with pytest.raises(InputError, match="lacks the column caption"):
        compare_labels(labels(readings.drop(columns="caption")), readings, CLASSES)
    with pytest.raises(InputError, match="lacks the column gender, which the reader reads"):
        compare_labels(labels(readings.drop(columns="gender")), readings, CLASSES)
    assert set(IMAGE) <= set(readings)


def test_the_labels_are_of_images_that_the_reference_draws():
    """Two hundred of the embedded generator, sampled as in the reference; the labels are known words."""
    table = pd.read_csv(LABELLED)
    given = resolve("bias_generator", {"preset": "reference"})
    assert len(table) == 200 and not table.duplicated(IMAGE).any()
    assert set(table["generator"]) == {load_generator("emoji").fingerprint}
    assert (table["sampling_steps"] == given.sampling_steps).all() and (table["sampler"] == given.sampler).all()
    assert set(table["guidance_scale"]) == set(given.guidance_scales)
    for attribute, classes in KNOWN_CLASSES.items():
        assert set(table[attribute]) <= {*classes, CANNOT_TELL}
