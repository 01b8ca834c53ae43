"""``stablerep audit``: on a synthetic set, on captioned images and on a pipeline, from the first call to the card."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image
from typer.testing import CliRunner

from stablerep.encoders import EncoderRecipe
from stablerep.generator import Sampling, load_generator
from stablerep.study.audit_card import against as against_module
from stablerep.study.audit_card import inputs
from stablerep.study.audit_card.parts import Number
from stablerep.study.commands.main import app
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from stablerep.synthesis import SynthesisPlan, SyntheticSet, synthesize
from stablerep.training import PretrainingRecipe
from stablerep.views import ViewRecipe
from tests.conftest import TINY_CAPTIONS
from tests.study.book.offline import check_offline
from tests.study.stand_ins import write_photographs

SMALL = ("--sample", "64")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    """Runs and cards of their own; no photographs."""
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("STABLEREP_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def few(emoji, monkeypatch):
    """The embedded corpus, of which some people and food are there."""
    shown = emoji.table["subgroup"].isin(["person-role", "food-fruit"])
    part = emoji.where(shown)
    monkeypatch.setattr(against_module, "embedded", lambda: part)
    monkeypatch.setattr(inputs, "embedded", lambda: part)
    return part


@pytest.fixture(scope="module")
def made(tiny_pipeline, tmp_path_factory) -> Path:
    """A synthetic set of sixteen captions with three images each."""
    folder = tmp_path_factory.mktemp("sets") / "made"
    plan = SynthesisPlan(TINY_CAPTIONS, images_per_caption=3, sampling=Sampling(1.5, steps=2), shard_captions=8)
    synthesize(plan, load_generator(str(tiny_pipeline)), folder, progress=False)
    return folder


def call(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def refused(*arguments) -> str:
    """The one sentence of a call that is turned down."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (sentence,) = result.stderr.splitlines()
    return sentence


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_folder(folder: Path, images: list[tuple[str, np.ndarray]]) -> Path:
    """A folder of images [H, W, 3] with their captions."""
    folder.mkdir(parents=True)
    rows = ["file_name,text"]
    for number, (caption, pixels) in enumerate(images):
        (folder / f"{number}.png").write_bytes(png(pixels))
        rows.append(f'{number}.png,"{caption}"')
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


def photographs(count: int, seed: int = 0, side: int = 40) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8))


def card(folder: Path) -> dict:
    """The JSON of a card whose page says the same, loads nothing and has a text for every image."""
    text = (folder / "card.html").read_text()
    page, data = BeautifulSoup(text, "html.parser"), json.loads((folder / "card.json").read_text())
    every = [n for section in data["sections"].values() for number in section["numbers"] for n in (number, *number["beside"])]  # fmt: skip
    assert len({one["name"] for one in every}) == len(every)
    said = {
        one["name"]: Number(*(one[k] for k in ("name", "title", "value", "unit", "low", "high"))).text for one in every
    }
    assert {tag["data-number"]: tag.get_text() for tag in page.select("[data-number]")} == said
    assert [one["id"] for one in page.select("section")] == list(data["sections"])
    assert check_offline(folder) == []
    assert page.select("script, link, iframe") == [] and not re.search(r"url\(|@import", text)
    assert all(link["href"].startswith("#") and page.select(link["href"]) for link in page.select("a"))
    assert all(image["alt"] and image["src"].startswith("data:") for image in page.select("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.select("svg"))
    return data


def numbers(data: dict) -> dict[str, float]:
    return {n["name"]: n["value"] for section in data["sections"].values() for one in section["numbers"] for n in (one, *one["beside"])}  # fmt: skip


def real_images(folder: Path, made: Path) -> Path:
    """A corpus of the captions of a set: four images of each, the first one a copy of what the set has."""
    whole = SyntheticSet(made).in_memory()
    first = {caption: whole.images[whole.caption_ids == k][0] for k, caption in enumerate(whole.captions)}
    images = [(caption, one.permute(1, 2, 0).numpy()) for caption, one in first.items()]
    images += [(caption, pixels) for k, caption in enumerate(first) for pixels in photographs(3, k, 32)]
    write_folder(folder, images)
    rows = (folder / "metadata.csv").read_text().splitlines()
    (folder / "metadata.csv").write_text("\n".join([rows[0] + ",split", *(row + ",train" for row in rows[1:])]) + "\n")
    return folder


def test_a_synthetic_set_against_a_corpus_that_has_copies_of_it(made, place):
    corpus = real_images(place / "real", made)
    result = call(made, "--against", corpus, *SMALL)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Audit card: audits/made/card.html\nIts numbers: audits/made/card.json\n"
    data = card(place / "audits" / "made")
    found = numbers(data)
    assert (found["what.images"], found["what.captions"], found["flagged.safety"]) == (48, 16, 0)
    assert found["copies.identical"] == pytest.approx(1 / 3) and found["copies.pixels_called"] >= 1 / 3
    assert 1 / 16 <= found["faithfulness.chance"] <= 1 / 10  # of captions of which the half for prototypes has an image
    facts = data["sections"]["what"]["facts"]
    assert (facts["guidance scale w"], facts["denoising steps"], facts["sampler"], facts["seed"]) == (
        "1.5",
        "2",
        "dpm++",
        "0",
    )
    assert facts["fingerprint of the generator"] == SyntheticSet(made).plan["generator"]
    assert facts["width × height, in pixels"] == "32 × 32 (48)" and facts["versions"] == "not recorded"
    assert "declares no attributes of people" in data["sections"]["groups"]["left_out"]

    keys = set(RunStore().list()["key"])
    again = call(made, "--against", corpus, *SMALL)
    assert again.exit_code == 0 and set(RunStore().list()["key"]) == keys and "audit:" not in again.stderr
    assert "The card of the same images in audits/made is replaced." in again.stderr
    assert numbers(card(place / "audits" / "made")) == found


def test_a_folder_of_captioned_images(place):
    pixels = photographs(20)
    images = [(f"photograph {k % 4}", one) for k, one in enumerate(pixels)]
    images += [
        ("photograph 0", pixels[0]),
        ("photograph 1", pixels[0]),
        ("a blank, and <b>", np.full((40, 40, 3), 90, np.uint8)),
    ]
    images += [("small", photographs(1, 5, 12)[0])]
    folder = write_folder(place / "photos", images)
    result = call(folder, *SMALL, "--out", "here")
    assert result.exit_code == 0, result.output
    data = card(place / "here")
    found = numbers(data)
    assert (found["what.images"], found["what.captions"], found["what.shortest_side"]) == (24, 6, 12)
    assert {k: found[f"flagged.{k}"] for k in ("blank", "repeated", "shared", "empty", "small")} == {
        "blank": 1, "repeated": 1, "shared": 3, "empty": 0, "small": 1,
    }  # fmt: skip
    assert all(
        "--against names one" in data["sections"][name]["left_out"] for name in ("copies", "faithfulness", "groups")
    )
    assert any("70 % are for training" in note for note in data["sections"]["what"]["notes"])
    assert "flagged.safety" not in found and str(place) not in json.dumps(data)

    write_folder(place / "others", images[:20])
    assert refused("others", *SMALL, "--out", "here").startswith(
        "here holds the card of other images; name another folder"
    )
    replaced = call("others", *SMALL, "--out", "here", "--overwrite")
    assert replaced.exit_code == 0 and "is replaced." in replaced.stderr
    assert numbers(card(place / "here"))["what.images"] == 20


@pytest.mark.slow
def test_the_embedded_pipeline_is_held_against_what_it_learned_from(few, place):
    small = ("--count", "24", "-l", "2", "--steps", "2", *SMALL)
    (place / "captions.txt").write_text("\n".join(sorted(set(few.to_learn_from().table["caption"]))[:60]))
    planned = call("emoji", "--captions", "captions.txt", *small, "--dry-run")
    assert planned.exit_code == 0, planned.output
    assert (
        "emoji: pipeline, 48 images" in planned.stdout and "from which the embedded generator learned" in planned.stdout
    )
    assert "Of 7 runs 0 exist and 7 would be computed" in planned.stdout
    assert not (place / "runs").exists() and not (place / "audits").exists()

    result = call("emoji", "--captions", "captions.txt", *small)
    assert result.exit_code == 0, result.output
    data = card(place / "audits" / "emoji")
    assert data["sections"]["what"]["facts"]["drawn for this card"] == "48 images of 24 captions"
    assert "torch" in data["sections"]["what"]["facts"]["versions"]
    assert any("held against what it learned from" in note for note in data["sections"]["copies"]["notes"])
    groups = data["sections"]["groups"]
    assert not groups["left_out"], groups
    attributes = {one["name"].split(".")[1] for one in groups["numbers"]}
    assert attributes == {"tone", "gender"} and "Perceived attributes" in groups["opening"]
    assert (
        "Of 7 runs 7 exist and 0 would be computed"
        in call("emoji", "--captions", "captions.txt", *small, "--dry-run").stdout
    )

    (key,) = [key for key in RunStore().list()["key"] if key.startswith("synthesis-")]
    for source in (
        key[:16],
        place / "runs" / key,
    ):  # by key and by folder it is the same set, and nothing is measured again
        again = call(source, *SMALL, "--out", "again", "--overwrite")
        assert again.exit_code == 0 and "audit:" not in again.stderr, again.output
        assert numbers(card(place / "again"))["diversity.ratio"] == numbers(data)["diversity.ratio"]


def test_a_pipeline_folder_draws_captions_of_the_corpus(tiny_pipeline, place):
    corpus = write_folder(place / "real", [(f"photograph {k}", one) for k, one in enumerate(photographs(30))])
    result = call(tiny_pipeline, "--against", corpus, "--count", "5", "-l", "2", "--steps", "2", *SMALL)
    assert result.exit_code == 0, result.output
    (folder,) = (place / "audits").iterdir()
    data = card(folder)
    assert folder.name == tiny_pipeline.parent.name
    assert numbers(data)["what.images"] == 10
    assert "5 captions; 10 are needed" in data["sections"]["faithfulness"]["left_out"]
    made = call(tiny_pipeline, "--against", corpus, "--count", "5", "-l", "2", "--steps", "2", *SMALL, "--dry-run")
    assert "Of 6 runs 6 exist and 0 would be computed." in made.stdout


def test_people_are_read_where_the_corpus_is_of_people_alone(place, monkeypatch):
    """Whatever the captions are: no caption of the corpus has to be among them."""
    monkeypatch.setenv("STABLEREP_DATA", str(write_photographs(place / "data")))
    folder = write_folder(place / "faces", [("a photo of a person", one) for one in photographs(24)])
    result = call(folder, "--against", "fairface64", "--people", "race,gender", *SMALL)
    assert result.exit_code == 0, result.output
    groups = card(place / "audits" / "faces")["sections"]["groups"]
    assert groups["facts"]["images of people"] == "24 of 1 captions"
    assert {one["name"].split(".")[1] for one in groups["numbers"]} == {"race", "gender"}
    assert {one["title"] for one in groups["numbers"] if "gender" in one["name"]} == {
        "gender: Female, as read", "gender: Male, as read", "gender: cannot tell, as read",
    }  # fmt: skip
    assert "people is 'mood'" in refused(folder, "--against", "fairface64", "--people", "mood", "--out", "x")


def test_an_encoder_of_a_run_may_look(made, place):
    store = RunStore()
    recipe = PretrainingRecipe(
        method="simclr", steps=1, views_per_step=4, images_per_caption=1, view=ViewRecipe(size=48),
        encoder=EncoderRecipe(name="test_resnet", stem="published", image_size=48),
    )  # fmt: skip
    run = Study(store).pretraining(ImageSet("made", lambda: SyntheticSet(made).in_memory()), recipe, "test")
    result = call(made, "--encoder", run.key[:18], *SMALL)
    assert result.exit_code == 0, result.output
    assert (
        f"the encoder of {run.key} (simclr, test_resnet, 1 steps)"
        in card(place / "audits" / "made")["made"]["features"]
    )
    assert "there is no complete pre-training 'pretraining-0a'" in refused(made, "--encoder", "pretraining-0a", *SMALL)
    assert f"{run.key} is a run of the step pretraining; a card is of" in refused(run.key)


def test_what_cannot_be_audited_is_refused_in_a_sentence(made, tiny_pipeline, place):
    (place / "pictures").mkdir()
    (place / "pictures" / "1.png").write_bytes(png(photographs(1)[0]))
    assert "pictures holds neither metadata.csv nor metadata.jsonl" in refused("pictures")
    (place / "empty").mkdir()
    assert "empty holds neither metadata.csv" in refused("empty")
    (place / "bare").mkdir()
    (place / "bare" / "1.png").write_bytes(png(photographs(1)[0]))
    (place / "bare" / "metadata.csv").write_text("file_name\n1.png\n")
    assert "no column text or caption and no labels" in refused("bare")
    (place / "notes.txt").write_text("x")
    assert "notes.txt is no .parquet or .tar file" in refused("notes.txt")
    assert refused("nothing").startswith(
        "'nothing' is no run of synthesis, synthetic set or pipeline, and unknown source 'nothing'"
    )
    assert "there is no complete run 'synthesis-0a1b'" in refused("synthesis-0a1b")
    cut = shutil.copytree(made, place / "cut")
    (cut / "set.json").unlink()
    assert "cut has no set.json; it is not a finished synthetic set" in refused(cut)
    (cut / "set.json").write_text("[]")
    assert "the record of the synthetic set cut is damaged" in refused(cut)
    folder = write_folder(place / "photos", [(f"photograph {k}", one) for k, one in enumerate(photographs(20))])
    assert refused(folder, "--against", folder).endswith("such as those that its generator learned from.")
    assert "people is age, but nothing names the corpus" in refused(folder, "--people", "age")
    assert "guidance_scale is 0.5" in refused(tiny_pipeline, "-w", "0.5")
    (place / "taken").mkdir()
    (place / "taken" / "card.html").write_text("mine")
    assert "taken holds a card.html that is no card" in refused(folder, "--out", "taken")
    assert not (place / "audits").exists()


def test_a_damaged_image_is_named(place):
    folder = write_folder(place / "photos", [(f"photograph {k}", one) for k, one in enumerate(photographs(20))])
    (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:300])
    result = call(folder, *SMALL)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("metadata.csv, row 8 (7.png): the image cannot be read")
    assert "Traceback" not in result.stderr and not (place / "audits").exists()


def test_other_images_of_a_corpus_may_be_named_beside(made, place, few):
    """A set that the embedded generator did not draw is held against the emoji only where somebody says so."""
    assert "held against nothing" in call(made, *SMALL, "--dry-run").stdout
    planned = call(made, "--against", "emoji", *SMALL, "--dry-run").stdout
    assert f"held against emoji: {len(few.to_learn_from()):,} images\n" in planned
