"""Drawings from anywhere made fit for a corpus: cleaned of what draws nothing, shortened, and on a square view box."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np

from stablerep.corpus.drawing import draw_svg

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)
HREF = f"{{{XLINK}}}href"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
LONG = r"(?<![\w.#])\d+\.\d{4,}(?![\deE])"  # a number with more digits than show
UNITS = {"": 1, "px": 1, "pt": 4 / 3, "pc": 16, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96}  # CSS pixels
SERVERS = {
    "linearGradient",
    "radialGradient",
    "clipPath",
    "mask",
    "pattern",
    "filter",
    "symbol",
}  # drawn by reference alone
ELEMENTS = SERVERS | set("svg g a defs use switch style stop path rect circle ellipse line polyline polygon".split())
PROPERTIES = set(
    "fill fill-opacity fill-rule stroke stroke-width stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray "
    "stroke-dashoffset stroke-opacity opacity display visibility clip-path clip-rule mask filter stop-color stop-opacity "
    "color overflow".split()
)
ATTRIBUTES = PROPERTIES | set(
    "id class style transform x y width height rx ry cx cy r x1 y1 x2 y2 fx fy d points offset gradientUnits viewBox "
    "gradientTransform spreadMethod patternUnits patternTransform patternContentUnits clipPathUnits maskUnits "
    "maskContentUnits preserveAspectRatio systemLanguage".split()
)


def local(element: ElementTree.Element) -> str:
    """Name of an SVG element; empty for comments and elements of other namespaces."""
    tag = element.tag if isinstance(element.tag, str) else ""
    return tag.removeprefix(f"{{{SVG}}}") if tag.startswith(f"{{{SVG}}}") else ""


def clean(root: ElementTree.Element) -> None:
    """Take out, in place, what draws nothing. Raises ``ValueError`` for text (which needs fonts) and raster images."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = local(child)
            if name == "image":
                raise ValueError("embeds a raster image")
            if name in ("text", "flowRoot") and "".join(child.itertext()).strip():
                raise ValueError("has text")
            if name not in ELEMENTS and not name.startswith("fe"):
                parent.remove(child)
    for element in root.iter():
        name, kept = local(element), {}
        for key, value in element.attrib.items():
            if key == "style":
                pairs = [pair.split(":", 1) for pair in value.split(";") if ":" in pair]
                value = ";".join(f"{k.strip()}:{v.strip()}" for k, v in pairs if k.strip() in PROPERTIES)
            known = key in ATTRIBUTES or (key == HREF and value.startswith("#"))
            known |= name.startswith("fe") and not key.startswith("{")  # filters have attributes of their own
            if value.strip() and known:
                value = " ".join(value.split())
                kept[key] = (
                    value if key in ("d", "points", "id", HREF) else re.sub(LONG, lambda m: f"{float(m[0]):.6g}", value)
                )
        element.attrib.clear()
        element.attrib.update(kept)
        element.tail = None
        if name != "style":
            element.text = None
    while _prune(root):
        pass


def _prune(root: ElementTree.Element) -> int:
    """Remove names that nothing refers to, and what is drawn by name alone and has none; return how many elements went."""
    texts = [v for e in root.iter() for k, v in e.attrib.items() if k != "id"] + [e.text or "" for e in root.iter()]
    used, gone = set(re.findall(r"#([^\s)'\",;{]+)", " ".join(texts))), 0
    for parent in root.iter():
        if parent.get("id") not in used:
            parent.attrib.pop("id", None)
        for child in list(parent):
            name = local(child)
            unseen = name in SERVERS or (name in ("g", "defs") and not len(child))
            unseen |= local(parent) == "defs" and name != "style"
            if unseen and child.get("id") not in used:
                parent.remove(child)
                gone += 1
    return gone


def page_of(root: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, width and height of the page in the drawing's own units; ``ValueError`` when it has no size."""
    box = [float(number) for number in re.findall(NUMBER, root.get("viewBox", ""))]
    if len(box) != 4 or min(box[2:]) <= 0:
        sizes = [re.fullmatch(rf"\s*({NUMBER})\s*(\w*)\s*", root.get(key, "")) for key in ("width", "height")]
        box = [0.0, 0.0, *(float(m[1]) * UNITS.get(m[2], 0) if m else 0.0 for m in sizes)]
    if min(box[2:]) <= 0:
        raise ValueError("has no size")
    return tuple(box)


def square(root: ElementTree.Element, box: tuple, margin: float = 1.0) -> str:
    """The SVG on a square view box around the middle of ``box``, ``margin`` times as wide as its longer side."""
    left, top, width, height = box
    side = margin * max(width, height)
    rest = {
        k: v for k, v in root.attrib.items() if k not in ("x", "y", "width", "height", "viewBox", "preserveAspectRatio")
    }
    root.attrib.clear()
    root.set("viewBox", f"{left + (width - side) / 2:.6g} {top + (height - side) / 2:.6g} {side:.6g} {side:.6g}")
    root.attrib.update(rest)
    return ElementTree.tostring(root, encoding="unicode")


def rounded(path: str, decimals: int) -> str:
    """Path data or points with rounded numbers and no needless blanks."""
    text = ""
    for token in re.findall(rf"[a-df-zA-DF-Z]|{NUMBER}", path):
        if not token.isalpha():
            token = f"{float(token):.{decimals}f}"
            token = token.rstrip("0").rstrip(".") if "." in token else token
            token = "0" if token == "-0" else token
            text += " " if text[-1:].isdigit() and token[0] != "-" else ""
        text += token
    return text


def fit(source: bytes) -> str:
    """The cleaned drawing, fitted to a square; ``ValueError`` says why it cannot be used."""
    original, root = ElementTree.fromstring(source), ElementTree.fromstring(source)
    if local(root) != "svg":
        raise ValueError("is not in the namespace of SVG")
    left, top, width, height = page_of(root)
    clean(root)
    pixels = 128
    ink = (draw_svg(square(root, (left, top, width, height)), pixels) < 248).any(2)
    if not ink.any():
        raise ValueError("draws nothing")
    (y0, y1), (x0, x1) = (np.flatnonzero(ink.any(axis))[[0, -1]].tolist() for axis in (1, 0))
    side = max(width, height)
    step, left, top = side / pixels, left + (width - side) / 2, top + (height - side) / 2
    box = (left + x0 * step, top + y0 * step, (x1 + 1 - x0) * step, (y1 + 1 - y0) * step)
    expected = draw_svg(square(original, box, 1.08), pixels).astype(int)
    fine = max(0, math.ceil(math.log10(500 / max(box[2:]))))
    for decimals in (
        fine,
        fine + 1,
        fine + 2,
        None,
    ):  # coordinates inside scaled groups need more digits than the page does
        shorter = ElementTree.fromstring(ElementTree.tostring(root))
        for element in shorter.iter():
            for key in {"d", "points"} & set(element.attrib) if decimals is not None else ():
                element.set(key, rounded(element.get(key), decimals))
        svg = square(shorter, box, 1.08)
        if np.abs(draw_svg(svg, pixels) - expected).mean() < 0.5:
            return svg
    raise ValueError("looks different when cleaned")


def grey(svg: str) -> np.ndarray:
    """The drawing in grey at 16 pixels as a unit vector [256] of mean 0; ``ValueError`` when it is all of one grey."""
    for size in (32, 64):
        if int(draw_svg(svg, size).min()) > 200:
            raise ValueError("is hardly visible")
    pixels = draw_svg(svg, 64).mean(2).reshape(16, 4, 16, 4).mean((1, 3)).ravel()
    pixels -= pixels.mean()
    if np.linalg.norm(pixels) < 16:
        raise ValueError("is hardly visible")
    return pixels / np.linalg.norm(pixels)
