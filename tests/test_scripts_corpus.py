"""The scripts that build the embedded corpus and write its card."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import lzma
import tarfile
from pathlib import Path

import numpy as np
import pytest

from stablerep.corpus.drawing import draw_svg

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

SUN = '<circle cx="5" cy="5" r="4" fill="orange"/>'
SUNS = [SUN.replace("orange", colour) for colour in ("gold", "tan", "coral", "khaki")]  # others: a drawing counts once
LEFT = '<path d="M0 0h5v10h-5z" fill="red"/>'  # the left half of a square of 10
CORNER = '<path d="M0 0h5v5h-5z" fill="red"/>'  # its upper left quarter
SUNNY, MOON, HEART, HANDS = "2600", "1F319", "2764", "1F91D"
WALK, WALK_RIGHT, WAVE, WAVE_DARK = "1F6B6", "1F6B6-200D-27A1", "1F44B", "1F44B-1F3FF"


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def icons_of(icons: dict, chars: dict, aliases: dict | None = None, **size) -> dict:
    """The files of one package of icons, in the layout of iconify."""
    return {
        "package/icons.json": {
            "icons": {name: icon if isinstance(icon, dict) else {"body": icon} for name, icon in icons.items()},
            "aliases": aliases or {},
            "width": 10,
            "height": 10,
            **size,
        },
        "package/chars.json": chars,
        "package/info.json": {
            "name": "Tiny",
            "author": {"name": "A. Painter", "url": "https://example.org/tiny"},
            "license": {"title": "MIT", "spdx": "MIT", "url": "https://example.org/licence"},
        },
    }


def label(hexcode: str, text: str, **more) -> dict:
    return {"hexcode": hexcode, "label": text, "tags": [text], "group": 0, "subgroup": 0, **more}


EMOJI = [
    label(SUNNY + "-FE0F", "sun"),
    label(MOON, "crescent moon"),
    label(HEART, "red heart"),
    label(WALK, "person walking"),
    label(WALK_RIGHT, "person walking facing right"),
    label(WAVE, "waving hand", skins=[label(WAVE_DARK, "waving hand: dark skin tone", tone=5, tags=None)]),
    label(
        HANDS,
        "handshake",
        skins=[
            label(f"{HANDS}-1F3FB", "handshake: light skin tone", tone=1),
            label("1FAF1-1F3FB-200D-1FAF2-1F3FF", "handshake: light skin tone, dark skin tone", tone=[1, 5]),
            label("1FAF1-1F3FD-200D-1FAF2-1F3FD", "handshake: medium skin tone, medium skin tone", tone=[3, 3]),
        ],
    ),
    {"hexcode": "1F1E6", "label": "regional indicator A"},
]
FILES = {
    "@iconify-json/noto": icons_of({"sun": SUN, "broken": "<path d=", "white": '<path d="M0 0h9v9z" fill="#fff"/>', "odd": SUN},
                                   {"2600-fe0f": "sun", "1f319": "broken", "2764": "white", "e50a": "odd"}),
    "@iconify-json/twemoji": icons_of(
        {"sun": SUNS[0], "wave": SUNS[1], "moon": SUN, "hands": f"<g>{SUNS[0]}</g>"},
        {"2600": "sun", "1f44b": "wave", "1f319": "moon", "1f91d": "hands"},
    ),
    "@iconify-json/fluent-emoji-flat": icons_of(
        {"walk": LEFT, "heart": CORNER},
        {"1f6b6": "walk", "1f6b6-200d-27a1": "walk-right", "2764": "heart", "1f319": "heart-turned"},
        {"walk-right": {"parent": "walk", "hFlip": True}, "heart-turned": {"parent": "heart", "rotate": 1}},
    ),
    # No table of code points of its own: it shares its names with the flat design.
    "@iconify-json/fluent-emoji": icons_of({"walk": LEFT.replace("red", "blue"), "heart": SUNS[2]}, {}),
    # No table at all: names are found among the other designs' names, their aliases and the labels.
    "@iconify-json/emojione": icons_of({"crescent-moon": CORNER.replace("red", "blue"), "waving-hand-dark-skin-tone": SUNS[3], "unheard-of": SUN}, {},
                                       {"shine": {"parent": "crescent-moon"}, "sun": {"parent": "crescent-moon", "vFlip": True}}),
    "emojibase-data": {
        "package/meta/groups.json": {"groups": {"0": "people-body"}, "subgroups": {"0": "person-activity"}},
        "package/en/data.json": EMOJI,
        "package/LICENSE": "MIT Licence of the labels",
    },
}  # fmt: skip


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The build script with six tiny packages in place of npm's; returns it and the folder of tarballs."""
    build = script("build_corpus")
    folder = tmp_path / "packages"
    folder.mkdir()
    pins = {}
    for package, files in FILES.items():
        tarball = folder / f"{package.strip('@').replace('/', '-')}-1.0.0.tgz"
        with tarfile.open(tarball, "w:gz") as archive:
            for name, content in files.items():
                data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        pins[package] = ("1.0.0", hashlib.sha256(tarball.read_bytes()).hexdigest())
    monkeypatch.setattr(build, "PACKAGES", pins)
    monkeypatch.setattr(build, "DESIGNS", [name.split("/")[1] for name in pins if "/" in name])
    return build, folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def svgs(folder: Path, design: str) -> dict[str, str]:
    lines = lzma.decompress((folder / f"{design}.jsonl.xz").read_bytes()).decode().splitlines()
    return {(row := json.loads(line))["emoji"]: row["svg"] for line in lines}


@pytest.fixture
def built(tiny, tmp_path):
    build, folder = tiny
    build.build(folder, tmp_path / "out")
    return tmp_path / "out"


def test_two_builds_are_equal_byte_for_byte(tiny, built, tmp_path):
    build, folder = tiny
    build.build(folder, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(built)
    assert len(contents(built)) == 5 + 5 + 1 + 1 + 1  # designs, their licences, labels, their licence, manifest


def test_a_wrong_checksum_refuses_and_writes_nothing(tiny, tmp_path):
    build, folder = tiny
    tarball = folder / "iconify-json-emojione-1.0.0.tgz"
    tarball.write_bytes(tarball.read_bytes()[:-1] + b"x")
    with pytest.raises(SystemExit, match=r"emojione-1.0.0.tgz: sha256 is [0-9a-f]{64}, pinned is .*nothing was built"):
        build.build(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_icons_that_cannot_be_drawn_or_named_are_reported_and_left_out(built):
    manifest = json.loads((built / "manifest.json").read_text())
    reasons = {(row["design"], row["icon"]): row["reason"] for row in manifest["left_out"]}
    twice = {("twemoji", "moon"), ("twemoji", "hands")}
    assert set(reasons) == {("noto", "broken"), ("noto", "white"), ("noto", "odd")} | twice
    assert reasons["noto", "broken"].startswith("resvg: ")
    assert reasons["noto", "white"] == "draws nothing"
    assert reasons["noto", "odd"] == "no CLDR label for E50A"
    assert reasons["twemoji", "moon"] == "the same drawing as 'sun' of noto"
    assert reasons["twemoji", "hands"] == "the same drawing as 'sun' of twemoji"  # written otherwise, drawn alike
    assert manifest["icons"] == {"noto": 1, "twemoji": 2, "fluent-emoji-flat": 4, "fluent-emoji": 2, "emojione": 3}
    assert manifest["pairs"] == 12 and manifest["emoji"] == 7
    assert manifest["sha256"]["noto.jsonl.xz"] == hashlib.sha256((built / "noto.jsonl.xz").read_bytes()).hexdigest()


def test_labels_of_used_emoji_alone_and_of_tones(built):
    rows = lzma.decompress((built / "emoji.csv.xz").read_bytes()).decode().splitlines()
    assert rows[0] == "emoji,concept,caption,keywords,group,subgroup,skin_tone,gender"
    assert f"{WAVE_DARK},{WAVE},waving hand: dark skin tone,waving hand,people-body,person-activity,5,person" in rows
    words = "person walking facing right"
    assert f"{WALK_RIGHT},{WALK},{words},{words},people-body,person-activity,0,person" in rows
    assert len(rows) == 1 + 7 and "1F1E6" not in "\n".join(rows)


def test_aliases_are_mirrored_and_turned(built):
    red, white = [255, 0, 0], [255, 255, 255]
    drawn = {code: draw_svg(svg, 10) for code, svg in svgs(built, "fluent-emoji-flat").items()}
    assert drawn[WALK][5, 2].tolist() == red and drawn[WALK][5, 7].tolist() == white
    np.testing.assert_array_equal(drawn[WALK_RIGHT], drawn[WALK][:, ::-1])
    np.testing.assert_array_equal(drawn[MOON], np.rot90(drawn[HEART], -1))  # a quarter turn clockwise
    assert drawn[HEART][2, 2].tolist() == red and drawn[MOON][2, 7].tolist() == red
    moon, sun = (svgs(built, "emojione")[code] for code in (MOON, SUNNY))
    np.testing.assert_array_equal(draw_svg(sun, 10), draw_svg(moon, 10)[::-1])


def test_tones_are_numbers_and_two_different_ones_are_mixed(tiny, built):
    build, folder = tiny
    rows = build.read_emoji(build.fetch("emojibase-data", folder))
    tones = {row["caption"]: (row["skin_tone"], row["concept"]) for row in rows.values() if "hand" in row["caption"]}
    assert tones == {
        "waving hand": (0, WAVE),
        "waving hand: dark skin tone": (5, WAVE),
        "handshake": (0, HANDS),
        "handshake: light skin tone": (1, HANDS),
        "handshake: light skin tone, dark skin tone": (6, HANDS),
        "handshake: medium skin tone, medium skin tone": (3, HANDS),
    }


# A drawing counts once

FIGURES = {
    "A-1": ("woman", "woman running"), "A-2": ("man", "man running"), "A": ("person", "person running"),
    "B-1": ("woman", "woman: beard"), "C": ("", "running shoe"), "D": ("", "shoe"), "E": ("person", "runner"),
}  # fmt: skip


def owned(hexcodes: str, drawings: dict[str, str] | None = None, design: str = "noto") -> dict[str, str]:
    """Who owns what where some of the figures are drawn alike."""
    emoji = {code: {"gender": gender, "caption": caption} for code, (gender, caption) in FIGURES.items()}
    found = list(
        script("build_corpus").owners(
            design, emoji, dict.fromkeys(hexcodes.split(), "hash"), drawings if drawings is not None else {}
        )
    )
    assert sorted(code for code, _ in found) == sorted(hexcodes.split())  # each once
    return dict(found)


@pytest.mark.parametrize(
    ("alike", "keeper"),
    [
        ("A", "A"),
        ("A A-1", "A-1"),  # a woman who also stands for the person is a woman
        ("A A-2", "A-2"),
        ("A A-1 A-2", "A"),  # a figure that stands for women and men shows neither
        ("A-1 A-2", "A-1"),  # no person among them: the first in order
        ("A-1 C", "C"),  # nor does a symbol
        ("A A-1 A-2 C", "C"),
        ("C D", "C"),
        ("A E", "A"),
        ("A A-1 B-1", "A-1"),
        ("A-1 E A-2 A", "A"),  # of two persons the one with the shorter code, then the first
    ],
)
def test_who_keeps_a_drawing_in_closed_form(alike, keeper):
    for order in (alike, " ".join(reversed(alike.split()))):
        drawings: dict[str, str] = {}
        owners = owned(order, drawings)
        name = f"'{FIGURES[keeper][1]}' of noto"
        assert owners == {code: "" if code == keeper else name for code in alike.split()}
        assert drawings == {"hash": name}


def test_the_shorter_code_comes_first_among_equals():
    emoji = {code: {"gender": "", "caption": code.lower()} for code in ("1F600-1F600", "2764", "1F600")}
    found = dict(script("build_corpus").owners("noto", emoji, dict.fromkeys(emoji, "hash"), {}))
    assert found == {"2764": "", "1F600": "'2764' of noto", "1F600-1F600": "'2764' of noto"}


def test_an_earlier_design_keeps_the_drawing():
    drawings: dict[str, str] = {}
    assert owned("A A-1", drawings) == {"A-1": "", "A": "'woman running' of noto"}
    assert owned("A-1", drawings, "twemoji") == {"A-1": "'woman running' of noto"}
    assert owned("A A-2 C", drawings, "emojione") == dict.fromkeys(("A", "A-2", "C"), "'woman running' of noto")
    assert drawings == {"hash": "'woman running' of noto"}


def test_different_drawings_all_stay():
    emoji = {code: {"gender": "woman", "caption": code} for code in ("A", "B", "C")}
    drawings = {"zero": "'x' of noto"}
    found = dict(script("build_corpus").owners("twemoji", emoji, {"A": "one", "B": "two", "C": "one"}, drawings))
    assert found == {"A": "", "B": "", "C": "'A' of twemoji"}
    assert drawings == {"zero": "'x' of noto", "one": "'A' of twemoji", "two": "'B' of twemoji"}


def test_drawings_are_told_apart_by_their_pixels_at_64():
    drawn = script("build_corpus").drawn

    def svg(body: str) -> str:
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">{body}</svg>'

    (sun, reason), (again, _), (gold, _) = (drawn(svg(body)) for body in (SUN, f"<g>{SUN}</g>", SUNS[0]))
    assert reason is None and sun == again != gold
    assert sun == hashlib.sha256(draw_svg(svg(SUN), 64).tobytes()).hexdigest()
    assert drawn(svg(""))[1] == "draws nothing"
    broken, reason = drawn("<svg")
    assert broken == "" and reason.startswith("resvg: ")


# Pieces


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{}], lambda image: image),
        ([{"hFlip": True}], lambda image: image[:, ::-1]),
        ([{"vFlip": True}], lambda image: image[::-1]),
        ([{"hFlip": True}, {"hFlip": True}], lambda image: image),
        ([{"hFlip": True}, {"vFlip": True}], lambda image: image[::-1, ::-1]),
        ([{"rotate": 1}, {"rotate": 1}], lambda image: image[::-1, ::-1]),
        ([{"rotate": 3}], lambda image: np.rot90(image)),
        ([{"rotate": 1, "hFlip": True}], lambda image: np.rot90(image[:, ::-1], -1)),
    ],
)
@pytest.mark.parametrize("box", [{}, {"left": -3, "top": 2}, {"width": 20}, {"width": 4, "height": 8, "left": 2}])
def test_chains_of_aliases(changes, expected, box):
    """An icon whose marks lie off the centre, on view boxes of all kinds, drawn with room to spare around it."""
    icon_svg = script("build_corpus").icon_svg
    left, top = box.get("left", 0), box.get("top", 0)
    body = f'<path d="M{left} {top}h2v1h-1v2h-1z" fill="red"/>'
    names = [f"alias{i}" for i in range(len(changes))]
    aliases = {name: {"parent": parent, **change} for name, parent, change in zip(names, ["icon", *names], changes)}
    icons = {"icons": {"icon": {"body": body, **box}}, "aliases": aliases, "width": 8, "height": 8}
    size = 10 * max(box.get("width", 8), box.get("height", 8))
    original = draw_svg(icon_svg(icons, "icon"), size)
    assert (original != 255).any()
    np.testing.assert_array_equal(draw_svg(icon_svg(icons, names[-1]), size), expected(original))


def test_licence_files_name_author_source_and_package(built):
    text = (built / "LICENSE-noto.txt").read_text()
    assert (
        "Author: A. Painter\nSource: https://example.org/tiny\nLicence: MIT (MIT), https://example.org/licence\n"
        in text
    )
    assert "npm package @iconify-json/noto 1.0.0, sha256 " in text and "Icons used: 1\n" in text
    assert (built / "LICENSE-emojibase-data.txt").read_text() == "MIT Licence of the labels"


def test_pins_are_those_of_the_embedded_data():
    from stablerep.corpus.emoji import DESIGNS, manifest

    build = script("build_corpus")
    assert {n: {"version": v, "sha256": s} for n, (v, s) in build.PACKAGES.items()} == manifest()["packages"]
    assert tuple(build.DESIGNS) == DESIGNS


def test_the_card_is_what_the_script_writes():
    card = script("write_dataset_card")
    written = card.CARD.read_text(encoding="utf-8")
    assert written == card.card(), "run scripts/write_dataset_card.py"


def test_counts_in_the_card_add_up(emoji):
    card = script("write_dataset_card")
    table = card.counts(emoji.table, "split", {name: name for name in ("train", "validation", "test")}, "split")
    assert table["pairs"].sum() == len(emoji) and table["concepts"].sum() == emoji.table["concept"].nunique()
    assert card.markdown(table).splitlines()[1] == "| --- | ---: | ---: | ---: |"
    assert card.left_out()["icons"].sum() == 147 + 259  # without a label, drawn a second time
    assert card.licences()["licence"].str.contains(r"\[(?:MIT|Apache-2\.0|CC-BY-4\.0)\]\(https://").all()
