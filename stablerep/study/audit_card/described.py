"""The first sections of a card: what was audited, what it looks like, and what of it a training should not see."""

from __future__ import annotations

import pandas as pd

from stablerep.audits.scan import BLANK, SHOWN, SMALL, flagged, most_repeated
from stablerep.study.audit_card.drawing import grid, shortened
from stablerep.study.audit_card.inputs import PIPELINE, SET, Audited
from stablerep.study.audit_card.measures import Measured
from stablerep.study.audit_card.parts import SHARE, Number, Section

RECORD = {  # entries of a synthetic set's record, as a reader knows them
    "generator_name": "generator", "generator": "fingerprint of the generator", "guidance_scale": "guidance scale w", "steps": "denoising steps",
    "sampler": "sampler", "guidance_interval": "noise levels with guidance", "seed": "seed", "precision": "precision", "resolution": "side in pixels",
    "images_per_caption": "images of a caption", "captions": "captions in the plan", "plan": "fingerprint of the plan", "batch_size": "images in a batch",
    "shard_captions": "captions in a shard", "versions": "versions",
}  # fmt: skip


def what(audited: Audited, measured: Measured) -> Section:
    """What was audited: name, kind, numbers, sizes, and all that is recorded of how it came to be."""
    images = measured.images.table("images")
    each = images["caption"].value_counts()
    sides = images[["width", "height"]].min(axis=1)
    sizes = (images["width"].astype(str) + " × " + images["height"].astype(str)).value_counts()
    shown = ", ".join(f"{size} ({count:,})" for size, count in sizes.head(3).items())
    more = f" and {len(sizes) - 3:,} other sizes" if len(sizes) > 3 else ""
    facts = [
        ("name", audited.name), ("kind", audited.kind), ("fingerprint", audited.fingerprint), ("width × height, in pixels", shown + more),
    ]  # fmt: skip
    record = audited.record()
    facts += [
        (RECORD.get(name, name.replace("_", " ")), _said(record[name])) for name in {**RECORD, **record} if name in record
    ]  # fmt: skip
    if audited.kind == PIPELINE:
        facts.append(("drawn for this card", f"{len(images):,} images of {len(each):,} captions"))
    how = {
        SET: "A finished synthetic set, read from its shards; its record stands beside it.",
        PIPELINE: "A pipeline. Images were drawn for this card, as a run of the store, and these were audited.",
    }.get(audited.kind, "Captioned images, all of them, whatever part they are meant for.")
    numbers = (
        Number("what.images", "images", len(images), "images"),
        Number("what.captions", "different captions", len(each), "captions"),
        Number("what.fewest_of_a_caption", "images of the caption that has fewest", int(each.min()), "images"),
        Number("what.most_of_a_caption", "images of the caption that has most", int(each.max()), "images"),
        Number("what.shortest_side", "smallest of the shorter sides", int(sides.min()), "pixels"),
        Number("what.longest_side", "largest of the shorter sides", int(sides.max()), "pixels"),
    )
    return Section(
        "what", "What was audited", how, numbers=numbers, facts=tuple(facts), notes=tuple(audited.notes),
        limits="where the captions come from, whether somebody agreed to be shown, and what licence the images have, unless a note says so.",
    )  # fmt: skip


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return " to ".join(f"{one:g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def look(measured: Measured) -> Section:
    """A few images with their captions, chosen by hash."""
    shown = measured.images.table("shown")
    return Section(
        "look", "Look", "Images of different captions where there are so many. They were chosen by a hash of their names, and by nobody's eye.",
        shown=(grid(shown["png"].tolist(), shown["caption"].tolist()),),
        limits=f"what rare images look like: {len(shown)} of {len(measured.images.table('images')):,} are shown, at most {SHOWN}.",
    )  # fmt: skip


def flags(audited: Audited, measured: Measured) -> Section:
    """What was flagged: blank, repeated, without a caption, very small, and what a safety checker left out."""
    images = measured.images.table("images")
    found, n = flagged(images), len(images)
    titles = {
        "blank": f"blank: less than {BLANK:g} grey levels from their mean colour (root mean square)",
        "repeated": "the same pixels as an earlier image of the same caption",
        "shared": "the same pixels as an image of another caption",
        "empty": "without a caption",
        "small": f"with a shorter side below {SMALL} pixels",
    }
    numbers = [
        Number(f"flagged.{name}", titles[name], count, "images", beside=(Number(f"flagged.{name}_share", "of all images", count / n, SHARE),))
        for name, count in found.items()
    ]  # fmt: skip
    notes = []
    if audited.made is not None:
        left_out = audited.made().totals["flagged"]
        numbers.insert(0, Number("flagged.safety", "left out by the pipeline's safety checker", left_out, "images"))
        notes.append(
            "Images that a safety checker left out are in no other number. The record does not say whether the pipeline had one."
        )
    notes += [_repeats(row) for row in most_repeated(images, 3).itertuples()]
    return Section(
        "flagged", "Flagged", "Every image was looked at once, at its own size. Counts are of all images and need no interval.", numbers=tuple(numbers),
        notes=tuple(notes),
        limits="whether an image is harmful, private or of poor taste: nothing here looks at what an image shows. Images that are nearly the same are counted in "
        "the section on diversity.",
    )  # fmt: skip


def _repeats(row: pd.Series) -> str:
    of = f"{row.captions:,} captions, such as" if row.captions > 1 else "the caption"
    return f"{row.images:,} images have the same pixels, under {of} “{shortened(row.caption, 60)}”."
