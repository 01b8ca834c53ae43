"""Build the embedded emoji corpus from public npm packages, deterministically.

    python scripts/build_corpus.py                    # runs `npm pack` for each package
    python scripts/build_corpus.py --packages DIR     # uses tarballs that lie in DIR already

Six open designs are joined to the English CLDR labels of ``emojibase-data``. Every tarball is checked against a pinned
SHA-256 before it is opened; the output depends on those bytes alone, so two builds are equal byte for byte. Vectors
are kept as they are (nothing is simplified); an icon that ``resvg`` cannot draw is reported and left out.
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
from collections.abc import Iterator
from pathlib import Path

from stablerep.corpus.drawing import draw_svg
from stablerep.corpus.emoji import TONES, concept_of, gender_of

OUTPUT = Path(__file__).resolve().parents[1] / "stablerep" / "corpus" / "emoji_data"

# package -> (version, sha256 of the npm tarball)
PACKAGES = {
    "@iconify-json/noto": ("1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    "@iconify-json/noto-v1": ("1.2.5", "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37"),
    "@iconify-json/twemoji": ("1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"),
    "@iconify-json/fluent-emoji-flat": ("1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"),
    "@iconify-json/fluent-emoji": ("1.2.7", "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b"),
    "@iconify-json/emojione": ("1.2.3", "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e"),
    "emojibase-data": ("17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a"),
}
DESIGNS = [name.split("/")[1] for name in PACKAGES if "/" in name]


def fetch(package: str, folder: Path) -> dict[str, bytes]:
    """Return the files of one pinned npm tarball; raise ``SystemExit`` when its checksum differs from the pin."""
    version, pinned = PACKAGES[package]
    tarball = folder / f"{package.strip('@').replace('/', '-')}-{version}.tgz"
    if not tarball.exists():
        subprocess.run(
            ["npm", "pack", "--silent", f"{package}@{version}"], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if digest != pinned:
        raise SystemExit(f"{tarball.name}: sha256 is {digest}, pinned is {pinned}; nothing was built.")
    with tarfile.open(tarball) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}


def without_variation_selector(hexcode: str) -> str:
    return "-".join(part for part in hexcode.upper().split("-") if part != "FE0F")


def slug(label: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub("['’“”]", "", label.lower())).strip("-")


def read_emoji(files: dict[str, bytes]) -> dict[str, dict]:
    """Emoji metadata by hexcode (code points without the variation selector), skin-tone variants included."""
    meta = json.loads(files["package/meta/groups.json"])
    emoji = {}
    for base in json.loads(files["package/en/data.json"]):
        if base.get("group") is None:  # regional indicators: letters, not pictures with a meaning
            continue
        for entry in [base, *base.get("skins", [])]:
            hexcode = without_variation_selector(entry["hexcode"])
            tones = entry.get("tone", [])
            tones = set(tones if isinstance(tones, list) else [tones])
            subgroup = meta["subgroups"][str(entry["subgroup"])]
            emoji[hexcode] = {
                "emoji": hexcode,
                "concept": concept_of(hexcode),
                "caption": entry["label"],
                "keywords": "|".join(entry.get("tags") or base.get("tags") or []),
                "group": meta["groups"][str(entry["group"])],
                "subgroup": subgroup,
                "skin_tone": TONES.index("mixed") if len(tones) > 1 else tones.pop() if tones else 0,
                "gender": gender_of(entry["label"], subgroup),
            }
    return emoji


def known_names(packages: dict[str, dict[str, bytes]], emoji: dict[str, dict]) -> dict[str, str]:
    """Icon name -> hexcode, from the designs that ship a code-point table, their aliases and the CLDR labels."""
    names: dict[str, str] = {}
    for design in ("twemoji", "noto", "fluent-emoji-flat"):
        files = packages[design]
        for hexcode, name in sorted(json.loads(files["package/chars.json"]).items()):
            names.setdefault(name, without_variation_selector(hexcode))
        for alias, entry in sorted(json.loads(files["package/icons.json"]).get("aliases", {}).items()):
            if set(entry) <= {"parent", "hidden"} and entry["parent"] in names:
                names.setdefault(alias, names[entry["parent"]])
    for hexcode, entry in emoji.items():
        names.setdefault(slug(entry["caption"]), hexcode)
    return names


def icon_svg(icons: dict, name: str) -> str:
    """The stand-alone SVG of one icon, its aliases resolved (parent, flips, turns), on a square view box."""
    flip_h = flip_v = False
    turns = 0
    while name not in icons["icons"]:
        alias = icons["aliases"][name]
        flip_h ^= bool(alias.get("hFlip"))
        flip_v ^= bool(alias.get("vFlip"))
        turns += int(alias.get("rotate", 0))
        name = alias["parent"]
    icon = icons["icons"][name]
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    left, top = icon.get("left", icons.get("left", 0)), icon.get("top", icons.get("top", 0))
    body = icon["body"]
    if flip_h or flip_v:
        body = (
            f'<g transform="translate({2 * left + width if flip_h else 0} {2 * top + height if flip_v else 0}) '
            f'scale({-1 if flip_h else 1} {-1 if flip_v else 1})">{body}</g>'
        )
    if turns % 4:
        body = f'<g transform="rotate({turns % 4 * 90} {left + width / 2} {top + height / 2})">{body}</g>'
    side = max(width, height)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left - (side - width) / 2:g} {top - (side - height) / 2:g} {side:g} {side:g}">{body}</svg>'
    )


def hexcodes_of(design: str, packages: dict[str, dict[str, bytes]], names: dict[str, str]) -> dict[str, str]:
    """Hexcode -> icon name for one design."""
    files = packages[design]
    icons = json.loads(files["package/icons.json"])
    # fluent-emoji has no code-point table but shares its names with fluent-emoji-flat
    chars = json.loads(packages["fluent-emoji-flat" if design == "fluent-emoji" else design]["package/chars.json"])
    available = {**icons.get("aliases", {}), **icons["icons"]}
    found: dict[str, str] = {}
    for hexcode, name in sorted(chars.items()):
        if name in available:
            found.setdefault(without_variation_selector(hexcode), name)
    if not chars:
        for name in [*sorted(icons["icons"]), *sorted(icons.get("aliases", {}))]:
            if name in names:
                found.setdefault(names[name], name)
    return found


def drawn(svg: str) -> tuple[str, str | None]:
    """A hash of the icon's pixels, and None when it draws to something visible, else the reason why it does not."""
    try:
        image = draw_svg(svg, 64)
    except ValueError as error:
        return "", f"resvg: {error}"
    return hashlib.sha256(image.tobytes()).hexdigest(), "draws nothing" if int(image.min()) == 255 else None


def owners(
    design: str, emoji: dict[str, dict], pixels: dict[str, str], drawings: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Each emoji of a design, and whose drawing it has: an empty text for its own, else who keeps it.

    A drawing counts once in the corpus. An earlier design keeps it; within a design one emoji does, since the captions of
    the others say what the drawing does not show: a woman who also stands for the person is a woman, and a figure that
    stands for women and men shows neither, nor does a symbol.

    Args:
        pixels: a hash of the drawing of each emoji. drawings: who keeps which, by hash; this design's are added.
    """
    alike: dict[str, list[str]] = {}
    for hexcode, digest in pixels.items():
        alike.setdefault(digest, []).append(hexcode)
    for digest, hexcodes in alike.items():
        genders = {emoji[code]["gender"] for code in hexcodes}
        one = genders & {"woman", "man"}
        seen = "" if "" in genders else one.pop() if len(one) == 1 else "person"
        shown = [code for code in hexcodes if emoji[code]["gender"] == seen]
        keeper = min(shown or hexcodes, key=lambda code: (len(code), code))
        owner = drawings.setdefault(digest, f"{emoji[keeper]['caption']!r} of {design}")
        mine = owner == f"{emoji[keeper]['caption']!r} of {design}"
        yield from ((code, "" if mine and code == keeper else owner) for code in hexcodes)


def compress(text: str) -> bytes:
    return lzma.compress(text.encode(), format=lzma.FORMAT_XZ, check=lzma.CHECK_SHA256, preset=9 | lzma.PRESET_EXTREME)


def attribution(design: str, files: dict[str, bytes], count: int) -> str:
    info = json.loads(files["package/info.json"])
    version, digest = PACKAGES[f"@iconify-json/{design}"]
    return (
        f"Design: {info['name']}\nAuthor: {info['author']['name']}\nSource: {info['author']['url']}\n"
        f"Licence: {info['license']['title']} ({info['license']['spdx']}), {info['license']['url']}\n"
        f"Taken from: npm package @iconify-json/{design} {version}, sha256 {digest}\n"
        f"Icons used: {count}\n"
        "Changes: each icon was wrapped in a stand-alone SVG with a square view box; aliases (mirrored or turned icons) were\n"
        "resolved; shapes and colours were not altered. The study draws the icons on a white background.\n"
    )


def build(folder: Path, output: Path) -> None:
    packages = {name.split("/")[-1]: fetch(name, folder) for name in PACKAGES}
    emoji = read_emoji(packages["emojibase-data"])
    names = known_names(packages, emoji)
    output.mkdir(parents=True, exist_ok=True)
    rejected, counts, used, drawings = [], {}, set(), {}
    for design in DESIGNS:
        icons = json.loads(packages[design]["package/icons.json"])
        found, lines = {}, []
        for hexcode, name in sorted(hexcodes_of(design, packages, names).items()):
            if hexcode not in emoji:
                rejected.append((design, name, f"no CLDR label for {hexcode}"))
                continue
            svg = icon_svg(icons, name)
            pixels, reason = drawn(svg)
            if reason:
                rejected.append((design, name, reason))
            else:
                found[hexcode] = name, svg, pixels
        for hexcode, owner in owners(design, emoji, {code: pixels for code, (_, _, pixels) in found.items()}, drawings):
            name, svg, _ = found[hexcode]
            if owner:
                rejected.append((design, name, f"the same drawing as {owner}"))
                continue
            lines.append(json.dumps({"emoji": hexcode, "svg": svg}, ensure_ascii=False))
            used.add(hexcode)
        counts[design] = len(lines)
        (output / f"{design}.jsonl.xz").write_bytes(compress("\n".join(lines) + "\n"))
        (output / f"LICENSE-{design}.txt").write_text(attribution(design, packages[design], len(lines)))
        print(f"{design:18s} {len(lines):5d} icons")
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(next(iter(emoji.values()))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(entry for hexcode, entry in sorted(emoji.items()) if hexcode in used)
    (output / "emoji.csv.xz").write_bytes(compress(text.getvalue()))
    (output / "LICENSE-emojibase-data.txt").write_bytes(packages["emojibase-data"]["package/LICENSE"])
    report = {
        "packages": {name: {"version": v, "sha256": s} for name, (v, s) in PACKAGES.items()},
        "icons": counts,
        "pairs": sum(counts.values()),
        "emoji": len(used),
        "left_out": [{"design": d, "icon": n, "reason": r} for d, n, r in rejected],
        "sha256": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(output.glob("*.xz"))},
    }
    (output / "manifest.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    size = sum(p.stat().st_size for p in output.iterdir()) / 1e6
    print(f"{report['pairs']} pairs over {report['emoji']} emoji, {len(rejected)} icons left out, {size:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packages", type=Path, help="folder with the npm tarballs; missing ones are fetched into it")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    if options.packages is None and shutil.which("npm") is None:
        sys.exit("npm was not found; install Node.js, or give --packages DIR with the tarballs.")
    if options.packages is not None and not options.packages.is_dir():
        sys.exit(f"--packages {options.packages}: no such folder.")
    with tempfile.TemporaryDirectory() as scratch:
        build(options.packages or Path(scratch), options.output)


if __name__ == "__main__":
    main()
