"""Generators that are runs of an edit: some captions are read as others, in closed form, without training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.study.experiments.skewed import skewed
from stablerep.study.experiments.sources import RUN
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from stablerep.audits.editing import Edit
    from stablerep.study.experiments.edit_captions import Lesson
    from stablerep.study.experiments.study import Study

ORIGINAL, SKEWED = "before the skew", "skewed"  # of the generators with a planted skew, beside those after an edit
BALANCED, RELABELLED = "trained on balanced drawings", "trained on captions that name what is drawn"

EDITED = Step(  # no hyphen in its name: its keys are inputs of other runs, and traces find them by their form
    "edited", 1, lambda p: f"a generator that reads {p['edits']:,} captions as others, {p['preserved']:,} preserved",
    ("stablerep.audits.editing", "stablerep.generator.loading", f"{__name__}:save_edited"),
    amount=lambda p: float(p["edits"] + p["preserved"]), rate=400.0, seconds=1.0, disk=lambda p: 40e6,
)  # fmt: skip


def edited_generator(
    study: Study, start: str, edits: Sequence[Edit], preserved: Sequence[str], *, preservation: float
) -> str:
    """Edit a generator (:func:`stablerep.audits.editing.edit`).

    Args:
        start: the generator, as :attr:`Generated.generator` names it, or a run of one. preserved, preservation: of the edit.

    Returns:
        What names it in the place of a generator: ``run:`` and the key of the run.

    Raises:
        InputError: when it is computed, edits or a generator that :func:`stablerep.audits.editing.edit` refuses.
    """
    run = study.store.obtain(
        EDITED,
        parameters={"edits": len(edits), "preserved": len(preserved), "preservation": preservation},
        inputs={"start": study.generator_fingerprint(start), "captions": name_of(edits, preserved)},
        compute=lambda folder: save_edited(study, start, edits, preserved, preservation, folder),
    )
    return f"{RUN}{run.key}"


def at(dose: float) -> str:
    """What a generator that was edited at a dose is called."""
    return f"dose {dose:g}"


def edited_at(
    doses: Sequence[float], study: Study, start: str, lesson: Lesson, *, preservation: float
) -> dict[str, str]:
    """A generator after the edit of a lesson at each of some doses, by :func:`at`."""
    return {
        at(dose): edited_generator(study, start, lesson.edits(dose), lesson.preserved, preservation=preservation)
        for dose in doses
    }


def skewed_generators(
    study: Study, start: str, lesson: Lesson, *, doses: Sequence[float], preservation: float, share: float, seed: int, at_most: int, steps: int,
    learning_rate: float,
) -> dict[str, str]:  # fmt: skip
    """A generator before and after a skew was planted, the skewed one after edits, and the skewed one trained further without the skew in two ways,
    as long as with it. Each training sees drawings of roles alone, of which half have the skew: among all drawings it hardly takes.

    Args:
        lesson, doses, preservation: of the edits. share, seed, at_most: of :func:`stablerep.study.experiments.skewed.skewed`.
        steps, learning_rate: of each training.

    Raises:
        InputError: a corpus in which no skew can be planted; when it is computed, a start that cannot be trained further.
    """

    def trained(before: str, share: float, *, relabelled: bool = False) -> str:
        images = skewed(study, share=share, seed=seed, relabelled=relabelled, only_roles=True, at_most=at_most)
        return study.trained_further(before, images, steps=steps, learning_rate=learning_rate, seed=seed)

    planted = trained(start, share)
    return (
        {ORIGINAL: start, SKEWED: planted}
        | edited_at(doses, study, planted, lesson, preservation=preservation)
        | {BALANCED: trained(planted, 0.5), RELABELLED: trained(planted, share, relabelled=True)}
    )


def name_of(edits: Sequence[Edit], preserved: Sequence[str]) -> str:
    """What stands for edits and preserved captions in the key of a run."""
    told = [[one.caption, sorted(one.towards.items())] for one in edits], list(preserved)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def save_edited(
    study: Study, start: str, edits: Sequence[Edit], preserved: Sequence[str], preservation: float, folder: Path
) -> dict:
    """The edited ``pipeline/`` in single precision, and ``edits.json``, how each caption is to be read."""
    from stablerep.audits.editing import edit
    from stablerep.generator.loading import load_generator

    pipeline = load_generator(study.generator_place(start), precision="float32").pipeline
    maps = edit(pipeline, edits, preserved, preservation=preservation)
    for part in (pipeline, pipeline.unet, pipeline.vae):
        part.register_to_config(_name_or_path="")  # where the start lay, which is private
    pipeline.save_pretrained(folder / "pipeline", safe_serialization=True)
    told = {one.caption: dict(one.towards) for one in edits}
    (folder / "edits.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {"maps": maps, "edits": len(edits), "preserved": len(preserved)}
