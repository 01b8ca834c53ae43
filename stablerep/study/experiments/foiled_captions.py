"""Captions and foils before an encoder that has read captions: which images are asked about, and its answers, as runs in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError
from stablerep.png import png_of
from stablerep.study.store.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.corpus import Corpus
    from stablerep.study.experiments.images import Captions
    from stablerep.study.experiments.study import Study
    from stablerep.study.parameters.base import Pretraining
    from stablerep.study.store.runs import Run
    from stablerep.training.joint_space import JointSpace

KNOWN, UNSEEN = "training captions, held-out design", "unseen combinations, held-out design"
NEW = "new concepts, held-out design"
ASKED = "{} part"  # of what probes ask for, where that is not NEW
TRAINED, INITIAL = "trained", "initial"  # weights of the encoder and of its text tower
BATCH = 1024  # drawings whose pixels are compared at a time

_SHARED = ("stablerep.training.joint_space", "stablerep.audits.composition", "stablerep.probes.extraction", f"{__name__}:space_of", f"{__name__}:answered")  # fmt: skip
FOILED = Step(
    "foiled-captions", 1, lambda p: f"captions against foils, {p['weights']} weights",
    (*_SHARED, "stablerep.audits.foils", "stablerep.camera", "stablerep.png", *(f"{__name__}:{one}" for one in ("ask_foils", "parts_of", "designs_of", "foils_in", "digests_of"))),
    seconds=3.5,
)  # fmt: skip
FILES = Step(
    "foil-files", 1, lambda p: f"files of captions and foils, {p['weights']} weights",
    (*_SHARED, "stablerep.audits.composition_files", f"{__name__}:ask_files"),
    amount=lambda p: 5.0 * (p["questions"] or 25_000), rate=400.0,
)  # fmt: skip


def foiled(run: Run, weights: str, captions: Captions, p: Pretraining, study: Study) -> Run:
    """What a run's joint space, trained or as it began, says of the images of :func:`parts_of`: tables ``results`` (:func:`ask_foils`) and ``foils``
    (:func:`stablerep.audits.foils.described`, with ``images_of`` and ``png``, the image of the example)."""
    return study.store.obtain(
        FOILED,
        parameters={
            "size": study.size, "part": p.probe_part, "weights": weights, "held_out": HELD_OUT,
            "designs": sorted(designs_of(p, study)),
        },
        inputs={"encoder": run.key, "corpus": study.seen_fingerprint, "captions": captions.name},
        compute=lambda folder: ask_foils(space_of(run.folder, weights), p, captions, study, folder),
    )  # fmt: skip


def asked_of_files(run: Run, weights: str, source: str, fingerprint: str, questions: int, study: Study) -> Run:
    """The same of the files below a folder: tables ``results`` and ``files``, a row for each file.

    Args:
        source, questions: as ``source`` and ``most`` of :func:`stablerep.audits.composition_files.read_files`. fingerprint: of the files.
    """
    return study.store.obtain(
        FILES,
        parameters={"size": study.size, "weights": weights, "questions": questions},
        inputs={"encoder": run.key, "files": fingerprint},
        compute=lambda folder: ask_files(space_of(run.folder, weights), source, questions, study, folder),
    )


def space_of(folder: Path, weights: str) -> JointSpace:
    """The joint space of a finished run, or that with which it began."""
    from stablerep.audits.composition import untrained_space
    from stablerep.training.joint_space import load_joint_space

    return load_joint_space(folder) if weights == TRAINED else untrained_space(folder)


def parts_of(p: Pretraining, captions: Captions, study: Study) -> dict[str, tuple[Corpus, pd.DataFrame]]:
    """Scenes of the corpus by the name of their part, with the rows whose captions may be foils.

    Of captions that were read, in the design that nobody learned from, and of captions of the same concepts that nothing has learned: in both cases
    foils are captions that were read, and only where the part is ``test``. Then what probes ask for, with the captions of these images themselves, and
    where the part is ``test`` in that design alone.
    """
    found, about, designs = {}, study.about, designs_of(p, study)
    if designs == [HELD_OUT]:
        table = study.scenes.table
        ours, read = table["design"] == HELD_OUT, table["caption"].isin(captions.texts)
        lost = table[(table["design"] != HELD_OUT) & (table["split"] == "train") & table["held_out"]]
        concepts = {study.clusters[one] for one in captions.texts}
        near = table["caption"].isin(lost["caption"]) & table[about.cluster].astype(str).isin(concepts) & ~read
        for name, mine in ((KNOWN, ours & read), (UNSEEN, ours & near)):
            found[name] = study.scenes.where(mine), table[read]
    part = study.asked_part(designs, p.probe_part)
    return found | {NEW if found else ASKED.format(p.probe_part): (part, part.table)}


def designs_of(p: Pretraining, study: Study) -> list[str]:
    """The designs whose images are asked about: for a result the held-out one alone; none for a corpus without designs."""
    designs = study.about.designs
    return [HELD_OUT] if p.probe_part == "test" and HELD_OUT in designs else list(p.probe_designs) if designs else []


def foils_in(
    parts: dict[str, tuple[Corpus, pd.DataFrame]], cluster: str, study: Study
) -> Iterator[tuple[str, Corpus, pd.DataFrame]]:
    """Of each part its name, its images, and a foil of each kind for each (:func:`stablerep.audits.foils.foils_of`). What is equal among the images of
    all parts is told by their drawings, without the camera."""
    from stablerep.audits.foils import foils_of, shown_alike

    everything = pd.concat([part.table for part, _ in parts.values()], ignore_index=True)
    alike = shown_alike(list(digests_of(everything, study)), everything["caption"].tolist())
    every, start = set(study.corpus.table["caption"]), 0
    for name, (part, read) in parts.items():
        mine, start = alike[start : start + len(part)], start + len(part)
        rows = [table[["caption"]].assign(cluster=table[cluster].astype(str)) for table in (part.table, read)]
        yield name, part, foils_of(rows[0], rows[1].drop_duplicates("caption"), captions=every, alike=mine)


def digests_of(table: pd.DataFrame, study: Study) -> Iterator[bytes]:
    """What names the pixels of each drawing, or photograph, at the size of the study."""
    for start in range(0, len(table), BATCH):
        for image in study.corpus.draw(table.iloc[start : start + BATCH].reset_index(drop=True), study.size):
            yield hashlib.sha256(image.tobytes()).digest()


def answered(space: JointSpace, images: Tensor, questions: pd.DataFrame) -> pd.DataFrame:
    """The questions with the columns of :func:`stablerep.audits.composition.preferred`.

    Args:
        images: features float [N, D] of the space's encoder. questions: ``image`` (a place among them), ``caption`` and ``foils`` (texts), and ``group``.
    """
    from stablerep.audits.composition import encoded, preferred

    texts = sorted({*questions["caption"], *(one for foils in questions["foils"] for one in foils)})
    place = {text: number for number, text in enumerate(texts)}
    asked = questions[["image", "group"]].assign(
        caption=questions["caption"].map(place), foils=[[place[one] for one in foils] for foils in questions["foils"]]
    )
    found = preferred(space.images(images).cpu(), encoded(space, texts).cpu(), asked)
    return questions.reset_index(drop=True).drop(columns=["image", "group", "caption", "foils"]).join(found)


def ask_foils(space: JointSpace, p: Pretraining, captions: Captions, study: Study, folder: Path) -> dict[str, float]:
    """Items of every part and kind: ``images_of`` (the part), ``kind``, ``probe`` (both), ``id``, ``cluster`` and what :func:`answered` adds.

    Raises ``InputError`` where no image has a foil.
    """
    from stablerep.audits.foils import described
    from stablerep.probes.extraction import features_of

    items, about, cluster = [], [], study.about.cluster
    for name, part, foils in foils_in(parts_of(p, captions, study), cluster, study):
        kept = foils.dropna(subset=["foil"])
        used = kept["row"].drop_duplicates().sort_values()
        clusters = part.table[cluster].astype(str).to_numpy()
        images = part.where(part.table.index.isin(used)).images(study.size) if len(used) else None
        if len(foils):
            kinds = described(foils, clusters)
            shown = [png_of(images[used.searchsorted(row)]) if row >= 0 else None for row in kinds["row"]]
            about.append(kinds.drop(columns="row").assign(images_of=name, png=shown))
        if images is None:
            continue
        questions = pd.DataFrame({
            "images_of": name, "kind": kept["kind"], "probe": kept["kind"] + ", " + name, "id": part.table["id"].to_numpy(object)[kept["row"]],
            "cluster": clusters[kept["row"]], "image": used.searchsorted(kept["row"]), "caption": kept["caption"], "group": kept["kind"],
            "foils": [[one] for one in kept["foil"]],
        })  # fmt: skip
        items.append(answered(space, features_of(space.backbone, images), questions))
    if not items:
        raise InputError(
            f"corpus is {study.source!r}, whose captions have no foils: they need two words, or to be of several things."
        )
    found = pd.concat(items, ignore_index=True).astype({"id": str, "cluster": str})
    found.to_parquet(folder / "results.parquet", index=False)
    pd.concat(about, ignore_index=True).to_parquet(folder / "foils.parquet", index=False)
    return found.groupby("probe")["correct"].mean().to_dict()


def ask_files(space: JointSpace, source: str, questions: int, study: Study, folder: Path) -> dict[str, float]:
    """Items of every file: ``probe`` (the name of the set), ``id``, ``cluster`` (the picture), ``group`` (its relation or attributes), and what
    :func:`answered` adds. A file none of whose images is there has no items."""
    from stablerep.audits.composition_files import read_files
    from stablerep.probes.extraction import features_of

    items, about = [], []
    for one in read_files(source, study.size, most=questions):
        about.append({"probe": one.name, "file": one.file, "questions": len(one.table), "missing": one.missing, "pictures": one.table["picture"].nunique()})  # fmt: skip
        if one.table.empty:
            continue
        seen = features_of(space.backbone, one.regions, name=one.name)
        asked = one.table.assign(probe=one.name, id=one.name + "/" + one.table["row"], cluster=one.table["picture"])
        kept = asked[["probe", "id", "cluster", "image", "caption", "foils"]].assign(group=one.name)
        items.append(answered(space, seen, kept).assign(group=one.table["group"].to_numpy()))
    pd.DataFrame(about).to_parquet(folder / "files.parquet", index=False)
    found = pd.concat(items, ignore_index=True) if items else pd.DataFrame(columns=["probe", "correct"])
    found.to_parquet(folder / "results.parquet", index=False)
    return found.groupby("probe")["correct"].mean().to_dict()
