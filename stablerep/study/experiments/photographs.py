"""Photographs that a reader may have: data sets below ``STABLEREP_DATA``, each with a generator that has learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.evaluated import Evaluated
from stablerep.study.experiments.images import Captions
from stablerep.study.experiments.study import Study

if TYPE_CHECKING:
    from stablerep.study.parameters.base import Pretraining


@dataclass(frozen=True)
class Photographs:
    """A data set.

    Attributes:
        title: on pages. corpus: its name below ``STABLEREP_DATA``. labels: from which captions are made, in this order; the last one is that of
            the primary probe. generator: the parameter that names the pipeline of its generator, empty where there is none.
    """

    title: str
    corpus: str
    labels: tuple[str, ...]
    generator: str

    @property
    def probe(self) -> str:
        """The primary one."""
        return f"linear {self.labels[-1]}"

    @property
    def options(self) -> dict:
        """Of :func:`stablerep.corpus.load_corpus`. Every photograph is a cluster of its own."""
        return {"labels": list(self.labels), "cluster": "id"}

    @property
    def command(self) -> str:
        """What trains a generator."""
        labels = f" --labels {','.join(self.labels)}" if len(self.labels) > 1 else ""
        return f"stablerep train-generator generators/{self.corpus} --corpus {self.corpus} --image-size 32{labels}"


@dataclass(frozen=True)
class Opened:
    """A data set, the study of it, the captions to learn from, and the parameters of a chapter with what the data set decides."""

    which: Photographs
    p: Pretraining
    study: Study
    captions: Captions

    def evaluated(self, which: Arm, seed: int) -> Evaluated:
        """An arm and seed, trained and probed."""
        return self.study.evaluated(which, self.captions, self.p, seed)

    def about(self) -> dict:
        """How many images an arm learns from, real or synthetic ones, ``short``, how many captions have fewer real ones than synthetic ones, and
        how many photographs of which part are tested on."""
        each, table = self.p.images_per_caption, self.study.corpus.table
        real = self.study.images_of(self.captions).clip(upper=each)
        # as probes choose: without a test part they test on validation
        part = "test" if self.p.probe_part == "test" and (table["split"] == "test").any() else "validation"
        return {
            "data": self.which.title, "captions": len(self.captions), "images_per_caption": each, "synthetic": each * len(self.captions),
            "real": int(real.sum()), "short": int((real < each).sum()), "part": part, "tested": int((table["split"] == part).sum()),
        }  # fmt: skip


def opened(which: Photographs, p: Pretraining, study: Study) -> Opened:
    """A data set whose generator is given; of its captions all, and so many images of each that they come to no more than ``p.images``."""
    given = which.options | {
        "corpus": which.corpus, "split": "", "generator": getattr(p, which.generator), "guidance_interval": [], "one_per_concept": False,
        "probe_designs": [],
    }  # fmt: skip
    mine = p.model_copy(update=given)
    other = study.of(mine)
    captions = other.captions()
    each = max(p.positives, p.images // len(captions))
    return Opened(which, mine.model_copy(update={"images_per_caption": each}), other, captions)


def how_to_compute(sets: Sequence[Photographs], chapter: str) -> str:
    """What a chapter needs for some data sets, and the commands that make and name it, in sentences."""
    train = " or ".join(f"`{one.command}`" for one in sets)
    given = " ".join(f"-p {one.generator}=generators/{one.corpus}/pipeline" for one in sets)
    return (
        f"This chapter needs photographs, and a generator that has learned from them; neither comes with the project. Where `STABLEREP_DATA` names the "
        f"folder of the photographs, {train} trains a generator, and `stablerep reference {chapter} {given}` computes the chapter, with either generator "
        "or both."
    )


def fingerprints(sets: Sequence[Photographs], p: Pretraining) -> dict[str, str]:
    """Of some data sets and their generators, as ``corpus`` and ``generator``; *none* where there are none."""
    from stablerep.corpus.summary import summarize
    from stablerep.generator import generator_fingerprint

    corpora = [f"{one.corpus} {summarize(one.corpus, **one.options).fingerprint}" for one in sets]
    makers = [f"{one.corpus} {generator_fingerprint(getattr(p, one.generator))}" for one in sets]
    return {"corpus": ", ".join(corpora) or "none", "generator": ", ".join(makers) or "none"}
