"""Build the embedded clip art from Debian's package ``openclipart-svg``, deterministically.

    python scripts/build_clip_art.py                       # runs `apt-get download`
    python scripts/build_clip_art.py --package FILE.deb    # uses a package that is there already

The package is checked against a pinned SHA-256 before it is opened; the output depends on its bytes alone. Kept are drawings
whose own metadata say that they are in the public domain, the shortest of each class first, without copies. Metadata and the
marks of editors are taken out, coordinates are rounded, and the view box is fitted: a square around what is drawn. A drawing
that looks different afterwards is left out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import lzma
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from vectors import fit, grey

OUTPUT = Path(__file__).resolve().parents[1] / "stablerep" / "corpus" / "clip_art_data"
PACKAGE, VERSION = "openclipart-svg", "1:0.18+dfsg-19"
SHA256 = "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5"
ROOT = "./usr/share/openclipart/svg/"

# Folder (with those below it) or file, a word that title or keywords must hold, class. The first that fits counts; "" is none.
CLASSES = (
    ("animals/birds", None, "birds"),
    ("animals/bugs", None, "bugs"),
    ("animals/mammals", None, "mammals"),
    ("buildings/furniture", None, ""),
    ("buildings", None, "buildings"),
    ("computer/hardware", None, "computers"),
    ("computer/connectors", None, "computers"),
    ("education", None, "school and office"),
    ("food/beverages", None, "beverages"),
    ("food/breads_and_carbs", None, "bread and meat"),
    ("food/meats_and_eggs", None, "bread and meat"),
    ("food/dairy", None, "bread and meat"),
    ("food/desserts", None, "desserts"),
    ("food/fruit", None, "fruit and vegetables"),
    ("food/vegetables", None, "fruit and vegetables"),
    ("geography/astronomy", None, "weather and sky"),
    ("geography", "map", "maps"),
    ("office", None, "school and office"),
    ("people/bodypart", None, "parts of the body"),
    ("people/clothing/pantyhose", None, ""),
    ("people/clothing", None, "clothing"),
    ("people/smilies", None, ""),  # they are emoji
    ("people/stickmen", None, ""),  # one figure in many poses
    ("people", None, "people"),
    ("plants", None, "plants"),
    *(
        (f"recreation/games/cards/{deck}", None, "") for deck in ("bordered", "ornamental", "simple", "white")
    ),  # four decks of 54
    ("recreation/games", None, "toys and games"),
    ("recreation/holiday", None, "festivities"),
    ("recreation/music", None, "music"),
    ("recreation/party", "food", ""),  # copies of desserts
    ("recreation/party", None, "festivities"),
    ("recreation/sports", None, "sports"),
    ("recreation/toys", None, "toys and games"),
    ("science/astronomy", None, "weather and sky"),
    ("shapes/callouts", None, "speech balloons"),
    ("signs_and_symbols/map_symbols", None, "map symbols"),
    ("signs_and_symbols/weather", None, "weather and sky"),
    ("tools/weapons", None, ""),
    ("tools", None, "tools"),
    ("transportation", "sign", "road signs"),
    *(
        (f"transportation/vehicles/{name}.svg", None, "road signs")
        for name in ("crossroads", "curve_ahead", "cycle_route")
    ),
    ("transportation", None, "vehicles"),
)
CAP = 65  # drawings of a class at most
LONGEST = 25_000  # characters of a cleaned drawing at most
FEW, LONG = 30, 15_000  # a class that has FEW drawings takes no more that are longer than LONG
ALIKE = 0.97  # correlation of two drawings in grey at 16 pixels from which they count as one
COLLECTION = 4  # files from which a shared title is that of a collection

RDF, DC = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}", "{http://purl.org/dc/elements/1.1/}"
PUBLIC_DOMAIN = ("http://web.resource.org/cc/PublicDomain", "http://creativecommons.org/licenses/publicdomain/")
UNKNOWN = "unknown"  # author of drawings that name none
# Titles of whole collections, marks of the archive and signatures in file names say nothing about a drawing.
NOISE = set("openclipart clipart clip art aiga ganson unsorted hash svg n a untitled".split())


def read_package(path: Path) -> dict[str, bytes | None]:
    """SVG files of the package by their path in the library, None for a link; ``SystemExit`` when the checksum is not the pin."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path.name}: sha256 is {digest}, pinned is {SHA256}; nothing was built.")
    start, members = (
        8,
        {},
    )  # an `ar` archive: 8 bytes, then members of a header of 60 bytes and a body padded to even length
    while start + 60 <= len(data):
        name, size = data[start : start + 16].decode().strip().rstrip("/"), int(data[start + 48 : start + 58])
        members[name] = data[start + 60 : start + 60 + size]
        start += 60 + size + size % 2
    with tarfile.open(fileobj=io.BytesIO(members["data.tar.xz"])) as archive:
        found = [m for m in archive.getmembers() if m.name.startswith(ROOT) and m.name.endswith(".svg")]
        return {m.name.removeprefix(ROOT): archive.extractfile(m).read() if m.isfile() else None for m in found}


def plain(text: str, without: str = "") -> str:
    """Words of a title or file name in lower case, without noise, numbers at the ends and the words of ``without``."""
    names = re.findall(r"\w+", without.lower())
    words = re.findall(r"[^\W_][\w'&:.+-]*[^\W_]|[^\W_]", re.sub(r"[_,-]", " ", text.lower()))
    words = [word for word in words if word not in NOISE and not (len(word) > 1 and word in names)]
    while len(words) > 1 and (words[0].isdigit() or words[-1].isdigit()):
        words.pop(0 if words[0].isdigit() else -1)
    return re.sub(r"(?<=[a-z])\d+$", "", " ".join(words))


def describe(root: ElementTree.Element, path: str, collections: set[str]) -> dict[str, str]:
    """Caption, keywords and author of a drawing, from its metadata and, where its title is of a collection, its file name.

    Raises ``ValueError`` unless the metadata say that the drawing is in the public domain and name it.
    """
    licences = [e.get(f"{RDF}resource") for e in root.iter() if str(e.tag).endswith("}license")]
    licences += [e.get(f"{RDF}about") for e in root.iter() if str(e.tag).endswith("}License")]
    if not licences or not set(licences) <= set(PUBLIC_DOMAIN):
        raise ValueError("metadata do not say public domain")
    author = " ".join(
        next((t for e in root.iter(f"{DC}creator") if (t := "".join(e.itertext()).strip())), UNKNOWN).split()
    )
    author = re.sub(r"\s*[<([].*|@.*", "", author) or author
    words = [(e.text or "").strip().lower().replace("_", " ") for e in root.iter(f"{RDF}li")]
    words = [word for word in dict.fromkeys(words) if re.match(r"(?!0x|hash)\w*[a-z]{2}", plain(word, author))]
    title = title_of(root)
    if title.rstrip("0123456789 ") in collections or re.match(r"Clipart by|R\d+ |\W*$", title):
        stem = path.rsplit("/", 1)[-1].removesuffix(".svg")
        # Most file names end in the author's name, cut off at 25 characters.
        whole = re.sub(r"\W+", "_", author.lower()).strip("_")
        cut = re.search(rf"_{re.escape(whole[:3])}\w*_?\d*$", stem.lower()) if len(whole) > 3 else None
        title = stem[: cut.start()] if cut and cut.start() else stem
    name = plain(title, author)
    if not re.search(r"[a-z]{2}", name):
        raise ValueError("has no name")
    more = [word for word in words if word not in name][:2]
    return {"caption": ", ".join([name, *more]), "keywords": "|".join(words), "author": author, "licence": licences[0]}


def title_of(root: ElementTree.Element) -> str:
    work = next((e for e in root.iter() if str(e.tag).endswith("}Work")), root)
    return " ".join((work.findtext(f"{DC}title") or "").split())


def class_of(path: str, words: str) -> str:
    """The class of a drawing by its folder, and where a folder holds two by its words; empty for none."""
    for folder, word, label in CLASSES:
        if f"{path}/".startswith(f"{folder}/") and (word is None or re.search(rf"{word}s?\b", words)):
            return label
    return ""


def read_drawings(files: dict[str, bytes | None]) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Usable drawings with ``id``, ``label``, ``caption``, ``keywords``, ``author``, ``licence`` and ``svg``, and the reason
    why each of the others is not."""
    roots, drawings, left_out = {}, [], {}
    for path, source in sorted(files.items()):
        try:
            roots[path] = ElementTree.fromstring(source) if source is not None else None
        except ElementTree.ParseError:
            left_out[path] = "is no well-formed XML"
    titles = Counter(title_of(root).rstrip("0123456789 ") for root in roots.values() if root is not None)
    collections = {title for title, count in titles.items() if count >= COLLECTION}
    for path, root in roots.items():
        try:
            if root is None:
                raise ValueError("is a link to another drawing")
            row = describe(root, path, collections)
            label = class_of(path, f"{row['caption']}|{row['keywords']}".lower())
            if not label:
                raise ValueError("is in a folder that is no class")
            svg = fit(files[path])
            if len(svg) > LONGEST:
                raise ValueError(f"is longer than {LONGEST:,} characters")
            drawings.append({"id": path.removesuffix(".svg"), "label": label, **row, "svg": svg})
        except ValueError as error:
            left_out[path] = str(error)
    return drawings, left_out


def select(drawings: list[dict[str, str]], left_out: dict[str, str]) -> list[dict[str, str]]:
    """The shortest drawings of each class, up to CAP, none like another; the others are added to ``left_out``."""
    kept, looks, counts = [], [], Counter()
    for row in sorted(drawings, key=lambda row: (len(row["svg"]), row["id"])):
        path = f"{row['id']}.svg"
        if counts[row["label"]] == CAP:
            left_out[path] = f"its class has {CAP} shorter drawings"
            continue
        if counts[row["label"]] >= FEW and len(row["svg"]) > LONG:
            left_out[path] = f"is longer than {LONG:,} characters, and its class has {FEW} drawings"
            continue
        try:
            look = grey(row["svg"])
        except ValueError as error:
            left_out[path] = str(error)
            continue
        if looks and (np.array(looks) @ look).max() > ALIKE:
            left_out[path] = "looks like another drawing"
            continue
        kept.append(row)
        looks.append(look)
        counts[row["label"]] += 1
    return sorted(kept, key=lambda row: (row["label"], row["id"]))


def attribution(count: int, authors: int) -> str:
    return (
        "Collection: Open Clip Art Library, release 0.18\nAuthors: "
        f"{authors} names, given with each drawing\nSource: https://openclipart.org\n"
        f"Licence: public domain ({PUBLIC_DOMAIN[0]}), as the metadata of each drawing say\n"
        f"Taken from: Debian package {PACKAGE} {VERSION}, sha256 {SHA256}\n"
        f"Drawings used: {count}\n"
        "Changes: metadata, the marks of editors and what draws nothing were taken out; coordinates were rounded; each drawing\n"
        "was put in the middle of a square view box, fitted to what is drawn. Captions are titles or file names and keywords,\n"
        "in lower case. The study draws the drawings on a white background.\n"
    )


def build(package: Path, output: Path, report: Path | None = None) -> None:
    files = read_package(package)
    drawings, left_out = read_drawings(files)
    kept = select(drawings, left_out)
    licences = Counter(row.pop("licence") for row in kept)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept).encode()
    packed = lzma.compress(text, format=lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, preset=9 | lzma.PRESET_EXTREME)
    output.mkdir(parents=True, exist_ok=True)
    (output / "drawings.jsonl.xz").write_bytes(packed)
    authors = len({row["author"] for row in kept} - {UNKNOWN})
    (output / "LICENSE-openclipart.txt").write_text(attribution(len(kept), authors), encoding="utf-8")
    manifest = {
        "package": {"name": PACKAGE, "version": VERSION, "sha256": SHA256},
        "drawings": len(kept),
        "classes": dict(sorted(Counter(row["label"] for row in kept).items())),
        "licences": dict(sorted(licences.items())),
        "left_out": dict(Counter(left_out.values()).most_common()),
        "sha256": {"drawings.jsonl.xz": hashlib.sha256(packed).hexdigest()},
    }
    (output / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if report is not None:
        with open(report, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("drawing", "reason"), *sorted(left_out.items())])
    size = sum(path.stat().st_size for path in output.iterdir())
    print(f"{len(kept)} of {len(files)} drawings in {len(manifest['classes'])} classes, {size:,} bytes")


def download(folder: Path) -> Path:
    """Let apt-get fetch the package into ``folder``; ``SystemExit`` where it is missing or fails."""
    if shutil.which("apt-get") is None:
        raise SystemExit(f"apt-get was not found; give --package FILE.deb, the package {PACKAGE} {VERSION}.")
    done = subprocess.run(["apt-get", "download", f"{PACKAGE}={VERSION}"], cwd=folder, capture_output=True, text=True)
    found = sorted(folder.glob("*.deb"))
    if done.returncode or not found:
        reason = " ".join(done.stderr.split()) or "no file came"
        raise SystemExit(f"apt-get could not download {PACKAGE} {VERSION} ({reason}); give --package FILE.deb.")
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, help="the .deb file; by default apt-get downloads it")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--left-out", type=Path, metavar="FILE.csv", help="also list each drawing left out, and why")
    options = parser.parse_args()
    if options.package is not None and not options.package.is_file():
        sys.exit(f"--package {options.package}: no such file.")
    with tempfile.TemporaryDirectory() as scratch:
        build(options.package or download(Path(scratch)), options.output, options.left_out)


if __name__ == "__main__":
    main()
