"""The card itself: its sections in their order, as one page without a network and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import stablerep
from stablerep.checkpoint import written_aside
from stablerep.errors import InputError
from stablerep.study.audit_card import described, named, variety
from stablerep.study.audit_card.against import Against, Features
from stablerep.study.audit_card.inputs import Audited
from stablerep.study.audit_card.measures import Measured
from stablerep.study.audit_card.parts import Number, Section

PAGE, DATA = "card.html", "card.json"


@dataclass(frozen=True)
class Card:
    """All that a card says.

    Attributes:
        made: terms and what they are: of the corpus, the features, the sample, versions and runs.
    """

    title: str
    fingerprint: str
    sections: tuple[Section, ...]
    made: tuple[tuple[str, str], ...]

    def numbers(self) -> Iterator[Number]:
        """Every number, those beside others too."""
        for section in self.sections:
            for number in section.numbers:
                yield number
                yield from number.beside

    @property
    def json(self) -> dict:
        """What is written beside the page."""
        return {
            "title": self.title, "fingerprint": self.fingerprint, "made": dict(self.made),
            "sections": {section.name: section.json for section in self.sections},
        }  # fmt: skip

    @property
    def html(self) -> str:
        """The page."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        engine = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
        lead = "Some of what a lab should know of these images before it trains on them, with what each number is compared with. No number here is a grade, and a card without findings is no clearance: each section ends with what it cannot say."
        return engine.get_template("page.html").render(
            title=self.title, lead=lead, glance=glance(self), sections=self.sections, made=self.made
        )


def card_of(
    audited: Audited, against: Against | None, features: Features, found: Measured, *, sample: int, seed: int
) -> Card:
    """The card of what was measured."""
    sections = (
        described.what(audited, found), described.look(found), described.flags(audited, found), variety.diversity(found, features, against),
        variety.copies(found, features, against), named.faithfulness(found, features, against), named.group_shares(found, against),
    )  # fmt: skip
    corpus = "none"
    if against:
        corpus = f"{against.name}, the {len(against.corpus):,} images that may be learned from (fingerprint {against.corpus.fingerprint})"
        corpus += "" if against.asked_for else "; taken because the embedded generator drew the images"
    weak = (
        " (weak: nothing was learned)" if features.weak else "; images are shown to it as they are, without the camera"
    )
    made = (
        ("held against", corpus), ("features", f"{features.title}{weak}"), ("images that are compared, at most", f"{sample:,}"), ("seed of intervals", str(seed)),
        ("stablerep", stablerep.__version__), ("written", datetime.now(UTC).isoformat(timespec="minutes")),
        *((f"run: {name}", key) for name, key in found.keys().items()),
    )  # fmt: skip
    return Card(f"Audit of {audited.name}", audited.fingerprint, sections, made)


def glance(card: Card) -> list[tuple[str, str]]:
    """The main numbers in sentences, each with the section that it stands in."""
    known = {number.name: number for number in card.numbers()}

    def said(name: str) -> str:
        return known[name].text

    found = [
        ("what", f"{said('what.images')} images of {said('what.captions')} captions"),
        ("flagged", f"{said('flagged.blank')} are blank, {said('flagged.repeated')} repeat an image of their caption, {said('flagged.shared')} have the pixels "
                    f"of another caption's, {said('flagged.small')} are very small"),
        ("diversity", f"distance within captions over distance between them: {said('diversity.ratio')}"),
    ]  # fmt: skip
    if "copies.pixels_called" in known:
        found.append((
            "copies", f"called copies: {said('copies.pixels_called')} by pixels, {said('copies.features_called')} by features, where about "
                      f"{said('copies.pixels_chance')} of images of other things would be, without any copy; none called does not mean none there",
        ))  # fmt: skip
    if "faithfulness.own_first" in known:
        found.append((
            "faithfulness", f"what the caption names comes first: {said('faithfulness.own_first')} of images, chance {said('faithfulness.chance')}",
        ))  # fmt: skip
    unread = [name for name in known if name.startswith("groups.") and name.endswith(".cannot_tell")]
    if unread:
        shares = ", ".join(f"the {name.split('.')[1]} of {said(name)}" for name in unread)
        found.append(("groups", f"of the images of people a reader cannot tell {shares}"))
    for section in card.sections:
        if section.left_out:
            found.append((section.name, f"{section.title}: left out"))
    return found


def check_place(folder: Path, fingerprint: str, *, overwrite: bool) -> str:
    """Whether a card may be written to a folder: a sentence on the card that it replaces, empty where there is none.

    Raises:
        InputError: it holds the card of other images, or something else of these names, and nobody said that it may be replaced.
    """
    there = [name for name in (PAGE, DATA) if (folder / name).exists()]
    if not there:
        return ""
    try:
        known = json.loads((folder / DATA).read_text(encoding="utf-8"))["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    if known == fingerprint:
        return f"The card of the same images in {folder} is replaced."
    if overwrite:
        return f"What {folder} held as {' and '.join(there)} is replaced."
    what = "the card of other images" if known else f"a {there[0]} that is no card"
    raise InputError(f"{folder} holds {what}; name another folder by --out, or replace it by --overwrite.")


def write(card: Card, folder: Path) -> tuple[Path, Path]:
    """Write page and JSON, each whole or not at all. Raises ``StorageError`` where the folder cannot be written."""
    texts = {PAGE: card.html, DATA: json.dumps(card.json, indent=1, ensure_ascii=False, allow_nan=False) + "\n"}
    for name, text in texts.items():
        with written_aside(folder / name) as aside:
            aside.write_text(text, encoding="utf-8", errors="replace")
    return folder / PAGE, folder / DATA
