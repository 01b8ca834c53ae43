"""Photographs: the comparison, guidance and mixture on CIFAR-10, and accuracy by group of people on FairFace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from stablerep.statistics import WORDS
from stablerep.statistics.arms import Pair, differences, seed_means, summarize
from stablerep.study.chapters import Headline, compare, guidance, mixture
from stablerep.study.experiments.answers import ABSENT, Answer, answer_by_contrasts
from stablerep.study.experiments.arms import FLOOR_ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.photographs import Opened, Photographs, fingerprints, how_to_compute, opened
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import GuidanceScale, Pretraining, knob
from stablerep.study.parameters.presets import PRETRAINING, chapter_presets

QUESTION = "Does what was found on drawings hold for photographs?"
CLAIMS = ("C1", "C2", "C3", "C8", "C13")
TESTED = {
    "C1": "on photographs of CIFAR-10, at one guidance scale that was fixed beforehand",
    "C2": "on photographs of CIFAR-10, whose captions are made from classes, so that StableRep is supervised contrast",
    "C3": "on photographs of CIFAR-10",
    "C8": "the first half, on photographs of FairFace",
    "C13": "whether StableRep learns more from photographs of CIFAR-10 and synthetic images, half and half, than from as many of either kind",
}
CLUSTERS = "test photographs"
HEADLINE = Headline("arms", ("data", "arm", "probe"), "accuracy", "accuracy")

CIFAR = Photographs("CIFAR-10", "cifar10", ("label",), "cifar10_generator")
FACES = Photographs("FairFace", "fairface64", ("race", "gender", "age"), "fairface_generator")
SETS = (CIFAR, FACES)
CONTINUED = " \\\n    "  # of a command, on its next line
WOULD_SHOW = f"""\
With results, the page has for each claim:

- **C1** (CIFAR-10): SimCLR on synthetic images against SimCLR on as many photographs with the same captions. It is judged as in the [comparison](/book/chapters/compare.ipynb), at one guidance scale that was fixed beforehand.
- **C2** (CIFAR-10): StableRep on synthetic images against SimCLR and CLIP. Captions are made from classes here, so StableRep learns from labels and SimCLR does not: a lead says little more than that labels help. Beside it stands StableRep on photographs, with the same labels.
- **C3** (CIFAR-10): accuracy of SimCLR and of StableRep over the guidance scale, and the scale at which each is best. It takes encoders at three scales or more.
- **C8**, its first half (FairFace): whether synthetic images change accuracy for some groups of people more than for others. The groups are by *perceived* race, gender and age.
- **C13** (CIFAR-10): StableRep on photographs and synthetic images, half and half, against as many of either kind.

**What it takes.** The photographs of CIFAR-10, FairFace or both, below the folder that `STABLEREP_DATA` names; a generator that has learned from them for each, hours of training on two cores; and three seeds for a verdict. Neither photographs nor generators come with the project. C1, C2, C3 and C13 need CIFAR-10 alone, C8 needs FairFace alone. `--dry-run` behind the last command says what the chapter itself costs.

```console
{chr(10).join(f"$ {one.command}" for one in SETS)}
$ stablerep reference photographs \\
    {CONTINUED.join(f"-p {one.generator}=generators/{one.corpus}/pipeline" for one in SETS)}
```"""
SWEPT = ("simclr", "stablerep")  # at every guidance scale
MIXED = Arm("StableRep half real, half synthetic", "stablerep", "mixed")
BESIDE = (
    *map(arm, FLOOR_ARMS), arm("SimCLR real"), arm("CLIP real"), arm("CLIP synthetic"), Arm("StableRep real", "stablerep", "real"),
    Arm("Supervised real", "supervised", "real"),
)  # fmt: skip
OF_FACES = (
    *map(arm, FLOOR_ARMS), arm("SimCLR real"), arm("SimCLR synthetic"), Arm("StableRep real", "stablerep", "real"), arm("StableRep synthetic"),
)  # fmt: skip
PAIRS = (
    *(pair for pair in compare.PAIRS if pair.claim in ("C1", "C2")),
    Pair("C13", MIXED.name, "StableRep synthetic"), Pair("C13", MIXED.name, "StableRep real"),
    Pair("same positives", "StableRep synthetic", "StableRep real"), Pair("ceiling", "StableRep real", "Supervised real"),
)  # fmt: skip
PEOPLE = (  # synthetic and real; the first is that of C8
    ("SimCLR synthetic", "SimCLR real"), ("StableRep synthetic", "StableRep real"), ("StableRep synthetic", "SimCLR real"),
)  # fmt: skip
BLOCKS = 50  # of photographs of people, within which groups are compared


class Parameters(Pretraining):
    # what the data sets decide, what concerns drawings and designs, and w, which is one for all methods
    corpus: ClassVar[str]
    labels: ClassVar[list[str]]
    cluster: ClassVar[str]
    split: ClassVar[str]
    generator: ClassVar[str]
    captions: ClassVar[int]
    images_per_caption: ClassVar[int]
    probe_designs: ClassVar[list[str]]
    camera: ClassVar[float]
    one_per_concept: ClassVar[bool]
    guidance_interval: ClassVar[list[float]]
    simclr_guidance_scale: ClassVar[float]
    clip_guidance_scale: ClassVar[float]

    cifar10_generator: str = knob("pipeline folder of a generator trained on CIFAR-10; empty: without CIFAR-10")
    fairface_generator: str = knob("pipeline folder of a generator trained on FairFace; empty: without FairFace")
    images: int = knob(
        "that every arm learns from, as many of each caption as come to no more",
        unit="images",
        cost="linear (synthesis)",
        ge=4,
    )
    guidance_scale: GuidanceScale = knob("w of the synthetic images of all claims but C3: 1 is no guidance")
    guidance_scales: list[GuidanceScale] = knob("numbers w to compare on CIFAR-10", cost="linear", min_length=3)
    supervised_learning_rate: float = knob("peak for supervised learning", gt=0, le=1)


PRESETS = chapter_presets(
    Parameters,
    PRETRAINING,
    # data and generators do not come with the project, so that no preset names any
    laptop=dict(
        cifar10_generator="", fairface_generator="", images=1000, guidance_scales=[1.0, 2.0, 8.0], sampling_steps=12,
    ),
    smoke=dict(images=100, guidance_scales=[1.0, 2.0, 4.0]),
    reference=dict(images=5000, guidance_scales=[1.0, 2.0, 4.0, 8.0], sampling_steps=25, seeds=3),
    workstation=dict(images=5000, guidance_scales=[1.0, 2.0, 4.0, 8.0], sampling_steps=25),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    sets: list[Opened]
    swept: dict[float, list[Evaluated]]  # of CIFAR-10, by guidance scale
    beside: list[Evaluated]  # of CIFAR-10
    faces: list[Evaluated]


def given(p: Parameters) -> list[Photographs]:
    """The data sets whose generators are given."""
    return [one for one in SETS if getattr(p, one.generator)]


def lacking(p: Parameters) -> str:
    """What to do where no generator is given."""
    return "" if given(p) else how_to_compute(SETS, "photographs")


def sources(p: Parameters) -> dict[str, str]:
    """Fingerprints of the photographs and of their generators."""
    return fingerprints(given(p), p)


def ask(p: Parameters, study: Study) -> Asked:
    """Of CIFAR-10 two methods at every guidance scale, and the other arms; of FairFace the arms by which groups are compared."""
    sets = [opened(one, p, study) for one in given(p)]
    swept, beside, faces = {}, [], []
    for one in sets:
        for seed in range(p.seed, p.seed + p.seeds):
            if one.which is FACES:
                faces += [one.evaluated(which, seed) for which in OF_FACES]
                continue
            for w in sorted({*p.guidance_scales, p.guidance_scale}):
                swept.setdefault(w, []).extend(one.evaluated(guidance.swept_arm(method, w), seed) for method in SWEPT)
            beside += [*(one.evaluated(which, seed) for which in BESIDE), mixed(one, seed)]
    return Asked(sets, swept, beside, faces)


def mixed(photographs: Opened, seed: int) -> Evaluated:
    """StableRep on as many real as synthetic images of each caption, as many as it has of either alone."""
    captions, p, study = photographs.captions, photographs.p, photographs.study
    each = p.images_per_caption
    made = study.synthetic_images(captions, p, p.guidance_scale, images_per_caption=each, seed=p.seed)
    both = study.real_drawings(captions, at_most=each // 2).mixed_with(made, total=each)
    return study.evaluated_on(study.seen(both), MIXED, captions, p, seed)


def compute(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Tables of both data sets: ``data`` (:meth:`Opened.about`), ``arms`` (an interval per arm and probe), ``seeds``, ``differences`` (pairs of the
    claims and others) and ``floors``. Of CIFAR-10: ``guidance``, ``peaks`` and ``bends``, as the chapter on guidance has them. Of FairFace:
    ``groups`` and ``contrasts`` (:mod:`stablerep.audits.groups`) for each linear probe. A data set that was not run has no tables."""
    parts = [of_cifar(p, asked)] if asked.swept else []
    faces = next((one for one in asked.sets if one.which is FACES), None)
    parts += [of_faces(faces, asked)] if faces else []
    tables = {"data": pd.DataFrame([one.about() for one in asked.sets])}
    for name in dict.fromkeys(name for part in parts for name in part):
        tables[name] = pd.concat([part[name] for part in parts if name in part], ignore_index=True)
    return tables


def of_cifar(p: Parameters, asked: Asked) -> dict[str, pd.DataFrame]:
    """Arms, guidance and floors. An arm at the w of the claims has its plain name; every swept one has its w in another."""
    every = pd.concat([answers(some).assign(guidance_scale=w) for w, some in asked.swept.items()], ignore_index=True)
    named = every.assign(arm=[guidance.at_scale(*row) for row in zip(every["arm"], every["guidance_scale"])])
    items = pd.concat([answers(asked.beside), every[every["guidance_scale"] == p.guidance_scale]], ignore_index=True)
    swept = every[every["guidance_scale"].isin(p.guidance_scales)]
    peaks = guidance.fitted(guidance.curves_of(swept[swept["probe"] == CIFAR.probe]))
    trained = [name for name in items["arm"].unique() if name not in FLOOR_ARMS]
    floors = items[items["arm"].isin(FLOOR_ARMS)]
    return described(CIFAR, items, PAIRS) | {
        "floors": pd.concat([against_floors(items, trained), against_floors(pd.concat([named, floors]), named["arm"].unique())]),
        "guidance": pd.concat([summarize(part).assign(guidance_scale=w) for w, part in swept.groupby("guidance_scale")]),
        "peaks": guidance.peaks_of(peaks), "bends": guidance.statements(peaks),
    }  # fmt: skip


def of_faces(faces: Opened, asked: Asked) -> dict[str, pd.DataFrame]:
    """Arms, floors, and accuracies and contrasts by group."""
    from stablerep.audits.groups import FEWEST, group_accuracy, group_contrasts, in_blocks

    items, names = answers(asked.faces), list(FACES.labels)
    table = faces.study.corpus.table.set_index("id")[names]
    # categories have an order, such as that of ages
    classes = {name: [str(one) for one in pd.Categorical(table[name]).categories] for name in names}
    about = table.astype(str)
    asked_about = about.loc[items["id"].unique()]
    items = items.join(about, on="id")
    blocks = in_blocks(asked_about, names[::-1], BLOCKS)
    in_block = items.assign(cluster=items["id"].map(blocks))
    many = {
        name: [one for one in found if (asked_about[name] == one).sum() >= FEWEST] for name, found in classes.items()
    }
    groups, contrasts = [], []
    for probe in (f"linear {name}" for name in names):
        mine = items["probe"] == probe
        groups.append(group_accuracy(items[mine], classes).assign(probe=probe))
        contrasts.append(group_contrasts(in_block[mine], PEOPLE, many).assign(probe=probe))
    trained = [one.name for one in OF_FACES if one.trained]
    return described(FACES, items, [Pair("people", *pair) for pair in PEOPLE]) | {
        "floors": against_floors(items, trained), "groups": pd.concat(groups), "contrasts": pd.concat(contrasts),
    }  # fmt: skip


def answers(evaluated: list[Evaluated]) -> pd.DataFrame:
    """Of the answers to single photographs what the tables need: ten thousand for each arm, seed and probe."""
    return items_of(evaluated)[["arm", "seed", "probe", "id", "cluster", "correct", "views"]]


def described(which: Photographs, items: pd.DataFrame, pairs: list[Pair]) -> dict[str, pd.DataFrame]:
    """What the tables of both data sets have."""
    found = {"arms": summarize(items), "seeds": seed_means(items), "differences": differences(items, pairs)}
    return {name: table.assign(data=which.title) for name, table in found.items()}


def headline_probe(tables: dict[str, pd.DataFrame]) -> str:
    """That of CIFAR-10, where it was run."""
    return next(one.probe for one in SETS if one.probe in set(tables["arms"]["probe"]))


def verdict(tables: dict[str, pd.DataFrame]) -> list[Answer]:
    """Each claim by the rule of the chapter that tests it on drawings, on the primary probe of its photographs."""
    c1, c2 = (compare.answer(tables, claim, CIFAR.probe) for claim in ("C1", "C2"))
    c3 = guidance.verdict(tables | {"differences": tables["bends"]})[0] if "bends" in tables else without("C3", CIFAR)
    c8 = without("C8", FACES)
    if "contrasts" in tables:
        contrasts = tables["contrasts"]
        c8 = answer_by_contrasts(
            "C8", FACES.probe, PEOPLE, contrasts[contrasts["probe"] == FACES.probe], tables["floors"]
        )
    return [c1, c2, c3, c8, mixture.answer(tables, CIFAR.probe)]


def without(claim: str, which: Photographs) -> Answer:
    """The answer where a data set was not run."""
    return Answer(claim, WORDS[-1], f"no photographs of {which.title} were learned from", until=ABSENT)
