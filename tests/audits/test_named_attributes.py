"""What captions name, and readers that read it: by hand, on the emoji, and on drawings whose tone is plain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.equal_galleries import UNSEEN, caption_groups
from stablerep.audits.named_attributes import attributes_asked, fit_readers, how_well, read_images
from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError
from stablerep.study.experiments.people_images import people_in

ROWS = [  # caption, concept, tone, gender, shows one person
    ("pilot", "pilot", "none", "person", True), ("woman pilot: dark", "pilot", "dark", "woman", True), ("man pilot: light", "pilot", "light", "man", True),
    ("bride: dark", "bride", "dark", "woman", True), ("bride: light", "bride", "light", "woman", True),
    ("zombie woman", "zombie", "none", "woman", True), ("zombie man", "zombie", "none", "man", True),
    ("fist: dark", "fist", "dark", "", False), ("fist", "fist", "none", "", False), ("two women", "family", "none", "woman", False),
    ("handshake", "shake", "mixed", "", False), ("red apple", "apple", "none", "", False),
]  # fmt: skip
TABLE = pd.DataFrame(ROWS, columns=["caption", "concept", "tone", "gender", "person"]).assign(group="all")


def test_what_is_asked_by_hand():
    asked = attributes_asked(TABLE, TABLE[TABLE["person"]], ("tone", "gender"))
    assert asked["tone"].to_dict() == {
        **dict.fromkeys(TABLE["caption"], ""), "woman pilot: dark": "dark", "man pilot: light": "light", "bride: dark": "dark", "bride: light": "light",
    }  # fmt: skip
    assert asked["gender"].to_dict() == {
        **dict.fromkeys(TABLE["caption"], ""), "woman pilot: dark": "woman", "man pilot: light": "man", "zombie woman": "woman", "zombie man": "man",
    }  # fmt: skip
    assert asked.index[~asked["readable"]].tolist() == ["fist: dark", "two women", "handshake"]
    assert asked.loc["woman pilot: dark", ["words", "concept", "group"]].tolist() == [3, "pilot", "all"]


def test_where_captions_name_no_attribute_nothing_is_asked():
    asked = attributes_asked(TABLE, TABLE[:0], ())
    assert asked["readable"].all() and list(asked) == ["concept", "group", "words", "readable"]
    with pytest.raises(InputError, match="attributes has 'age'; captions name tone and gender"):
        attributes_asked(TABLE, TABLE, ("age",))


def test_every_unseen_combination_of_a_person_names_what_is_read(emoji):
    people = people_in(emoji)
    asked = attributes_asked(emoji.table, people.table, emoji.people)
    unseen = asked.loc[caption_groups(emoji)[UNSEEN].captions]
    shown = unseen.index.isin(people.table["caption"])
    assert shown.mean() > 0.5 and (unseen.loc[shown, "readable"]).all() and not unseen.loc[~shown, "readable"].any()
    table = emoji.table.drop_duplicates("caption").set_index("caption")
    read = unseen[unseen["tone"] != ""]
    assert (read["tone"] == table.loc[read.index, "tone"]).all() and len(read) >= 0.9 * shown.sum()


def test_how_well_by_hand_weighs_concepts_alike():
    read = ["dark", "dark", CANNOT_TELL, "light", CANNOT_TELL]
    found = how_well(read, ["dark", "light", "dark", "light", "light"], ["a", "a", "a", "a", "b"])
    assert found["read"] == pytest.approx((0.75 + 0) / 2) and found["accuracy"] == pytest.approx(2 / 3)
    assert (found["images"], found["clusters"]) == (5, 2) and np.isnan(found["low"])  # one concept was read
    nothing = how_well([CANNOT_TELL], ["dark"], ["a"])
    assert nothing["read"] == 0 and np.isnan(nothing["accuracy"])
    assert np.isnan(how_well([], [], [])["read"])


def coloured(tones: list[str], seed: int) -> torch.Tensor:
    """Plain drawings in one of three colours."""
    colours = {"none": (240, 200, 30), "light": (240, 200, 170), "dark": (90, 60, 40)}
    rng = np.random.default_rng(seed)
    images = np.full((len(tones), 3, 32, 32), 255, np.uint8)
    for image, tone in zip(images, tones):
        image[:, 8:24, 8:24] = np.clip(
            np.array(colours[tone])[:, None, None] + rng.integers(-6, 7, (3, 16, 16)), 0, 255
        )
    return torch.from_numpy(images)


def test_plain_tones_are_read_and_what_is_not_asked_is_not():
    tones = ["none", "light", "dark"] * 10
    table = pd.DataFrame({"cluster": [f"c{k // 3}" for k in range(30)], "tone": tones})
    readers, rows = fit_readers(coloured(tones, 0), table, ("tone",))
    assert rows[0]["accuracy"] == 1 and rows[0]["clusters"] == 10 and rows[0]["read"] > 0.9
    asked = pd.DataFrame({"concept": ["c0", "c0", "new"], "tone": ["light", "", "dark"]}, index=["a", "b", "c"])
    captions = ["a", "a", "b", "c"]
    found = read_images(readers, coloured(["light", "dark", "light", "dark"], 1), captions, asked)
    assert found["tone"].tolist() == ["light", "dark", "", "dark"] and found["image"].tolist() == [0, 1, 0, 0]
    with pytest.raises(InputError, match=r"tone has the classes \['light'\]; reading it needs two at least"):
        fit_readers(coloured(["light"] * 6, 0), pd.DataFrame({"cluster": list("abcdef"), "tone": "light"}), ("tone",))
