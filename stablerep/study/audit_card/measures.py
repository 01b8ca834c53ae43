"""The measures of a card, each a run in the store: what was measured once is found again, and what was cut goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stablerep.audits.scan import scan
from stablerep.study.audit_card.against import Against, Features
from stablerep.study.audit_card.comparing import SIDE, background, copies, varied
from stablerep.study.audit_card.inputs import Audited
from stablerep.study.audit_card.meaning import MOST_READ, own_caption, people
from stablerep.study.store.runs import Run, RunStore
from stablerep.study.store.step import Step, Values

_COMPARING, _MEANING = (f"stablerep.study.audit_card.{name}" for name in ("comparing", "meaning"))
_LOOKING = (
    "stablerep.audits.spread",
    "stablerep.probes.floors",
    "stablerep.probes.extraction",
    "stablerep.training.backbones",
)
_PASSING = ("let_pass", "copies", "pairs", "small", "seen")
_WHO = tuple(f"stablerep.study.experiments.people_images:{name}" for name in ("people_in", "with_clusters"))
IMAGES, DIVERSITY, BACKGROUND, COPIES, OWN_CAPTION, PEOPLE = (
    "images", "diversity", "background", "copies", "own caption", "people",
)  # fmt: skip
MEASURES = {  # words, nominal seconds for an image, and the code that a measure calls
    IMAGES: ("every image, once", 0.0006, ("stablerep.audits.scan",)),
    DIVERSITY: ("how varied a sample is", 0.001, (*_LOOKING, f"{_COMPARING}:varied", f"{_COMPARING}:small")),
    BACKGROUND: ("a sample of the corpus", 0.001, ("stablerep.audits.scan", *_LOOKING, f"{_COMPARING}:background")),
    COPIES: ("the corpus passes, for copies", 0.0015, ("stablerep.audits.resemblance", *_LOOKING, *(f"{_COMPARING}:{name}" for name in _PASSING))),
    OWN_CAPTION: ("what captions name", 0.0004, ("stablerep.audits.own_caption", *_LOOKING, f"{_MEANING}:own_caption")),
    PEOPLE: ("people", 0.002, ("stablerep.audits.people", *_WHO, f"{_MEANING}:people", f"{_MEANING}:to_read")),
}  # fmt: skip


def _words(p: Values) -> str:
    return f"{MEASURES[p['measure']][0]}: {p['images']:,} images"


AUDIT = Step(
    "audit", 1, _words, lambda p: MEASURES[p["measure"]][2],
    amount=lambda p: max(p["images"] * MEASURES[p["measure"]][1], 0.1), rate=1.0, seconds=0.5,
    alike=lambda p, inputs: [p["measure"], p.get("size", SIDE)], disk=lambda p: 1e6 + 100 * p["images"] + 4000 * p.get("sample", 0),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """The runs of a card; those of a corpus are None where the card is held against none, that of people where the corpus declares none."""

    images: Run
    diversity: Run
    background: Run | None = None
    copies: Run | None = None
    own_caption: Run | None = None
    people: Run | None = None

    def keys(self) -> dict[str, str]:
        """The key of each run, by its measure."""
        return {name.replace("_", " "): run.key for name, run in vars(self).items() if run}


def measure(
    store: RunStore, audited: Audited, against: Against | None, features: Features, *, sample: int, seed: int = 0
) -> Measured:
    """Ask for every measure of a card.

    Args:
        sample: images that are compared, of what is audited and of the corpus, at most. seed: of intervals.

    Raises:
        InputError: an image cannot be read.
    """

    def ask(name: str, count: int, inputs: dict[str, str], compute: Callable[[Path], dict], needs=None, **how) -> Run:
        parameters = {"measure": name, "images": count, **how}
        return store.obtain(AUDIT, parameters=parameters, inputs=inputs, compute=compute, needs=needs)

    sizes = sorted({SIDE, features.size})
    images = ask(
        IMAGES, audited.count, {"images": audited.fingerprint},
        lambda folder: scan(audited.read(), folder, sample=sample, sizes=sizes), audited.needs, sample=sample, size=features.size,
    )  # fmt: skip
    looked = {"seed": seed, "size": features.size}
    diversity = ask(
        DIVERSITY, min(sample, audited.count), {"images": images.key, "features": features.key},
        lambda folder: varied(images, features, seed, folder), **looked,
    )  # fmt: skip
    if against is None:
        return Measured(images, diversity)
    corpus, count = against.corpus.fingerprint, len(against.corpus)
    beside = ask(
        BACKGROUND, min(sample, count), {"corpus": corpus, "features": features.key},
        lambda folder: background(against, features, sample, seed, folder), sample=sample, **looked,
    )  # fmt: skip
    mine = {"diversity": diversity.key, "corpus": corpus}
    whom = None
    if against.corpus.people:
        whom = ask(
            PEOPLE, min(MOST_READ, count), {"images": images.key, "corpus": corpus}, lambda folder: people(against, images, seed, folder),
            seed=seed, attributes=list(against.corpus.people),
        )  # fmt: skip
    return Measured(
        images, diversity, beside,
        ask(COPIES, count, mine | {"background": beside.key}, lambda folder: copies(against, features, images, diversity, beside, folder), **looked),
        ask(OWN_CAPTION, min(sample, count), mine, lambda folder: own_caption(against, features, images, diversity, folder), **looked),
        whom,
    )  # fmt: skip
