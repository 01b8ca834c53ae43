"""What things are called, from tables made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from stablerep.corpus.naming import called, marked, plainest


def part(rows, columns):
    table = pd.DataFrame(rows, columns=columns)
    return SimpleNamespace(table=table, where=lambda mask: table[mask])


def test_the_plainest_caption_names_neither_tone_nor_gender_where_one_does_not():
    people = part(
        [("beard", "man: beard", 0, "man"), ("beard", "person: beard", 0, "person"), ("beard", "person: beard: dark", 5, "person"),
         ("santa", "Santa Claus", 0, "man"), ("santa", "Santa Claus: light", 1, "man"), ("owl", "owl", 0, "")],
        ["concept", "caption", "skin_tone", "gender"],
    )  # fmt: skip
    assert marked(people.table).tolist() == [1, 0, 1, 1, 2, 0]
    shown, column, names = plainest(people, "concept")
    assert (column, names) == ("concept", {"beard": "person: beard", "owl": "owl", "santa": "Santa Claus"})
    assert shown["caption"].tolist() == ["person: beard", "Santa Claus", "owl"]


def test_of_plain_captions_the_shortest_and_no_caption_twice():
    things = part([("a", "long name"), ("a", "name"), ("b", "name"), ("c", "x"), ("c", "y")], ["concept", "caption"])
    assert plainest(things, "concept")[2] == {"a": "name", "c": "x"}


def test_classes_are_called_by_captions_that_are_theirs_alone():
    photos = part(
        [("a photo of a cat", "cat"), ("a cat", "cat"), ("an animal", "cat"), ("an animal", "dog"), ("a photo of a dog", "dog"), ("?", None)],
        ["caption", "label"],
    )  # fmt: skip
    assert called(photos, "label", ["cat", "dog", "owl"], repeated=True) == {
        "cat": "a cat",
        "dog": "a photo of a dog",
        "owl": "owl",
    }
    assert called(photos, "label", [1, "dog"], repeated=False) == {1: "1", "dog": "dog"}
