"""Figures on the built pages: drawn into the page, so that they follow its colours, once wide and once for a phone, with files to download."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stablerep.figures.shown import FIGURE

FOLDER = "_static/figures"
_IMAGE = re.compile(
    r'<img\b[^>]*?\bsrc="[^"]*?_images/(?P<file>(?:[0-9a-f]{64}|strip|generator-losses)\.svg)"[^>]*?/?>'
)
_ALT = re.compile(r'\balt="([^"]*)"')
# What matplotlib draws black or white takes the colours of the page, so that a figure is read on a dark one too.
_THEMED = (("#262626", "currentColor"), ("#000000", "currentColor"), ("#ffffff", "var(--pst-color-background, #fff)"))
_CLASHING = re.compile(r'(\bid="|url\(#|href="#)')


@dataclass(frozen=True)
class KeptFigure:
    """A figure that an executed notebook keeps (:class:`stablerep.figures.shown.Drawing`).

    Attributes:
        name: its label, such as ``fig-compare-arms``, numbered where a cell shows several. wide, narrow: SVG.
        png, pdf: base64. alt, csv: text.
    """

    name: str
    wide: str
    narrow: str
    png: str
    pdf: str
    alt: str
    csv: str

    @classmethod
    def of(cls, name: str, data: dict) -> KeptFigure:
        """A figure from what a notebook keeps of it."""
        about = {key: _text(value) for key, value in data[FIGURE].items()}
        return cls(name=name, wide=_text(data["image/svg+xml"]), png=_text(data["image/png"]), **about)

    def write(self, folder: Path) -> list[str]:
        """Its files, by what they end with."""
        folder.mkdir(parents=True, exist_ok=True)
        texts = {"svg": self.wide, "csv": self.csv}
        binary = {"png": self.png, "pdf": self.pdf}
        for kind, text in texts.items():
            if text:
                (folder / f"{self.name}.{kind}").write_text(text, encoding="utf-8")
        for kind, text in binary.items():
            (folder / f"{self.name}.{kind}").write_bytes(base64.b64decode(text))
        return [kind for kind in ("svg", "png", "pdf", "csv") if texts.get(kind) or kind in binary]


def kept_figures(notebook: dict) -> Iterator[KeptFigure]:
    """The figures of an executed notebook, in its order."""
    for number, cell in enumerate(notebook["cells"]):
        label = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", f"figure-{number}")
        shown = [one["data"] for one in cell.get("outputs", ()) if FIGURE in one.get("data", {})]
        for place, data in enumerate(shown, 1):
            yield KeptFigure.of(label if place == 1 else f"{label}-{place}", data)


def describe_images(notebook: dict) -> None:
    """Give each figure of a notebook the alt text that was written with it, and take out what only :func:`kept_figures` reads."""
    for cell in notebook["cells"]:
        kept = [one["data"].pop(FIGURE) for one in cell.get("outputs", ()) if FIGURE in one.get("data", {})]
        if kept:
            cell["metadata"].setdefault("mystnb", {}).setdefault("image", {})["alt"] = " ".join(
                _text(one["alt"]) for one in kept
            )


def finish_page(page: Path, images: Path, kept: Iterable[KeptFigure]) -> None:
    """Draw the figures of a page into it, and put links to their files below.

    Args:
        page: an HTML file. images: the folder of its images. kept: its figures.
    """
    figures: dict[str, list[KeptFigure]] = {}
    for one in kept:  # two may look the same, as where a run gives what is stored
        figures.setdefault(_plain(one.wide), []).append(one)
    text = page.read_text(encoding="utf-8")
    up = "../" * (len(page.relative_to(images.parent).parts) - 1)

    def drawn(found: re.Match) -> str:
        wide = (images / found["file"]).read_text(encoding="utf-8")
        alike = figures.get(_plain(wide))
        if alike is None:
            return found[0]
        figure = alike.pop(0) if len(alike) > 1 else alike[0]
        alt = html.unescape(_ALT.search(found[0])[1])
        kinds = figure.write(images.parent / FOLDER)
        links = " · ".join(f'<a href="{up}{FOLDER}/{figure.name}.{kind}" download>{kind.upper()}</a>' for kind in kinds)
        return (
            inline(wide, alt, "figure-wide", figure.name) + inline(figure.narrow, alt, "figure-narrow", f"{figure.name}-n")
            + f'<span class="figure-files">{links}</span>'
        )  # fmt: skip

    page.write_text(_IMAGE.sub(drawn, text), encoding="utf-8")


def inline(svg: str, alt: str, kind: str, prefix: str) -> str:
    """An SVG as a part of a page: with an alt text, a class, ids of its own, and the colours of the page."""
    body = svg[svg.index("<svg") :]
    for drawn, themed in _THEMED:
        body = body.replace(f": {drawn}", f": {themed}")
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--pst-font-family-base, sans-serif)", body)
    body = _CLASHING.sub(lambda found: f"{found[1]}{prefix}-", body)
    label = html.escape(alt, quote=True)
    return body.replace("<svg", f'<svg role="img" aria-label="{label}" class="{kind}"', 1)


def finish_pages(source: Path, built: Path, chapters: list[str], folder: str) -> None:
    """:func:`finish_page` of every chapter of a built book.

    Args:
        source: of the book. built: its pages. folder: of the chapters in both.
    """
    for name in chapters:
        page = built / folder / f"{name}.html"
        if page.is_file():
            kept = kept_figures(json.loads((source / folder / f"{name}.ipynb").read_text(encoding="utf-8")))
            finish_page(page, built / "_images", kept)


def _text(value: str | list[str]) -> str:
    """Text as a notebook keeps it: in one piece or in lines."""
    return value if isinstance(value, str) else "".join(value)


def _plain(svg: str) -> str:
    return "\n".join(svg.splitlines())
