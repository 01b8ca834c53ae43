"""What a card is of: a synthetic set, captioned images or a pipeline, found by name; one sentence for what is none of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from stablerep.audits.stored_images import StoredImages
from stablerep.corpus import load_corpus
from stablerep.corpus.locating import short_name
from stablerep.errors import InputError
from stablerep.generator import Sampling, generator_fingerprint
from stablerep.generator.folders import check_index, generator_folder, read_index, weights_variant
from stablerep.study.experiments.images import Captions, Named
from stablerep.study.experiments.sources import RUN, embedded
from stablerep.study.experiments.study import Study
from stablerep.study.store.folder import RECORD
from stablerep.study.store.runs import Run
from stablerep.synthesis import SynthesisPlan, SyntheticSet
from stablerep.synthesis.reading import set_fingerprint

if TYPE_CHECKING:
    from stablerep.study.audit_card.against import Against

SET, CAPTIONED, PIPELINE = "synthetic set", "captioned images", "pipeline"
_KEY = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{4,16}")
_INDEX = "model_index.json"


@dataclass(frozen=True)
class Drawn:
    """What is drawn of a pipeline.

    Attributes:
        captions: ``emoji``, a file of captions, or empty for those of the corpus that the card is held against, else of the emoji.
        count: of captions, the first; 0 takes all.
    """

    captions: str = ""
    count: int = 64
    images_per_caption: int = 8
    guidance_scale: float = 2.0
    steps: int = 12
    sampler: str = "dpm++"
    seed: int = 0


@dataclass(frozen=True)
class Audited:
    """What a card is of.

    Attributes:
        name: for titles and folders. kind: ``SET``, ``CAPTIONED`` or ``PIPELINE``.
        fingerprint: of images and captions, known before a pipeline has drawn any. count: of images, of a pipeline those it is asked for.
        read: gives the images. needs: asks for the run that they are drawn by, where there is one.
        made: gives the synthetic set, where it is one. by_embedded: whether the embedded generator drew them.
    """

    name: str
    kind: str
    fingerprint: str
    count: int
    read: Callable[[], StoredImages] = field(repr=False)
    needs: Callable[[], object] = field(default=lambda: None, repr=False)
    made: Callable[[], SyntheticSet] | None = field(default=None, repr=False)
    by_embedded: bool = False
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, object]:
        """What is known of how the images came to be: of a synthetic set all that stands beside it, with the versions of its run where it is one."""
        if self.made is None:
            return {}
        made = self.made()
        record = made.folder / RECORD
        provenance = json.loads(record.read_text())["provenance"] if record.is_file() else {}
        versions = {
            name: version
            for name, version in provenance.get("packages", {}).items()
            if name in ("torch", "diffusers", "transformers")
        }
        own = {"stablerep": provenance["stablerep"]} if provenance else {}
        return {**made.plan, "versions": own | versions or "not recorded"}


def open_source(
    source: str, study: Study, drawn: Drawn, against: Callable[[bool], Against | None], labels: list[str]
) -> Audited:
    """Find what a card is to be of; nothing is drawn yet.

    Args:
        source: the key of a run of the step synthesis, or of one that trained a generator; the folder of a synthetic set; ``emoji``, a folder or a name on the
            Hub, for a pipeline; or a source of :func:`stablerep.corpus.load_corpus`.
        against: gives the corpus that the card is held against, told whether the embedded generator drew the images.
        labels: columns of classes, of a source that is read from files.

    Raises:
        InputError: none of these, or one that cannot be read.
    """
    path, here = Path(source), _exists(Path(source))
    if _KEY.fullmatch(source) and not here:
        run = study.store.find(source)
        if run is None and source.startswith(("synthesis-", "generator-")):
            raise InputError(f"there is no complete run {source!r}; `stablerep runs list` shows those there are.")
        if run is not None:
            return _of_run(run, study, drawn, against)
    if source == "emoji" or (here and (path / _INDEX).is_file()):
        return _of_pipeline(source, source, study, drawn, against)
    if here and (path / "plan.json").is_file():
        return _of_set(path, path.resolve().name)
    if here and (path / "pipeline" / _INDEX).is_file():
        return _of_pipeline(source, str(path / "pipeline"), study, drawn, against)
    there = here or _exists(Path(os.environ.get("STABLEREP_DATA") or os.devnull) / source)
    if not there and not source.startswith(("hub:", ".", "/", "~")) and source.count("/") == 1:
        return _of_pipeline(source, source, study, drawn, against)
    return _of_corpus(source, labels, there)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no possible name: too long, or with a null character
        return False


def _of_run(run: Run, study: Study, drawn: Drawn, against: Callable[[bool], Against | None]) -> Audited:
    step = run.info["step"]
    if step == "synthesis":
        return _of_set(run.folder, run.key)
    if step == "generator":
        return _of_pipeline(run.key, f"{RUN}{run.key}", study, drawn, against)
    raise InputError(
        f"{run.key} is a run of the step {step}; a card is of a run of synthesis, or of one that trained a generator."
    )


def _of_set(folder: Path, name: str) -> Audited:
    made = SyntheticSet(folder)
    try:
        plan, totals = made.plan, made.totals
        count, by = totals["images"], plan["generator"]
        fingerprint = made.fingerprint
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"the record of the synthetic set {folder.name} is damaged ({error}); run synthesize again."
        ) from error
    return Audited(
        short_name(name), SET, fingerprint, count, lambda: StoredImages.of_set(made), made=lambda: made,
        by_embedded=by == generator_fingerprint("emoji"),
    )  # fmt: skip


def _of_pipeline(
    source: str, name: str, study: Study, drawn: Drawn, against: Callable[[bool], Against | None]
) -> Audited:
    """A pipeline by what opens it; what it draws is a run of the step synthesis, as of any chapter."""
    folder = None if name.startswith(RUN) else generator_folder(name)
    if folder:
        index = read_index(folder)
        check_index(source, index)
        weights_variant(folder, index)
    on_hub = folder is None and not name.startswith(RUN)
    sampling = Sampling(drawn.guidance_scale, drawn.steps, drawn.sampler)
    by_embedded = name == "emoji" or study.generator_fingerprint(name) == generator_fingerprint("emoji")
    captions = _captions(study, drawn, against(by_embedded))
    how = {"images_per_caption": drawn.images_per_caption, "seed": drawn.seed}
    plan = SynthesisPlan(captions.texts, sampling=sampling, captions_name=captions.name, **how)
    asked = SimpleNamespace(generator=name, sampling_steps=drawn.steps, sampler=drawn.sampler, guidance_interval=())

    def needs() -> str:
        try:
            return study.synthetic_images(captions, asked, drawn.guidance_scale, **how).name
        except InputError as error:
            if not on_hub:
                raise
            raise InputError(f"{str(error).rstrip('.')}; nor is there a folder or file {source} here.") from error

    def made() -> SyntheticSet:
        return SyntheticSet(study.store.root / needs())

    fingerprint = set_fingerprint(plan.fingerprint, study.generator_fingerprint(name), study.precision(name))
    return Audited(
        _pipeline_name(source), PIPELINE, fingerprint, plan.total, lambda: StoredImages.of_set(made()), needs, made, by_embedded,
    )  # fmt: skip


def _pipeline_name(source: str) -> str:
    """Of a folder its last part that says something: `train-generator` calls all of its pipelines by one name."""
    if source == "emoji" or not Path(source).exists():
        return short_name(source)
    path = Path(source).resolve()
    return short_name(path.parent.name if path.name == "pipeline" else path.name)


def _captions(study: Study, drawn: Drawn, against: Against | None) -> Captions | Named:
    """What a pipeline is to draw."""
    if drawn.captions and drawn.captions != "emoji":
        from stablerep.corpus.text_files import read_captions

        return Named(read_captions(Path(drawn.captions))[: drawn.count or None])
    if drawn.captions or against is None or against.corpus.designs == embedded().designs:
        return study.captions(min(drawn.count, study.available_captions()))
    return Named(against.some_captions(drawn.count))


def _of_corpus(source: str, labels: list[str], there: bool) -> Audited:
    try:
        corpus = load_corpus(source, **({"labels": labels} if labels else {}))
    except InputError as error:
        if there or source.startswith("hub:"):
            raise
        raise InputError(
            f"{source!r} is no run of synthesis, synthetic set or pipeline, and {str(error)[0].lower()}{str(error)[1:]}"
        ) from error
    return Audited(
        corpus.name, CAPTIONED, corpus.fingerprint, len(corpus), lambda: StoredImages.of_corpus(corpus), notes=corpus.notes,
    )  # fmt: skip
