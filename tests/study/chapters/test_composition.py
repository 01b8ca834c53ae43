"""Composition: which arms and images are asked, what the tables hold, and the answer to C9 by hand."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.foils import COLOUR, CONTROL, GENDER, KINDS, ORDER, TONE
from stablerep.errors import InputError, MissingError
from stablerep.statistics import differences
from stablerep.study.chapters import compare, composition, resolve, zero_shot
from stablerep.study.chapters.composition import CLAIMED, PAIRS, PLUS, REAL, UNTRAINED
from stablerep.study.experiments import foiled_captions
from stablerep.study.experiments.foiled_captions import INITIAL, KNOWN, NEW, TRAINED, UNSEEN
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.errors import ParameterError
from tests.study.stand_ins import NotingStore, plain_corpus

DESIGNS = ("noto", "twemoji")
PART = "test part"  # of a corpus without designs


def study_of(tmp_path, corpus=None, name="composition", **given):
    p = resolve(name, {"preset": "smoke", "captions": 0, "probe_designs": list(DESIGNS)} | given)
    study = Study(NotingStore(tmp_path / "plan"), p)
    study.corpus = plain_corpus(64, designs=DESIGNS) if corpus is None else corpus
    return p, study


def test_encoders_are_those_of_the_comparison_and_of_zero_shot(tmp_path):
    p, study = study_of(tmp_path / "a", seeds=2)
    asked = composition.ask(p, study)
    assert [(one.arm, one.seed) for one in asked] == [
        (name, seed) for seed in (0, 1) for name in (REAL, CLAIMED, PLUS, UNTRAINED)
    ]
    assert [one.pretraining is None for one in asked[:4]] == [False, False, False, True]
    mine = [(one.parameters, one.inputs) for one in study.store.noted if one.step == "pretraining"]
    q, other = study_of(tmp_path / "b", name="compare", seeds=2, arms=[REAL, CLAIMED, PLUS])
    compare.ask(q, other)
    theirs = [(one.parameters, one.inputs) for one in other.store.noted if one.step == "pretraining"]
    assert mine == theirs and len(mine) == 6
    r, third = study_of(tmp_path / "c", name="zero_shot", guidance_scales=[2.0], seeds=2)
    zero_shot.ask(r, third)
    assert all(one in [(run.parameters, run.inputs) for run in third.store.noted] for one in mine)


def test_the_untrained_space_is_that_of_the_real_arm(tmp_path):
    p, study = study_of(tmp_path)
    composition.ask(p, study)
    asked = [one for one in study.store.noted if one.step == "foiled-captions"]
    assert [one.parameters["weights"] for one in asked] == [TRAINED] * 3 + [INITIAL]
    assert asked[0].inputs == asked[3].inputs and len({one.inputs["encoder"] for one in asked}) == 3
    assert not [one for one in study.store.noted if one.step == "foil-files"]


def test_images_are_of_captions_that_were_read_of_unseen_combinations_and_of_the_part(tmp_path, emoji):
    p, study = study_of(tmp_path, emoji, captions=600)
    captions = study.captions(600)
    parts = foiled_captions.parts_of(p, captions, study)
    assert list(parts) == [KNOWN, UNSEEN, NEW]
    known, unseen, new = (part.table for part, _ in parts.values())
    assert set(known["design"]) == set(unseen["design"]) == {"twemoji"} and set(known["caption"]) <= set(captions.texts)
    learned = set(emoji.to_learn_from().table["caption"])
    assert len(unseen) and not set(unseen["caption"]) & learned and set(unseen["concept"]) <= set(known["concept"])
    assert set(unseen["tone"]) <= {"light", "medium-light", "medium", "medium-dark", "dark"} and set(
        unseen["split"]
    ) == {"train"}
    assert set(new["split"]) == {"test"} and set(new["design"]) == {"twemoji"}
    assert set(parts[KNOWN][1]["caption"]) == set(parts[UNSEEN][1]["caption"]) == set(captions.texts)


def test_validation_and_corpora_without_designs_ask_for_one_part(tmp_path, emoji):
    p, study = study_of(tmp_path, emoji, probe_part="validation")
    ((name, (part, _)),) = foiled_captions.parts_of(p, study.captions(), study).items()
    assert name == "validation part" and not part.table["held_out"].any() and set(part.table["split"]) == {"validation"}
    assert "nothing is asked of the held-out design" in composition.left_out(p, study)
    q, plain = study_of(tmp_path, plain_corpus(12))
    assert list(foiled_captions.parts_of(q, plain.captions(), plain)) == [PART]
    assert (
        "no held-out design" in composition.left_out(q, plain)
        and composition.left_out(*study_of(tmp_path, emoji)) == ""
    )


def test_foils_of_the_emoji_are_of_every_kind_and_read(tmp_path, emoji):
    p, study = study_of(tmp_path, emoji)
    captions = study.captions()
    found = {
        name: foils
        for name, _, foils in foiled_captions.foils_in(foiled_captions.parts_of(p, captions, study), "concept", study)
    }
    known = found[KNOWN].dropna(subset=["foil"])
    assert set(known["kind"]) == {*KINDS, CONTROL}
    assert set(known[known["kind"] != ORDER]["foil"]) <= set(captions.texts)
    assert {TONE, GENDER} <= set(found[UNSEEN]["kind"]) and set(found[NEW]["kind"]) >= {
        TONE,
        GENDER,
        COLOUR,
        ORDER,
        CONTROL,
    }


class Reading:
    """A space in which a caption lies where its picture does: pictures are of one grey, the number of their row, and captions know it."""

    def __init__(self, table: pd.DataFrame, *, sees: bool = True) -> None:
        self.sees, self.angle = (
            sees,
            {row.caption: self.of(row.number) for row in table.drop_duplicates("caption").itertuples()},
        )

    @staticmethod
    def of(number: int) -> float:
        return float(number % 256) / 256 * 6

    def backbone_of(self):
        class Grey(torch.nn.Module):
            def forward(self, images):
                from stablerep.audits.colours import pixels_of

                angle = pixels_of(images).mean((1, 2, 3)) * 255 / 256 * 6
                return torch.stack([torch.cos(angle), torch.sin(angle)], 1)

        return Grey()

    @property
    def backbone(self):
        return self.backbone_of()

    def images(self, features):
        return features if self.sees else torch.ones_like(features)

    def texts(self, captions):
        angle = torch.tensor([self.angle.get(one, 3.0) for one in captions])
        return torch.stack([torch.cos(angle), torch.sin(angle)], 1)


def corpus_of_hearts():
    """Hearts in five colours and three sizes; both designs have one grey for a caption, and another for each."""
    corpus = plain_corpus(15, designs=DESIGNS)
    colours, sizes = ("red", "blue", "green", "black", "white"), ("small", "large", "old")
    names = [f"{size} {colour} heart" for colour in colours for size in sizes]
    table = corpus.table
    order = table.groupby("split", sort=False).cumcount() // len(DESIGNS)
    part = {"train": "", "validation": " of tin", "test": " of stone"}
    table["caption"] = [names[k] + part[split] for k, split in zip(order, table["split"])]
    table["number"] = pd.factorize(table["caption"])[0] * 5
    return corpus


@pytest.mark.parametrize("sees", [True, False])
def test_an_encoder_that_sees_is_always_right_and_one_that_does_not_is_at_chance_as_its_texts(tmp_path, sees):
    p, study = study_of(tmp_path, corpus_of_hearts(), camera=0.0)
    about = study.corpus.table
    study.corpus.table["held_out"] = about["design"] == "twemoji"
    shares = foiled_captions.ask_foils(Reading(about, sees=sees), p, study.captions(), study, tmp_path)
    items, foils = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("results", "foils"))
    probe = f"{COLOUR}, {KNOWN}"
    mine = items[items["probe"] == probe]
    assert len(mine) == 15 and set(mine["images_of"]) == {KNOWN} and mine["id"].str.startswith("twemoji/").all()
    assert shares[probe] == mine["correct"].mean()
    if sees:
        assert (mine["correct"] == 1).all() and mine["text_alone"].mean() < 0.8
    else:
        assert (mine["correct"] == mine["text_alone"]).all()
    row = foils[(foils["images_of"] == KNOWN) & (foils["kind"] == COLOUR)].iloc[0]
    assert row["images"] == row["captions"] == 15 and row["left_out"] == 0 and row["foil"] in set(about["caption"])
    assert not items[["cluster", "kind"]].isna().any(axis=None)


def test_foils_that_equal_drawings_show_are_left_out(tmp_path):
    """Two colours whose hearts are of one grey: neither is a foil of the other, and where there are no others the image is not asked about."""
    corpus = corpus_of_hearts()
    corpus.table["held_out"] = corpus.table["design"] == "twemoji"
    corpus.table["number"] = 7
    p, study = study_of(tmp_path, corpus, camera=0.0)
    foiled_captions.ask_foils(Reading(corpus.table), p, study.captions(), study, tmp_path)
    foils = pd.read_parquet(tmp_path / "foils.parquet").set_index(["images_of", "kind"])
    assert foils.loc[(KNOWN, COLOUR), ["images", "left_out"]].tolist() == [0, 15]
    assert foils.loc[(KNOWN, ORDER), "images"] == 15


# Files


@pytest.fixture
def aro(tmp_path, monkeypatch):
    from PIL import Image

    folder = tmp_path / "aro"
    monkeypatch.setenv("STABLEREP_PATHS", str(tmp_path))
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (20, 20), (200, 30, 30)).save(folder / "images" / "1.png")
    rows = [
        {"image_path": f"{k}.png", "bbox_x": 0, "bbox_y": 0, "bbox_w": 10, "bbox_h": 10, "true_caption": f"a {k}", "false_caption": "b",
         "relation_name": "on"}
        for k in (1, 1, 2)
    ]  # fmt: skip
    (folder / "visual_genome_relation.json").write_text(json.dumps(rows))
    return folder


def test_files_are_asked_of_every_arm_and_name_the_pages_inputs(tmp_path, aro):
    p, study = study_of(tmp_path, files=str(aro))
    asked = composition.ask(p, study)
    noted = [one for one in study.store.noted if one.step == "foil-files"]
    assert [one.parameters["weights"] for one in noted] == [TRAINED] * 3 + [INITIAL] and all(one.files for one in asked)
    assert (
        composition.sources(p) == {"files": noted[0].inputs["files"]}
        and composition.sources(resolve("composition", {})) == {}
    )
    with pytest.raises(MissingError, match="files is 'notebooks/none'"):
        composition.ask(*study_of(tmp_path, files="notebooks/none"))


def test_a_folder_elsewhere_must_be_allowed(tmp_path, monkeypatch):
    for name in ("STABLEREP_DATA", "STABLEREP_PATHS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="files is '/usr': it lies outside the project and the current folder"):
        resolve("composition", {"files": "/usr"})


def test_what_is_read_of_files_and_what_is_missing(tmp_path, aro):
    p, study = study_of(tmp_path, files=str(aro))
    table = pd.DataFrame({"caption": ["a 1", "b"], "number": [50, 100]})
    foiled_captions.ask_files(Reading(table), str(aro), 0, study, tmp_path)
    items, files = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("results", "files"))
    assert items[["probe", "cluster", "group", "chance"]].drop_duplicates().values.tolist() == [
        ["VG-Relation", "1.png", "on", 0.5]
    ]
    assert items["id"].tolist() == ["VG-Relation/0", "VG-Relation/1"]
    assert files[["probe", "questions", "missing", "pictures"]].values.tolist() == [["VG-Relation", 2, 1, 1]]
    (aro / "images" / "1.png").unlink()
    assert foiled_captions.ask_files(Reading(table), str(aro), 0, study, tmp_path) == {}


# Tables and the answer


def items(shares: dict[str, tuple[float, float]], *, seeds: int = 5, images_of: str = KNOWN) -> pd.DataFrame:
    """What share of ten questions of each of 60 concepts CLIP on synthetic and on real images answers, by kind; StableRep+ as the former."""
    rng, rows = np.random.default_rng(0), []
    for kind, (synthetic, real) in shares.items():
        for arm, share in ((REAL, real), (CLAIMED, synthetic), (PLUS, synthetic), (UNTRAINED, 0.5)):
            right = (share + 0.1 * rng.normal(size=(seeds, 60))).clip(0, 1).round(1)
            rows += [
                {"arm": arm, "seed": seed, "views": 100 * (arm != UNTRAINED), "images_of": images_of, "kind": kind, "probe": f"{kind}, {images_of}",
                 "id": f"{c}/{k}", "cluster": f"c{c}", "correct": float(k < 10 * right[seed, c]), "text_alone": 0.5, "tie": False, "chance": 0.5}
                for seed in range(seeds) for c in range(60) for k in range(10)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def asked_of(some: pd.DataFrame) -> list[composition.Asked]:
    about = some.groupby(["images_of", "kind"], as_index=False, sort=False).size()
    asked = []
    for (arm, seed), part in some.groupby(["arm", "seed"], sort=False):
        tables = {"results": part.drop(columns=["arm", "seed", "views"]), "foils": about}
        run = SimpleNamespace(table=lambda name="results", tables=tables: tables[name])
        asked.append(composition.Asked(arm, seed, None, run, None))
    return asked


def tables_of(shares, **options) -> dict[str, pd.DataFrame]:
    return composition.compute(resolve("composition", {}), asked_of(items(shares, **options)))


def test_tables_have_every_arm_kind_and_pair():
    tables = tables_of({TONE: (0.8, 0.6), CONTROL: (0.9, 0.9)}, seeds=3)
    assert set(tables) == {"accuracy", "differences", "seeds", "foils"}
    assert len(tables["accuracy"]) == 8 and len(tables["differences"]) == 2 * len(PAIRS)
    for name in ("accuracy", "differences", "seeds"):
        assert set(tables[name]["kind"]) == {TONE, CONTROL} and set(tables[name]["images_of"]) == {KNOWN}
    expected = differences(items({TONE: (0.8, 0.6), CONTROL: (0.9, 0.9)}, seeds=3), PAIRS)
    pd.testing.assert_frame_equal(tables["differences"][list(expected)], expected)
    headline = composition.HEADLINE.rows(tables)
    assert len(headline["rows"]) == 8 and composition.shown_images(tables) == KNOWN


MIXED = {TONE: (0.85, 0.65), GENDER: (0.65, 0.85)}


@pytest.mark.parametrize(
    ("shares", "word"),
    [
        (MIXED, "reproduced"),
        ({kind: shares[::-1] for kind, shares in MIXED.items()}, "reproduced"),
        ({TONE: (0.85, 0.65), GENDER: (0.85, 0.65)}, "contradicted"),
        ({TONE: (0.65, 0.85), GENDER: (0.65, 0.85)}, "contradicted"),
        ({TONE: (0.85, 0.65), GENDER: (0.75, 0.75)}, "undecided"),
        ({TONE: (0.85, 0.65), CONTROL: (0.65, 0.85)}, "not testable at this scale"),  # the control is no kind of the claim
    ],
)  # fmt: skip
def test_the_answer_follows_the_directions(shares, word):
    (answer,) = composition.verdict(tables_of(shares))
    assert (answer.claim, answer.word) == ("C9", word) and not answer.why.endswith(".")
    assert bool(answer.effects) == (word != "not testable at this scale") and (answer.p == answer.p) == (
        word in ("reproduced", "contradicted")
    )
    assert answer.lines and answer.lines[0].startswith(f"Beside it, {PLUS} against {REAL}: {word}")


def test_equal_arms_are_equivalent():
    same = items({TONE: (0.8, 0.8), GENDER: (0.7, 0.7)})
    twin = same[same["arm"] == REAL]
    both = pd.concat([same[same["arm"] == UNTRAINED], twin, twin.assign(arm=CLAIMED), twin.assign(arm=PLUS)])
    (answer,) = composition.verdict(composition.compute(resolve("composition", {}), asked_of(both)))
    assert answer.word == "equivalent"


def test_other_images_few_seeds_and_a_missing_arm_decide_nothing():
    for tables in (tables_of(MIXED, images_of=NEW), tables_of(MIXED, seeds=2)):
        (answer,) = composition.verdict(tables)
        assert answer.word == "not testable at this scale" and not answer.effects
    lacking = tables_of(MIXED) | {"differences": tables_of(MIXED)["differences"][:0]}
    assert "were asked about by both arms" in composition.verdict(lacking)[0].why
    assert composition.shown_images(tables_of(MIXED, images_of=NEW)) == NEW


def test_captions_of_which_no_foil_can_be_made_are_told(tmp_path):
    corpus = plain_corpus(6)
    corpus.table["caption"] = "owl"
    p, study = study_of(tmp_path, corpus)
    with pytest.raises(InputError, match="whose captions have no foils"):
        foiled_captions.ask_foils(Reading(corpus.table), p, study.captions(), study, tmp_path)
