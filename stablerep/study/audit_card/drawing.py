"""Pieces of HTML for a card: grids of images, shares with intervals, outlines of distributions. Colours come from the page, so that both its modes have them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

BINS = 40  # of an outline
TEXT = 110  # characters of a caption below an image; longer ones are cut


def shortened(caption: str, most: int = TEXT) -> str:
    """A caption as it stands below an image: cut where it is long, and said to be empty where it is."""
    text = " ".join(caption.split())
    return (text if len(text) <= most else f"{text[: most - 1]}…") or "(no caption)"


def picture(png: bytes, alt: str) -> str:
    """An image in the page itself."""
    data = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" width="72" height="72">'


def grid(pngs: Sequence[bytes], captions: Sequence[str]) -> str:
    """Images with their captions below."""
    items = (
        f"<li>{picture(png, f'image of the caption: {shortened(caption)}')}<span>{escape(shortened(caption))}</span></li>"
        for png, caption in zip(pngs, captions)
    )
    return f'<ul class="grid">{"".join(items)}</ul>'


def pairs(title: str, rows: Sequence[tuple[bytes, str, bytes, str, str]]) -> str:
    """Pairs side by side: an image and its caption, what it is like and the caption of that, and what is said of both."""
    items = (
        f'<li class="pair"><span class="both">{picture(png, f"audited image: {shortened(caption)}")}'
        f"{picture(other, f'most alike in the corpus: {shortened(of)}')}</span>"
        f"<span>{escape(shortened(caption, 60))} / {escape(shortened(of, 60))}</span><strong>{escape(said)}</strong></li>"
        for png, caption, other, of, said in rows
    )
    return f'<h3>{escape(title)}</h3><ul class="grid">{"".join(items)}</ul>'


def intervals(title: str, rows: Sequence[tuple[str, str, float, float, float, str]]) -> str:
    """Shares on lines of their own: label, kind (``one``, ``two`` or ``other``, which colours it), value, low, high and text. What is NaN has no mark."""
    found = []
    for label, kind, value, low, high, text in rows:
        mark = ""
        if value == value:
            mark = f'<circle class="{kind}" cx="{100 * value:.2f}%" cy="9" r="4.5"/>'
            if low == low and high == high:
                mark = f'<line class="{kind} range" x1="{100 * low:.2f}%" x2="{100 * high:.2f}%" y1="9" y2="9"/>{mark}'
        found.append(
            f'<div class="row"><span>{escape(label)}</span><svg width="100%" height="18" aria-hidden="true">'
            f'<line class="axis" x1="0" x2="100%" y1="9" y2="9"/>{mark}</svg><span class="said">{escape(text)}</span></div>'
        )
    return f'<figure class="rows"><figcaption>{escape(title)}</figcaption>{"".join(found)}</figure>'


def outlines(title: str, series: Mapping[str, np.ndarray], bars: Sequence[float], unit: str, alt: str) -> str:
    """How some values are distributed, an outline for each series, with bars at which images are called copies.

    Args:
        series: by title, values [N]; those that are not finite do not count. bars: on the same scale. unit: of the scale.
    """
    values = {name: some[np.isfinite(some)] for name, some in series.items()}
    every = np.concatenate([*values.values(), np.asarray([bar for bar in bars if np.isfinite(bar)], float)])
    if not len(every):
        return ""
    low, high = float(every.min()), float(every.max())
    high = high if high > low else low + 1.0
    edges = np.linspace(low, high, BINS + 1)
    counts = {name: np.histogram(some, edges)[0] / max(len(some), 1) for name, some in values.items()}
    top = max(float(count.max()) for count in counts.values()) or 1.0
    lines, keys = [], []
    for kind, (name, count) in zip(("one", "two"), counts.items()):
        x = np.repeat(100 * np.arange(BINS + 1) / BINS, 2)[1:-1]
        y = np.repeat(40 - 38 * count / top, 2)
        points = " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y))
        lines.append(f'<polyline class="{kind}" points="0,40 {points} 100,40"/>')
        keys.append(f'<span class="key {kind}">{escape(name)}</span>')
    for bar in bars:
        if np.isfinite(bar):
            x = 100 * (bar - low) / (high - low)
            lines.append(f'<line class="bar" x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="40"/>')
    if any(np.isfinite(bar) for bar in bars):
        keys.append('<span class="key bar">bars of the two halves</span>')
    return (
        f'<figure class="outline"><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(alt)}">{"".join(lines)}</svg><div class="scale"><span>{low:.3g}</span><span>{escape(unit)}</span>'
        f'<span>{high:.3g}</span></div><div class="keys">{"".join(keys)}</div></figure>'
    )
