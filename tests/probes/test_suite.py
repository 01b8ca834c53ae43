"""The suite of probes on made-up corpora with and without labels and designs, and on the emoji."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.errors import InputError
from stablerep.probes import knn_probe, linear_probe
from stablerep.probes.nearest import few_shot_across_designs, one_shot_across_designs
from stablerep.probes.suite import COLUMNS, evaluate

KINDS = ("red", "green", "blue")


@dataclass(frozen=True)
class Coloured:
    """A corpus as the suite sees it: every image is plain, in the colour of its kind, darker or lighter."""

    table: pd.DataFrame
    labels: tuple[str, ...] = ("kind",)
    cluster: str = "thing"
    designs: tuple[str, ...] = ()
    name: str = "colours"
    on_demand: bool = False

    def where(self, mask):
        return replace(self, table=self.table[np.asarray(mask)].reset_index(drop=True))

    def images(self, size):
        images = torch.zeros(len(self.table), 3, size, size, dtype=torch.uint8)
        for i, (kind, level) in enumerate(zip(self.table["colour"], self.table["level"])):
            images[i, KINDS.index(kind)] = level
        return Slices(images) if self.on_demand else images


class Slices:
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, place):
        assert isinstance(place, slice)
        return self.images[place]


class Mean(torch.nn.Module):
    """An encoder without weights: the mean colour."""

    def forward(self, x):
        return x.mean((2, 3))


def rows(per_kind=(6, 2, 3), designs=("",), **columns) -> pd.DataFrame:
    """Things of three kinds in three parts, each drawn in every design."""
    found = []
    for kind in KINDS:
        for split, count in zip(("train", "validation", "test"), per_kind):
            for k in range(count):
                for d, design in enumerate(designs):
                    thing = f"{kind}-{split}-{k}"
                    found.append({
                        "id": f"{design}/{thing}" if design else thing, "split": split, "thing": thing, "kind": kind, "colour": kind,
                        "level": 100 + 20 * k + 3 * d, "design": design,
                    })  # fmt: skip
    table = pd.DataFrame(found).assign(**columns)
    return table if designs != ("",) else table.drop(columns="design")


def test_a_corpus_with_labels_alone_has_linear_probes_and_neighbours():
    corpus = Coloured(rows(), labels=("warm", "kind"))
    corpus = replace(corpus, table=corpus.table.assign(warm=corpus.table["kind"] == "red"))
    items = evaluate(Mean(), corpus, 8, part="test")
    assert list(items.columns) == COLUMNS
    assert list(items["probe"].unique()) == ["linear warm", "linear kind", "knn kind"]  # neighbours for the last label
    assert items["correct"].all() and (items["design"] == "").all()
    test = corpus.table[corpus.table["split"] == "test"]
    for _, part in items.groupby("probe"):
        assert part["id"].tolist() == test["id"].tolist() and part["cluster"].tolist() == test["thing"].tolist()
    assert set(items[items["probe"] == "linear warm"]["truth"]) == {"True", "False"}  # classes are text


def test_what_the_suite_gives_can_be_stored():
    corpus = Coloured(rows().assign(number=range(33)), labels=("number", "kind"))
    corpus = replace(corpus, table=corpus.table.assign(number=corpus.table["number"] % 2))
    evaluate(Mean(), corpus, 8, part="test").to_parquet(io.BytesIO())


def test_designs_alone_are_asked_once_shot_and_named_by_the_cluster():
    corpus = Coloured(rows(designs=("ink", "chalk")), labels=(), designs=("ink", "chalk"))
    items = evaluate(Mean(), corpus, 8, part="test")
    assert set(items["probe"]) == {"one-shot thing", "few-shot thing"} and len(items) == 2 * 2 * 9
    assert set(items["id"].str.split("/").str[0]) == {"ink", "chalk"} and (items["prediction"] == "").all()
    assert (items["truth"] == items["cluster"]).all()


def test_one_design_is_not_asked_across_designs():
    corpus = Coloured(rows(designs=("ink", "chalk")), designs=("ink", "chalk"))
    one = corpus.where(corpus.table["design"] == "ink")
    items = evaluate(Mean(), one, 8, part="test")
    assert set(items["probe"]) == {"linear kind", "knn kind"} and set(items["design"]) == {"ink"}


def test_one_image_stands_for_a_thing_in_a_design():
    """The one whose id is DESIGN/THING, else the first by id; variants in other levels are not asked."""
    table = rows(designs=("ink", "chalk"))
    variants = table.assign(id=table["id"] + "-variant", level=10)
    bare = table[~table["thing"].str.endswith("-1")]  # things of number 1 have only variants
    corpus = Coloured(pd.concat([variants, bare], ignore_index=True), labels=(), designs=("ink", "chalk"))
    items = evaluate(Mean(), corpus, 8, part="test")
    kept = pd.concat([bare, variants[variants["thing"].str.endswith("-1")]], ignore_index=True)
    pd.testing.assert_frame_equal(
        items.sort_values("id", ignore_index=True),
        evaluate(Mean(), replace(corpus, table=kept), 8, part="test").sort_values("id", ignore_index=True),
    )


def test_nothing_to_ask_is_refused_with_what_is_needed():
    for corpus in (Coloured(rows(), labels=()), Coloured(rows(designs=("ink",)), labels=(), designs=("ink",))):
        with pytest.raises(InputError, match="colours has no label and fewer than two designs; its probes need"):
            evaluate(Mean(), corpus, 8, part="test")


def test_images_without_a_label_take_no_part():
    table = rows()
    lost = table["thing"].isin(["red-test-0", "blue-train-1"])
    items = evaluate(Mean(), Coloured(table.assign(kind=table["kind"].where(~lost))), 8, part="test")
    assert "red-test-0" not in set(items["id"]) and len(items) == 2 * 8
    with pytest.raises(InputError, match="no image has a kind"):
        evaluate(Mean(), Coloured(table.assign(kind=None)), 8, part="test")


def test_a_part_that_is_not_named_is_made_or_asked_for():
    items = evaluate(
        Mean(), Coloured(rows((8, 0, 3))), 8, part="test"
    )  # every fifth training image of a kind validates
    assert len(items) == 2 * 9 and items["correct"].all()
    with pytest.raises(InputError, match="it needs a training part and one to test on"):
        evaluate(Mean(), Coloured(rows((8, 0, 0))), 8, part="test")


def test_images_on_demand_have_the_same_answers():
    corpus = Coloured(rows(designs=("ink", "chalk")), designs=("ink", "chalk"))
    pd.testing.assert_frame_equal(
        evaluate(Mean(), replace(corpus, on_demand=True), 8, part="test"), evaluate(Mean(), corpus, 8, part="test")
    )


def test_choices_see_validation_alone():
    """Answers about validation items are those of a corpus that has no test part, nor anything held out."""
    table = rows((8, 3, 4), designs=("ink", "chalk", "oil")).assign(held_out=lambda table: table["design"] == "oil")
    corpus = Coloured(table, designs=("ink", "chalk", "oil"))
    items = evaluate(Mean(), corpus, 8, part="validation")
    kept = corpus.where((table["split"] != "test") & ~table["held_out"])
    pd.testing.assert_frame_equal(items, evaluate(Mean(), kept, 8, part="validation"))
    assert set(items["design"]) == {"ink", "chalk"} and set(items["cluster"].str.split("-").str[1]) == {"validation"}


def test_what_is_held_out_fits_no_probe_and_is_asked_for():
    table = rows((8, 3, 4), designs=("ink", "oil")).assign(held_out=lambda table: table["design"] == "oil")
    # of the design that is held out, training images are in another colour than their kind: who learned from them is wrong
    lying = table.assign(
        colour=table["colour"].where(
            ~table["held_out"] | (table["split"] == "test"),
            table["colour"].map(dict(zip(KINDS, KINDS[1:] + KINDS[:1]))),
        )
    )
    items = evaluate(Mean(), Coloured(lying, designs=("ink", "oil")), 8, part="test")
    labelled = items[items["probe"].isin(["linear kind", "knn kind"])]
    assert set(labelled["design"]) == {"ink", "oil"} and labelled["correct"].all()


@pytest.mark.parametrize("lacking", ["", "test"])
def test_what_is_held_out_and_not_asked_for_is_not_looked_at(lacking):
    table = rows((8, 3, 4), designs=("ink", "oil")).assign(held_out=lambda table: table["design"] == "oil")
    table = table[table["split"] != lacking].reset_index(drop=True)
    seen = []

    class Counting(Mean):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    evaluate(
        Counting(), Coloured(table, labels=("kind",), designs=("ink", "oil") if not lacking else ()), 8, part="test"
    )
    # without a test part the validation part is asked for
    assert sum(seen) == 3 * ((8 + 3) + 4 * 2 if not lacking else 8 + 3 * 2)


def test_the_part_is_asked_for_by_name():
    with pytest.raises(InputError, match="part is 'train'; it is test or validation"):
        evaluate(Mean(), Coloured(rows()), 8, part="train")
    with pytest.raises(TypeError):
        evaluate(Mean(), Coloured(rows()), 8)


def test_emoji_are_asked_as_the_study_says(emoji):
    """Against the probes called by hand, on one emoji without skin tone for each concept in two designs."""
    part = emoji.where(emoji.table["design"].isin(["noto", "emojione"]))
    table = part.table.assign(row=range(len(part)))
    own = table[table["skin_tone"] == 0].assign(variant=lambda t: t["emoji"] != t["concept"])
    first = own.sort_values(["variant", "emoji"]).drop_duplicates(["concept", "design"])
    chosen = part.where(table["row"].isin(first["row"]))
    table, colours = chosen.table, Mean()(chosen.images(8).float() / 255)

    class Colours(torch.nn.Module):
        """The mean colour as it was before the views were normalized."""

        def __init__(self):
            super().__init__()
            self.place = 0

        def forward(self, views):
            self.place += len(views)
            return colours[self.place - len(views) : self.place]

    items = evaluate(Colours(), part, 8, part="test")
    place = {s: (table["split"] == s).to_numpy().nonzero()[0].tolist() for s in ("train", "validation", "test")}
    features = {s: colours[rows] for s, rows in place.items()}
    for label in ("group", "subgroup"):
        labels = {s: table[label].iloc[rows].tolist() for s, rows in place.items()}
        by_hand = linear_probe(features, labels)
        mine = items[items["probe"] == f"linear {label}"]
        assert mine["prediction"].tolist() == by_hand["prediction"].tolist()
        assert mine["id"].tolist() == table["id"].iloc[place["test"]].tolist()
    by_hand = knn_probe(features["train"], labels["train"], features["test"], labels["test"])
    assert items[items["probe"] == "knn subgroup"]["prediction"].tolist() == by_hand["prediction"].tolist()
    test = table.iloc[place["test"]]
    given = features["test"], test["concept"].tolist(), test["design"].tolist()
    for probe, shot in (("one-shot", one_shot_across_designs(*given)), ("few-shot", few_shot_across_designs(*given))):
        mine = items[items["probe"] == f"{probe} concept"]
        assert mine["correct"].tolist() == shot["correct"].tolist()
        assert mine["cluster"].tolist() == shot["concept"].tolist()
