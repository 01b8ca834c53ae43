"""People: neutral captions, references, and whom drawings show, read from pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.people import (
    AS_READ,
    BALANCE,
    CORRECTED,
    KNOWN_CLASSES,
    NEUTRAL,
    OF_CAPTION,
    OF_CONCEPT,
    classes_of,
    neutral_captions,
    read_people,
    references,
    telling_rows,
)
from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError

SKIN = {"none": (255, 200, 60), "light": (250, 220, 190), "dark": (90, 60, 40)}


def test_classes_have_the_order_of_figures_or_of_the_alphabet(emoji):
    one = emoji.table[emoji.table["tone"] != "mixed"]  # without two people in two tones, who have no tone of their own
    assert len(one) < len(emoji)
    assert classes_of(one, emoji.people) == {name: KNOWN_CLASSES[name] for name in ("tone", "gender")}
    table = pd.DataFrame(
        {"gender": ["Male", "Female", None, ""], "age": [30, 9, 30, None], "tone": ["dark", "light", "", None]}
    )
    found = classes_of(table, ("gender", "age", "tone"))
    assert found["gender"] == ("Female", "Male") and found["age"] == ("30.0", "9.0")
    assert found["tone"] == ("light", "dark")  # those that are there, in the order of figures


@pytest.fixture(scope="module")
def people(emoji):
    return emoji.where(
        emoji.table["subgroup"].str.startswith("person") & (emoji.table["tone"] != "mixed")
    ).to_learn_from()


def test_neutral_captions_name_neither_gender_nor_tone(people):
    captions = neutral_captions(people.table, 41)
    assert len(set(captions)) == 41
    for caption in captions:
        assert not {"woman", "women", "man", "men", "girl", "boy"} & set(caption.replace(":", " ").split()), caption
        assert "skin tone" not in caption
    assert neutral_captions(people.table, 5) == captions[:5]
    # their concepts are drawn with both genders and all tones, so that a generator could draw either
    table = people.table[people.table["concept"].isin(people.table[people.table["caption"].isin(captions)]["concept"])]
    assert table.groupby("concept")["gender"].nunique().min() == 3
    assert table.groupby("concept")["tone"].nunique().min() == 6
    with pytest.raises(
        InputError, match="neutral_captions is 42; 41 captions of people to learn from name no attribute"
    ):
        neutral_captions(people.table, 42)


def test_photographs_have_captions_of_their_own():
    table = pd.DataFrame({"caption": ["a man of 30"], "gender": ["Male"], "split": ["train"]})
    assert neutral_captions(table, 4) == list(NEUTRAL[:4]) and len(neutral_captions(table, 99)) == len(NEUTRAL)


def test_references_by_hand():
    """A caption that names nothing, its concept under other captions, and a concept that was not asked for."""
    rows = [
        ("nurse", "1", "none"), ("nurse", "1", "none"), ("nurse: dark", "1", "dark"), ("nurse: light", "1", "light"),
        ("cook", "2", "none"), ("cook: dark", "2", "dark"), ("king: light", "3", "light"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["caption", "cluster", "tone"])
    found = pd.DataFrame(references(table, ["nurse", "cook"], "tone", tuple(SKIN))).pivot(
        index="source", columns="label", values="share"
    )[list(SKIN)]
    assert found.loc[OF_CAPTION].tolist() == [1, 0, 0]
    assert found.loc[OF_CONCEPT].tolist() == pytest.approx([0.5, 0.125, 0.375])  # concepts weigh the same
    assert found.loc[BALANCE].tolist() == pytest.approx([1 / 3] * 3)
    strange = pd.DataFrame(references(table, list(NEUTRAL), "tone", tuple(SKIN)))  # of all training images
    assert set(strange["source"]) == {OF_CONCEPT, BALANCE}


def test_readers_learn_from_concepts_that_show_several_classes():
    table = pd.DataFrame({"cluster": np.arange(16) // 2, "tone": ["none", "dark"] * 7 + ["none", "none"]})
    assert telling_rows(table, "tone").tolist() == list(range(14))
    assert telling_rows(table[6:], "tone").tolist() == list(range(10))  # of four such clusters too little is known
    assert telling_rows(table.assign(cluster=range(16)), "tone").tolist() == list(range(16))  # photographs, each alone


def drawings(rng, tones) -> torch.Tensor:
    """Faces of a tone at some place on white, under a hat of any colour, uint8 [N, 3, 16, 16]."""
    images = np.full((len(tones), 3, 16, 16), 255, np.uint8)
    for image, tone in zip(images, tones):
        y, x = rng.integers(2, 6, size=2)
        skin = np.clip(np.array(SKIN[tone]) + rng.integers(-8, 9, size=3), 0, 255)
        image[:, y : y + 8, x : x + 8] = skin[:, None, None]
        image[:, y - 2 : y, x : x + 8] = rng.integers(0, 230, size=3)[:, None, None]
    return torch.from_numpy(images)


@pytest.fixture(scope="module")
def reading():
    """Fifty concepts in three tones are known; at w = 1 three quarters are drawn dark, at w = 4 all are purple, which is no tone."""
    rng = np.random.default_rng(0)
    known = pd.DataFrame([
        {"caption": f"c{c}" if tone == "none" else f"c{c}: {tone}", "cluster": f"c{c}", "tone": tone}
        for c in range(50) for tone in SKIN for _ in range(3)
    ])  # fmt: skip
    held_out = pd.DataFrame(
        {"caption": "new", "cluster": [f"n{k}" for k in range(20)], "tone": rng.choice(list(SKIN), 20)}
    )
    captions, ids = [f"c{c}" for c in range(20)], np.repeat(np.arange(20), 6)
    drawn = drawings(rng, np.where(rng.random(120) < 0.75, "dark", "light"))
    purple = torch.where(drawn == 255, drawn, torch.tensor([130, 0, 160], dtype=torch.uint8)[:, None, None])
    return read_people(
        (drawings(rng, known["tone"]), known), (drawings(rng, held_out["tone"]), held_out),
        {1.0: (drawn, ids), 4.0: (purple, ids)}, captions, ("tone",), seed=0,
    )  # fmt: skip


def test_shares_are_those_that_were_drawn(reading):
    shares = reading["shares"]
    made = shares[shares["guidance_scale"] == 1.0]
    fixed = made[made["source"] == CORRECTED].set_index("label")
    assert fixed["share"].to_dict() == pytest.approx({"none": 0, "light": 0.25, "dark": 0.75}, abs=0.08)
    assert ((fixed["low"] <= fixed["share"] + 1e-9) & (fixed["share"] <= fixed["high"] + 1e-9)).all()
    assert (made["high"] > made["low"]).all()
    assert set(made[made["source"] == AS_READ]["label"]) == {*SKIN, CANNOT_TELL}
    assert {OF_CAPTION, OF_CONCEPT, BALANCE} < set(shares["source"])


def test_what_no_known_drawing_looks_like_is_not_corrected(reading):
    fits = reading["fits"].set_index("guidance_scale")
    assert fits["refused"].to_dict() == {1.0: False, 4.0: True} and (fits["captions"] == 20).all()
    shares = reading["shares"]
    lost = shares[(shares["guidance_scale"] == 4.0) & (shares["source"] == CORRECTED)]
    assert len(lost) == 3 and lost[["share", "low", "high"]].isna().all(axis=None)


def test_readers_say_how_well_they_read_known_and_held_out_concepts(reading):
    readers = reading["readers"]
    assert readers["part"].tolist() == ["concepts to learn from, cross-fitted", "held-out concepts"]
    assert readers["images"].tolist() == [450, 20] and readers["clusters"].tolist() == [50, 20]
    assert (readers["accuracy"] > 0.9).all() and readers["read"].between(0.5, 1).all()
    confusion = reading["confusion"]
    assert confusion.groupby("truth")["share"].sum().tolist() == pytest.approx([1, 1, 1])
    assert confusion["prediction"].unique().tolist() == [*SKIN, CANNOT_TELL]


def test_every_generated_image_has_its_reading(reading):
    found = reading["readings"]
    assert found.columns.tolist() == ["caption", "image", "guidance_scale", "tone"] and len(found) == 240
    assert not found.duplicated(["caption", "image", "guidance_scale"]).any() and found["image"].max() == 5
    counted = found[found["guidance_scale"] == 1.0]["tone"].value_counts(normalize=True)
    shares = reading["shares"].query("guidance_scale == 1 and source == @AS_READ").set_index("label")["share"]
    assert counted["dark"] == pytest.approx(shares["dark"])


def test_an_attribute_of_one_class_cannot_be_read():
    table = pd.DataFrame({"caption": "a", "cluster": [f"c{k}" for k in range(6)], "tone": "none"})
    images = torch.zeros(6, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"tone has the classes \['none'\]; reading it needs two at least"):
        read_people((images, table), (None, table[:0]), {}, ["a"], ("tone",), seed=0)
