"""The script that builds the embedded clip art, on a tiny package of hand-made drawings."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import lzma
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from vectors import clean, fit, page_of, rounded

from stablerep.corpus.drawing import draw_svg

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "build_clip_art.py"
PUBLIC_DOMAIN = "http://web.resource.org/cc/PublicDomain"
RED = '<path d="M10.1234567 10.00001 L30 10 30 20 10 20z" style="fill:red;-inkscape-font:Sans" sodipodi:type="arc" id="path1"/>'
DISC = '<circle cx="50" cy="50" r="30" fill="navy"/>'
RING = '<path d="M20 20h60v60h-60zM40 40v20h20v-20z" fill="black"/>'


def drawing(
    body: str, *, title="Thing", words=("bird", "hash(0x1)"), licence=PUBLIC_DOMAIN, size='width="100" height="50"'
):
    keywords = "".join(f"<rdf:li>{word}</rdf:li>" for word in words)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {size} inkscape:version="0.4" '
        'xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" '
        'xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:cc="http://web.resource.org/cc/">'
        f"<metadata><rdf:RDF><cc:Work><dc:title>{title}</dc:title><dc:creator><cc:Agent><dc:title>Ann Lee &lt;ann@example.org&gt;"
        f"</dc:title></cc:Agent></dc:creator><dc:subject><rdf:Bag>{keywords}</rdf:Bag></dc:subject>"
        f'<cc:license rdf:resource="{licence}"/></cc:Work></rdf:RDF></metadata><sodipodi:namedview id="base"/>'
        f'<defs><linearGradient id="unused"/></defs>{body}</svg>'
    )


FILES = {
    "animals/birds/kite_ann_lee_01.svg": drawing(RED, title="Red Kite 02"),
    "animals/birds/kite_copy.svg": drawing(RED.replace("red", "blue"), title="Blue Kite"),
    "animals/birds/disc_ann_lee_.svg": drawing(DISC, title="Clipart by Ann Lee - something else"),
    "animals/birds/gpl.svg": drawing(DISC, licence="http://creativecommons.org/licenses/GPL/2.0/"),
    "animals/birds/letters.svg": drawing("<text>abc</text>"),
    "animals/birds/photo.svg": drawing('<image width="9" height="9" xlink:href="data:image/png;base64,"/>'),
    "animals/birds/white.svg": drawing('<path d="M0 0h9v9z" fill="white"/>'),
    "animals/birds/broken.svg": "<svg",
    "animals/birds/sizeless.svg": drawing(DISC, size=""),
    "transportation/stop.svg": drawing(RING, title="Stop", words=["roadsign"]),
    "unsorted/thing.svg": drawing(DISC),
}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The script with a tiny package in place of Debian's; returns it and the package."""
    spec = importlib.util.spec_from_file_location("build_clip_art", SCRIPT)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, text in FILES.items():
            member = tarfile.TarInfo(build.ROOT + name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo(f"{build.ROOT}animals/birds/link.svg")
        link.type, link.linkname = tarfile.SYMTYPE, "gpl.svg"
        archive.addfile(link)
    package = tmp_path / "tiny.deb"
    with open(package, "wb") as file:
        file.write(b"!<arch>\n")
        for name, body in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data.getvalue())):
            file.write(
                f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
                + body
                + b"\n" * (len(body) % 2)
            )
    monkeypatch.setattr(build, "SHA256", hashlib.sha256(package.read_bytes()).hexdigest())
    return build, package


def rows(folder: Path) -> dict[str, dict]:
    lines = lzma.decompress((folder / "drawings.jsonl.xz").read_bytes()).decode().splitlines()
    return {(row := json.loads(line))["id"]: row for line in lines}


def test_what_is_kept_and_what_is_left_out(tiny, tmp_path):
    build, package = tiny
    build.build(package, tmp_path / "out", tmp_path / "left_out.csv")
    kept = rows(tmp_path / "out")
    assert {name: row["label"] for name, row in kept.items()} == {
        "animals/birds/disc_ann_lee_": "birds", "animals/birds/kite_ann_lee_01": "birds", "transportation/stop": "road signs",
    }  # fmt: skip
    assert kept["animals/birds/kite_ann_lee_01"]["caption"] == "red kite, bird"
    assert kept["animals/birds/kite_ann_lee_01"]["keywords"] == "bird"
    assert kept["animals/birds/disc_ann_lee_"]["caption"] == "disc, bird"  # that title is of another drawing
    assert {row["author"] for row in kept.values()} == {"Ann Lee"}
    reasons = dict(line.split(",", 1) for line in (tmp_path / "left_out.csv").read_text().splitlines()[1:])
    assert {Path(name).stem: reason for name, reason in reasons.items()} == {
        "broken": "is no well-formed XML",
        "gpl": "metadata do not say public domain",
        "kite_copy": "looks like another drawing",
        "letters": "has text",
        "link": "is a link to another drawing",
        "photo": "embeds a raster image",
        "sizeless": "has no size",
        "thing": "is in a folder that is no class",
        "white": "draws nothing",
    }
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["drawings"] == 3 and manifest["licences"] == {PUBLIC_DOMAIN: 3}
    assert sum(manifest["left_out"].values()) == len(reasons)


def test_two_builds_are_equal_byte_for_byte(tiny, tmp_path):
    build, package = tiny
    for name in ("one", "two"):
        build.build(package, tmp_path / name)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two and set(one) == {"drawings.jsonl.xz", "LICENSE-openclipart.txt", "manifest.json"}


def test_a_wrong_checksum_refuses_and_writes_nothing(tiny, tmp_path):
    build, package = tiny
    package.write_bytes(package.read_bytes()[:-1] + b"x")
    with pytest.raises(
        SystemExit, match=r"tiny.deb: sha256 is [0-9a-f]{64}, pinned is [0-9a-f]{64}; nothing was built"
    ):
        build.build(package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_files_and_programs_are_named(tiny, tmp_path, monkeypatch):
    build, _ = tiny
    monkeypatch.setattr(sys, "argv", ["build_clip_art.py", "--package", str(tmp_path / "none.deb")])
    with pytest.raises(SystemExit, match="none.deb: no such file"):
        build.main()
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="apt-get was not found; give --package FILE.deb"):
        build.download(tmp_path)


def test_a_class_takes_its_shortest_drawings(tiny, monkeypatch):
    build, _ = tiny
    monkeypatch.setattr(build, "CAP", 1)
    shapes = {"long": f"<g>{RING}</g>", "short": DISC}
    drawings = [{"id": name, "label": "birds", "svg": fit(drawing(body).encode())} for name, body in shapes.items()]
    left_out = {}
    assert [row["id"] for row in build.select(drawings, left_out)] == ["short"]
    assert left_out == {"long.svg": "its class has 1 shorter drawings"}


def test_cleaning_leaves_the_shapes_alone():
    root = ElementTree.fromstring(drawing(RED))
    clean(root)
    text = ElementTree.tostring(root, encoding="unicode")
    assert 'style="fill:red"' in text and "unused" not in text and "path1" not in text
    for word in ("metadata", "sodipodi", "inkscape", "rdf"):
        assert word not in text


def test_what_is_referred_to_stays():
    gradient = '<linearGradient id="far"><stop stop-color="red"/></linearGradient><linearGradient id="near" xlink:href="#far"/>'
    root = ElementTree.fromstring(drawing(f'<defs>{gradient}</defs><path d="M0 0h9v9z" style="fill:url(#near)"/>'))
    clean(root)
    assert {element.get("id") for element in root.iter()} == {None, "far", "near"}


def test_a_drawing_fills_a_square_and_keeps_its_proportions():
    image = draw_svg(fit(drawing(RED).encode()), 108)
    ink = (image != 255).any(2)
    columns, lines = np.flatnonzero(ink.any(0)), np.flatnonzero(ink.any(1))
    assert (
        abs(len(columns) - 100) <= 8 and abs(len(lines) - 50) <= 8
    )  # twice as wide as high, a margin of 4 % or little more
    assert abs(columns.mean() - 53.5) <= 3 and abs(lines.mean() - 53.5) <= 3
    assert image[54, 54].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("path", "decimals", "expected"),
    [
        ("M 10.26,20.31 L -0.01 .5.5", 1, "M10.3 20.3L0 0.5 0.5"),
        ("m1e1-2.499 0", 0, "m10-2 0"),
        ("M0,0 C1.04 1.06,2 2 3,3 z", 1, "M0 0C1 1.1 2 2 3 3z"),
    ],
)
def test_rounded_paths(path, decimals, expected):
    assert rounded(path, decimals) == expected


@pytest.mark.parametrize(
    ("attributes", "page"),
    [
        ('viewBox="1 2 30 40"', (1, 2, 30, 40)),
        ('width="96" height="72pt"', (0, 0, 96, 96)),
        ('width="25.4mm" height="1in" viewBox="0 0 0 0"', (0, 0, 96, 96)),
    ],
)
def test_pages(attributes, page):
    assert page_of(ElementTree.fromstring(f"<svg {attributes}/>")) == pytest.approx(page)


@pytest.mark.parametrize(
    "attributes", ["", 'width="100%" height="100%"', 'width="5" height="0"', 'width="5" height="3parsec"']
)
def test_pages_without_a_size_are_refused(attributes):
    with pytest.raises(ValueError, match="has no size"):
        page_of(ElementTree.fromstring(f"<svg {attributes}/>"))


def test_the_pin_is_that_of_the_embedded_data():
    from stablerep.corpus.clip_art import manifest

    spec = importlib.util.spec_from_file_location("build_clip_art", SCRIPT)
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    assert manifest()["package"] == {"name": build.PACKAGE, "version": build.VERSION, "sha256": build.SHA256}
