"""Who is shown: people whose attributes are known, of drawings and of photographs."""

from __future__ import annotations

import pandas as pd

from stablerep.audits.people import KNOWN_CLASSES
from stablerep.study.experiments.people_images import people_in, with_clusters
from tests.study.stand_ins import plain_corpus


def test_people_have_words_for_tones_and_known_genders(emoji):
    people = people_in(emoji)
    assert set(people.table["tone"]) == set(KNOWN_CLASSES["tone"])
    assert set(people.table["gender"]) == set(KNOWN_CLASSES["gender"])
    assert (people.table["tone"] == "none").equals(people.table["skin_tone"] == 0)
    assert people.table["subgroup"].str.startswith("person").all()
    dark = people.table[people.table["caption"] == "woman firefighter: dark skin tone"]
    assert set(dark["tone"]) == {"dark"} and set(dark["gender"]) == {"woman"}


def test_people_of_photographs_are_those_whose_attributes_are_all_known():
    corpus = plain_corpus(12, people=("gender",))
    table = corpus.table.assign(
        gender=corpus.table["gender"].where(corpus.table["number"] % 4 > 1).where(corpus.table["number"] % 4 < 3, "")
    )
    faces = type(corpus)(table, "faces", "faces", corpus.draw, labels=("kind",), people=("gender",))
    assert people_in(faces).table["number"].tolist() == [n for n in range(36) if n % 4 == 2]


def test_pairs_in_two_tones_are_nobody_of_whom_a_tone_is_asked(emoji):
    people = people_in(emoji)
    mixed = emoji.table[emoji.table["tone"] == "mixed"]
    assert mixed["subgroup"].str.startswith("person").any() and not set(mixed["id"]) & set(people.table["id"])


def test_images_are_alone_where_the_cluster_is_a_label(emoji):
    table = pd.DataFrame({"id": ["a", "b"], "caption": "one", "split": "train", "race": ["x", "y"]})
    faces = type(emoji)(table, "faces", "faces", None, labels=("race",), cluster="race", people=("race",))
    assert with_clusters(faces)["cluster"].tolist() == ["a", "b"]
