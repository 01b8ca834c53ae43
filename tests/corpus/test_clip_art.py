"""The embedded clip art: what is there, whose it is, and where the splits fall."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.corpus import SPLITS, load_corpus
from stablerep.corpus.clip_art import COLUMNS, DATA, manifest, read_drawings, stem_of
from stablerep.corpus.drawing import draw_svg


@pytest.fixture(scope="module")
def clip_art():
    return load_corpus("clip-art")


def test_drawings_are_those_of_the_manifest(clip_art):
    assert len(clip_art) == manifest()["drawings"] == sum(manifest()["classes"].values()) >= 1000
    assert clip_art.table["label"].value_counts().to_dict() == manifest()["classes"]
    assert tuple(clip_art.table.columns) == COLUMNS and clip_art.table["id"].is_unique
    assert clip_art.name == "clip-art" and re.fullmatch("[0-9a-f]{16}", clip_art.fingerprint)
    assert 10 <= len(manifest()["classes"]) <= 25 and min(manifest()["classes"].values()) >= 25


def test_files_are_those_of_the_manifest_and_small():
    for name, digest in manifest()["sha256"].items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest, name
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 1_200_000


def test_every_drawing_is_in_the_public_domain():
    assert sum(manifest()["licences"].values()) == manifest()["drawings"]
    assert all("publicdomain" in licence.lower() for licence in manifest()["licences"])
    text = (DATA / "LICENSE-openclipart.txt").read_text(encoding="utf-8")
    assert re.search(r"^Licence: public domain \(http", text, re.MULTILINE)
    assert f"Drawings used: {manifest()['drawings']}\n" in text
    package = manifest()["package"]
    assert f"{package['name']} {package['version']}, sha256 {package['sha256']}\n" in text


def test_drawings_left_out_are_counted_by_reason():
    left_out = manifest()["left_out"]
    assert left_out["metadata do not say public domain"] == 72
    assert manifest()["drawings"] + sum(left_out.values()) == 8121


def test_captions_and_authors_are_words(clip_art):
    table = clip_art.table
    assert table["caption"].str.contains("[a-z]{2}", regex=True).all()
    assert (table["caption"] == table["caption"].str.strip()).all()
    assert not table["caption"].str.contains(r"_|hash\(|0x|clipart by|aiga|\.svg").any()
    assert table["author"].str.strip().ne("").all()
    assert not table["author"].str.contains("[@<]", regex=True).any()


def test_every_class_is_in_every_split(clip_art):
    counts = pd.crosstab(clip_art.table["label"], clip_art.table["split"])
    assert set(counts) == set(SPLITS)
    assert (counts["train"] >= 10).all() and (counts["test"] >= 3).all() and (counts["validation"] >= 1).all()
    shares = clip_art.table["split"].value_counts(normalize=True)
    assert abs(shares["train"] - 0.7) < 0.05 and abs(shares["test"] - 0.2) < 0.05


def test_variants_of_a_title_are_on_one_side(clip_art):
    assert clip_art.table.groupby(clip_art.table["caption"].map(stem_of))["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("caption", "stem"),
    [
        ("tree 01", "tree"),
        ("tree, plant, green", "tree"),
        ("Green trees (2)", "tree"),
        ("ice cream cone (4 scoop) b and w, food", "ice cream cone"),
        ("red, colour", "red"),  # nothing but a colour: it is the name
        ("dress", "dress"),
        ("gas bus", "gas bus"),
        ("x", "x"),
    ],
)
def test_stems_in_closed_form(caption, stem):
    assert stem_of(caption) == stem


@given(st.sampled_from([row["caption"] for row in read_drawings().values()]), st.integers(0, 99))
def test_a_number_or_further_keywords_never_change_a_stem(caption, number):
    title = caption.split(",")[0]
    assert stem_of(title) == stem_of(caption) == stem_of(f"{title} {number:02d}, more")


def test_drawings_carry_no_metadata_and_draw_alone():
    for name, row in read_drawings().items():
        assert set(row) == {"label", "caption", "keywords", "author", "svg"}
        assert row["svg"].startswith("<svg ") and row["svg"].endswith("</svg>"), name
        assert not re.search(r"inkscape|sodipodi|adobe|<metadata|rdf:|<image|<text|data:|href=\"(?!#)", row["svg"]), (
            name
        )


def test_images_are_visible_and_the_same_each_time(clip_art, tmp_path, monkeypatch):
    images = clip_art.images(32)
    assert images.shape == (len(clip_art), 3, 32, 32) and str(images.dtype) == "torch.uint8"
    assert (images.amin((1, 2, 3)) <= 200).all()
    monkeypatch.setenv("STABLEREP_CACHE", str(tmp_path))  # drawn anew
    assert (clip_art.images(32) == images).all()
    some = clip_art.where(clip_art.table["label"] == "birds")
    svg = read_drawings()[some.table["id"].iloc[3]]["svg"]
    np.testing.assert_array_equal(some.images(32)[3].permute(1, 2, 0).numpy(), draw_svg(svg, 32))
    assert some.fingerprint != clip_art.fingerprint == load_corpus("clip-art").fingerprint


def test_no_two_drawings_look_alike(clip_art):
    grey = clip_art.images(64).float().mean(1).reshape(-1, 16, 4, 16, 4).mean((2, 4)).flatten(1)
    grey = grey - grey.mean(1, keepdim=True)
    grey = grey / grey.norm(dim=1, keepdim=True)
    alike = (grey @ grey.T).fill_diagonal_(0)
    assert alike.max() <= 0.9701


def test_options_of_other_sources_are_refused():
    with pytest.raises(ValueError, match="unknown option for the clip art: resplit"):
        load_corpus("clip-art", resplit=True)
    with pytest.raises(ValueError, match="designs and flags choose among the emoji"):
        load_corpus("clip-art", designs=["noto"])
    with pytest.raises(ValueError, match="did you mean 'clip-art'"):
        load_corpus("clipart")
