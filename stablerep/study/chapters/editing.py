"""Editing: captions are to be read without the skin tone that they name, or towards balance, by a change of the generator in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import pandas as pd
from pydantic import Field

from stablerep.audits.tone_words import NAMED_TONES
from stablerep.figures.edit_tables import beyond
from stablerep.statistics import WORDS, Pair, differences, summarize
from stablerep.statistics import verdict as verdict_on
from stablerep.study.chapters import Headline
from stablerep.study.experiments.answers import ABSENT, Answer, effects_of
from stablerep.study.experiments.arms import FLOOR_ARMS, arm
from stablerep.study.experiments.edit_captions import EDITED, OTHERS, PLAIN, Lesson, balance, erasure
from stablerep.study.experiments.edited import at, edited_at, skewed_generators
from stablerep.study.experiments.edited_images import (
    CONCEPT_FIRST,
    changes_of,
    items_of,
    measured,
    shares_of,
    without_rows,
)
from stablerep.study.experiments.evaluated import Evaluated
from stablerep.study.experiments.evaluated import items_of as answers_of
from stablerep.study.experiments.images import Named
from stablerep.study.experiments.judged_images import judge_of
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets
from stablerep.study.store.runs import Run

QUESTION = "Can a generator be edited so that its images show a sensitive attribute less often, and what else is lost?"
CLAIMS = ("C12",)
TESTED = {
    "C12": "whether fewer images of the edited captions are read as a named skin tone after Unified Concept Editing; not whether the tone is gone"
}
HEADLINE = Headline("shares", ("generator", "measure"), "share", "share of images")
BEFORE = "before the edit"
NAMED_TONE, NOT_TOLD = "named tone", "tone not told"
TARGET, DAMAGE = f"{NAMED_TONE}, {EDITED}", f"{CONCEPT_FIRST}, {PLAIN}"  # on which the verdict rests
NAMED_TONE_OTHERS, CONCEPT_OTHERS = f"{NAMED_TONE}, {OTHERS}", f"{CONCEPT_FIRST}, {OTHERS}"  # of what was not edited
FIRST_ARM = arm("StableRep synthetic")  # on images of the generator before the edit
EDITED_ARM = replace(FIRST_ARM, name="StableRep synthetic, edited")
LEAST = 0.5  # of what is read rightly, and of images read as a named tone before the edit, for a verdict

Dose = Annotated[float, Field(gt=0, le=2)]


class Parameters(Pretraining):
    # what no method of this chapter reads
    simclr_guidance_scale: ClassVar[float]
    simclr_learning_rate: ClassVar[float]
    clip_guidance_scale: ClassVar[float]
    clip_learning_rate: ClassVar[float]
    caption_colour: ClassVar[float]

    edited_captions: int = knob("captions of people with a skin tone to edit, at most", ge=1)
    preserved_captions: int = knob("captions without a tone whose reading is preserved, at most", ge=0)
    preservation: float = knob("lambda: weight of a preserved caption beside that of an edited one", ge=0, le=1e6)
    dose: Dose = knob("of the verdict: part of the way from a caption to the one without its tone")
    doses: list[Dose] = knob("other doses to compare", cost="linear")
    looked_captions: int = knob("captions with a tone in each group to look at, at most", cost="linear", ge=4)
    plain_captions: int = knob("captions without a tone to look at, at most", cost="linear", ge=4)
    images_per_looked_caption: int = knob("images of each of them and generator", unit="images", cost="linear", ge=1, le=100)  # fmt: skip
    debias: bool = knob("whether a generator is trained on a planted skew, and debiased", cost="linear (training)")
    skew: float = knob("share of drawings of men in that training, for captions that name no gender", ge=0, le=1)
    balance_doses: list[Dose] = knob(
        "how far such a caption is moved towards the one that names a woman; 1 is all the way", min_length=1
    )
    training_steps: int = knob("steps by which a generator is trained further", cost="linear", ge=1)
    training_rate: float = knob("peak learning rate of that training", gt=0, le=1)
    drawings_per_caption: int = knob("drawings of each caption in that training, at most; 0 takes all", ge=0)
    train_encoders: bool = knob("whether StableRep learns from images of the edited generator", cost="linear")

    @property
    def every_dose(self) -> list[float]:
        return sorted({*self.doses, self.dose})


PRESETS = chapter_presets(
    Parameters, PRETRAINING,
    laptop=dict(
        edited_captions=200, preserved_captions=200, preservation=1.0, dose=1.0, doses=[], looked_captions=16, plain_captions=16,
        images_per_looked_caption=2, debias=False, skew=0.9, balance_doses=[0.5], training_steps=20, training_rate=1e-3, drawings_per_caption=0, train_encoders=False,
    ),
    smoke=dict(
        captions=32, looked_captions=6, plain_captions=8, images_per_looked_caption=1, doses=[0.5], training_steps=2, drawings_per_caption=1, train_encoders=True,
    ),
    reference=dict(
        doses=[0.5], looked_captions=48, plain_captions=200, images_per_looked_caption=4, debias=True, balance_doses=[0.5, 1.0, 1.5],
        training_steps=600, train_encoders=True,
    ),
    workstation=dict(
        doses=[0.25, 0.5, 0.75], looked_captions=64, plain_captions=200, images_per_looked_caption=8, debias=True, balance_doses=[0.5, 1.0, 1.5],
        training_steps=2000, train_encoders=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    erased: Run  # what is measured of images before and after the tone was erased
    balanced: Run | None  # the same of the planted skew
    encoders: list[Evaluated]  # what StableRep learns, and the floors


def ask(p: Parameters, study: Study) -> Asked:
    """What is measured of images before and after each edit, and StableRep on images before and after.

    Raises:
        InputError: a corpus whose captions name no skin tones, or, for the planted skew, a generator that cannot be trained further.
    """
    study.need_people()
    if p.debias:
        study.need_trainable(p.generator)
    seeds = range(p.seed, p.seed + p.seeds)
    judges = {seed: judge_of(p, study, seed) for seed in seeds}
    lesson = erasure(
        study,
        edited=p.edited_captions,
        preserved=p.preserved_captions,
        looked=p.looked_captions,
        plain=p.plain_captions,
    )
    generators = {BEFORE: p.generator} | edited_at(
        p.every_dose, study, p.generator, lesson, preservation=p.preservation
    )
    erased = looked_at(p, study, lesson, generators, judges, "tone")
    balanced = None
    if p.debias:
        lesson = balance(study, seed=p.seed, preserved=p.preserved_captions, looked=p.looked_captions)
        skewed = skewed_generators(
            study, p.generator, lesson, doses=p.balance_doses, preservation=p.preservation, share=p.skew, seed=p.seed,
            at_most=p.drawings_per_caption, steps=p.training_steps, learning_rate=p.training_rate,
        )  # fmt: skip
        balanced = looked_at(p, study, lesson, skewed, judges, "gender")
    encoders = learned(p, study, generators[at(p.dose)], seeds) if p.train_encoders else []
    return Asked(erased, balanced, encoders)


def drawn_by(generator: str, p: Parameters) -> Parameters:
    """The same parameters with another generator."""
    return p.model_copy(update={"generator": generator})


def looked_at(
    p: Parameters, study: Study, lesson: Lesson, generators: dict[str, str], judges: dict[int, Run], attribute: str
) -> Run:
    """What is measured of the images that some generators draw, each seed from noise of its own, which all of them share."""
    captions, count = Named(lesson.looked.captions), p.images_per_looked_caption
    drawings = {
        (place, seed): study.synthetic_images(
            captions, drawn_by(name, p), p.guidance_scale, images_per_caption=count, seed=seed
        )
        for seed in judges
        for place, name in generators.items()
    }
    return measured(study, drawings, judges, lesson.looked, attribute, count)


def learned(p: Parameters, study: Study, generator: str, seeds: range) -> list[Evaluated]:
    """StableRep on images before and after the edit, and the floors."""
    captions, found = study.captions(p.captions), []
    for seed in seeds:
        found += [study.evaluated(arm(name), captions, p, seed) for name in (FIRST_ARM.name, *FLOOR_ARMS)]
        found.append(study.evaluated(EDITED_ARM, captions, drawn_by(generator, p), seed))
    return found


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables: ``shares`` (by ``generator`` and ``measure``, which names a group of captions, with 95 % over concepts and seeds of the noise);
    ``differences`` (the generator before against each edit, on every measure; ``claim`` is C12 for the two of the verdict); ``worst`` (the ten concepts
    that lost most by the verdict's edit, of captions without a tone); ``changes`` (of pixels, by ``generator`` and ``group``); ``reader``; ``grid``. Of the planted skew
    ``gaps`` (:func:`stablerep.audits.edit_effects.gaps_of`), ``balance_shares`` (as ``shares``) and ``balance_grid``. Of encoders ``arms`` and
    ``arm_differences``. What was not run has no rows."""
    from stablerep.audits.edit_effects import GAP_COLUMNS, gaps_of, worst_concepts
    from stablerep.audits.readers import CANNOT_TELL

    items = items_of(asked.erased, {NAMED_TONE: NAMED_TONES, NOT_TOLD: (CANNOT_TELL,)})
    of_things = [f"{measure}, {PLAIN}" for measure in (NAMED_TONE, NOT_TOLD)]  # the reader knows people alone
    items = items[~items["probe"].isin(of_things)]
    pairs = [Pair("", BEFORE, at(dose)) for dose in p.every_dose]
    found = [differences(items[~items["probe"].str.startswith(CONCEPT_FIRST)], pairs)]
    damage = [Pair("", at(dose), BEFORE, at_least=True) for dose in p.every_dose]
    found.append(differences(items[items["probe"].str.startswith(CONCEPT_FIRST)], damage))
    table = pd.concat(found, ignore_index=True)
    mine = table["probe"].isin([TARGET, DAMAGE]) & (table[["first", "second"]] == at(p.dose)).any(axis=1)
    concepts, readings = asked.erased.table("concepts"), asked.erased.table("readings")
    plain = (
        readings.loc[readings["group"] == PLAIN, ["concept", "caption"]]
        .drop_duplicates("concept")
        .set_index("concept")["caption"]
    )
    worst = worst_concepts(concepts[concepts["group"] == PLAIN], BEFORE, at(p.dose))
    tables = {
        "shares": shares_of(items), "differences": table.assign(claim=mine.map({True: "C12", False: ""})),
        "worst": worst.assign(caption=worst["concept"].map(plain)),
        "changes": changes_of(asked.erased.table("changes")), "reader": asked.erased.table("reader"), "grid": asked.erased.table("grid"),
        "gaps": pd.DataFrame(columns=GAP_COLUMNS), "balance_shares": without_rows("generator", "measure", "share"), "balance_grid": asked.erased.table("grid").iloc[:0],
        "arms": without_rows("arm", "probe", "accuracy"), "arm_differences": table.iloc[:0],
    }  # fmt: skip
    if asked.balanced:
        run = asked.balanced
        tables |= {
            "gaps": gaps_of(run.table("readings")), "balance_grid": run.table("grid"), "balance_shares": shares_of(items_of(run, {})),
            "reader": pd.concat([tables["reader"], run.table("reader")], ignore_index=True),
        }  # fmt: skip
    if asked.encoders:
        answers = answers_of(asked.encoders)
        pair = Pair("encoder", EDITED_ARM.name, FIRST_ARM.name)
        tables |= {"arms": summarize(answers), "arm_differences": differences(answers, [pair])}
    return tables


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """C12 by the two differences at the dose of the verdict, where the reader reads, and there was a tone to erase."""
    rule = (
        "reproduced when fewer images of captions that were edited are read as a named tone after the edit than before, by the whole interval, and images of "
        "captions without a tone have their concept first as often as before, to within a point, by the whole interval; partly when the first holds and "
        "the second speaks against it; nothing is settled where the reader reads fewer than half of the drawings rightly, or fewer than half of the images as a "
        "named tone before the edit"
    )
    pairs = tables["differences"].query("claim == 'C12'")
    if set(pairs["probe"]) != {TARGET, DAMAGE}:
        return [Answer("C12", WORDS[-1], "not both differences were measured", rule, until=ABSENT)]
    shares = tables["shares"].set_index(["generator", "measure"])["share"]
    right = tables["reader"].set_index("attribute")["accuracy"]["tone"]
    before = shares[BEFORE, TARGET]
    for share, what in (
        (right, "of the drawings that its probe has not seen, the reader reads the tone rightly in"),
        (before, "before the edit, the images of the edited captions that are read as a named tone are"),
    ):
        if share < LEAST:
            return [Answer("C12", WORDS[-1], f"{what} {100 * share:.0f} %", rule)]
    told = pairs.sort_values("probe", key=lambda names: names != TARGET)
    told = told.assign(first=told["probe"] + ": " + told["first"])
    found = verdict_on(told)
    after = told["second"].iloc[0]
    left, but = shares[after, TARGET], beyond(tables["differences"], after, NAMED_TONE_OTHERS, CONCEPT_OTHERS)
    lines = [
        f"After the edit {100 * left:.0f} % of the images of the edited captions are still read as a named tone, before it {100 * before:.0f} %. "
        "The verdict says whether there are fewer, not whether there are none. It says nothing of other wordings, or of what the weights still hold."
    ]
    effects = [effect for probe in (TARGET, DAMAGE) for effect in effects_of(told[told["probe"] == probe])]
    return [Answer("C12", found.word, found.sentence, rule, lines, found.p, effects, "that of the tone", but)]
