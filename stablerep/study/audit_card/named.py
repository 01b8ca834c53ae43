"""The sections of a card that compare images with what is said of them: whether they show what their captions name, and whom they show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stablerep.audits.people import AS_READ, CORRECTED, OF_CAPTION, OF_CONCEPT
from stablerep.audits.readers import CANNOT_TELL
from stablerep.study.audit_card import drawing
from stablerep.study.audit_card.against import Against, Features
from stablerep.study.audit_card.meaning import AUDITED
from stablerep.study.audit_card.measures import Measured
from stablerep.study.audit_card.parts import SHARE, Number, Section
from stablerep.study.audit_card.variety import NOTHING, WEAK

NOTE = (
    "Perceived attributes: the words below are labels. Of photographs, somebody gave them by looking; of drawings, they are official names. A reader says which label an image "
    "resembles. It says nothing about the identity of anybody. A generated image shows no person who could have one. What is read of a single image is often wrong, and must not "
    "be used to label, sort or identify anybody."
)  # fmt: skip


def faithfulness(measured: Measured, features: Features, against: Against | None) -> Section:
    """How often an image's own caption comes first."""
    how = (
        f"Prototypes of captions were made of one half of the corpus's images, by {features.title}. An image counts as recognized where what its own caption "
        "names comes first among all that were asked about. This is a weak sign of faithfulness."
    )
    if against is None:
        return Section("faithfulness", "Faithfulness", how, left_out=NOTHING)
    summary = measured.own_caption.info["summary"]
    if summary.get("left_out"):
        return Section("faithfulness", "Faithfulness", how, left_out=summary["left_out"])
    table = measured.own_caption.table("own").set_index("source")
    named = (
        "the caption" if summary["named"] == "caption" else f"what the caption names of the column {summary['named']!r}"
    )
    mine, beside = table.loc[AUDITED], []
    for source, row in table.drop(index=AUDITED).iterrows():
        beside.append(Number(f"faithfulness.{source}", f"real images of {against.name}, the other half", row["share"], SHARE, row["low"], row["high"]))  # fmt: skip
    beside.append(Number("faithfulness.chance", "chance", mine["chance"], SHARE))
    number = Number("faithfulness.own_first", "images of which what their own caption names comes first", mine["share"], SHARE, mine["low"], mine["high"], tuple(beside))  # fmt: skip
    rows = [("audited images", "one", mine["share"], mine["low"], mine["high"], number.text)]
    for one in beside:
        low, high = (np.nan if bound is None else bound for bound in (one.low, one.high))
        rows.append((one.title, "two" if low == low else "other", one.value, low, high, one.text))
    return Section(
        "faithfulness", "Faithfulness", how, numbers=(number,), shown=(drawing.intervals("Share of images of which what their own caption names comes first", rows),),
        facts=(("what is recognized", f"{named}, one of {int(mine['among']):,}"), ("audited images", f"{int(mine['images']):,} of {int(mine['names']):,} kinds"),
               ("captions that the corpus has too", f"{summary['shared']:,}")),
        notes=("Every caption, or label, weighs the same; intervals are over these.",),
        limits="whether an image shows everything that its caption says. The number is as much one of the features as of the images: compare it with that of real images, not "
        "with 100 %. Generated images may come first more often than real ones, because they are more typical or because they copy. " + (WEAK if features.weak else "An encoder that learned from the corpus knows its real images better."),
    )  # fmt: skip


def group_shares(measured: Measured, against: Against | None) -> Section:
    """Whom the images show, as read and corrected for the reader's errors."""
    how = (
        "A reader for each attribute learned from images of the corpus, and its errors were counted on images of others that it had not seen (cross-fitting). Where it is not "
        "sure it says that it cannot tell."
    )
    if against is None:
        return Section("groups", "Group shares", how, opening=NOTE, left_out=NOTHING)
    if measured.people is None:
        nothing = f"{against.name} declares no attributes of people; --people names its columns that have some."
        return Section("groups", "Group shares", how, opening=NOTE, left_out=nothing)
    summary = measured.people.info["summary"]
    if summary.get("left_out"):
        return Section("groups", "Group shares", how, opening=NOTE, left_out=summary["left_out"])
    shares, fits = measured.people.table("shares"), measured.people.table("fits").set_index("attribute")
    numbers, shown, notes = [], [], []
    for attribute, part in shares.groupby("attribute", sort=False):
        fit = fits.loc[attribute]
        mine = _shares_of(attribute, part, against.name, refused=bool(fit["refused"]))
        numbers += mine
        shown.append(
            drawing.intervals(f"Shares of {attribute} among the images", [row for one in mine for row in _rows(one)])
        )
        if fit["refused"]:
            notes.append(
                f"The correction for {attribute} is refused: no shares explain what was read (p = {fit['p']:.3f}), so that these images differ from those on which "
                "the reader's errors were counted. What was read may be wrong by more than its interval."
            )  # fmt: skip
    over = {
        "captions": "over captions", "images": f"over images, as if each were independent: there are {summary['captions']} captions, too few to resample",
    }  # fmt: skip
    notes.append(f"Intervals are {over[summary['over']]}.")
    notes += [
        f"The reader of {row.attribute} learned from {row.images:,} images; cross-fitted, it reads {100 * row.read:.0f} % of them, "
        f"and {100 * row.accuracy:.0f} % of these rightly."
        for row in measured.people.table("readers").itertuples()
    ]
    return Section(
        "groups", "Group shares", how, opening=NOTE, numbers=tuple(numbers), shown=tuple(shown), notes=tuple(notes),
        facts=(("images of people", f"{summary['images']:,} of {summary['captions']:,} captions"), ("the readers learned from", f"{summary['learned']:,} images of {against.name}")),
        limits="who anybody is, or whether the shares are fair: that depends on what the images are for. A reader that is often wrong leaves corrected shares all but open. Shares of captions that name a group follow the captions. Groups that the "
        "corpus does not label are not seen.",
    )  # fmt: skip


def _shares_of(attribute: str, part: pd.DataFrame, corpus: str, *, refused: bool) -> list[Number]:
    """What was read of an attribute, class by class, *cannot tell* the last; beside it the corrected share and that of the corpus.

    Args:
        part: rows of the table of shares of :func:`stablerep.audits.people.read_people`.
    """
    known = {source: rows.set_index("label") for source, rows in part.groupby("source")}
    source, found = OF_CAPTION if OF_CAPTION in known else OF_CONCEPT, []
    told = (
        source if source == OF_CAPTION else "training images of people"
    )  # all of them: the corpus has none of the captions
    for row in known[AS_READ].itertuples():
        key, beside = f"groups.{attribute}.{row.Index}".replace(" ", "_"), ()
        if row.Index != CANNOT_TELL:
            fixed, real = known[CORRECTED].loc[row.Index], known[source].loc[row.Index]
            title = f"corrected for the reader's errors{' (refused)' if refused else ''}"
            beside = (
                Number(f"{key}.corrected", title, fixed["share"], SHARE, fixed["low"], fixed["high"]),
                Number(f"{key}.corpus", f"{told} in {corpus}", real["share"], SHARE),
            )  # fmt: skip
        found.append(Number(key, f"{attribute}: {row.Index}, as read", row.share, SHARE, row.low, row.high, beside))
    return found


def _rows(number: Number) -> list[tuple[str, str, float, float, float, str]]:
    """A share for the figure, as read and, unless that is refused, corrected."""
    label = number.title.partition(": ")[2]
    rows = [(label, "two" if number.beside else "other", number.value, number.low, number.high, number.text)]
    for one in number.beside[:1]:
        if one.value == one.value:
            rows.append((label.replace(", as read", ", corrected"), "one", one.value, one.low, one.high, one.text))
    return rows
