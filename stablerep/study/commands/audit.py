"""``stablerep audit``: a card on images before anybody trains on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from stablerep.errors import InputError

if TYPE_CHECKING:
    from stablerep.study.audit_card.against import Against, Features
    from stablerep.study.audit_card.inputs import Audited
    from stablerep.study.store.runs import RunStore


def audit_command(
    source: Annotated[
        str,
        Argument(
            metavar="SET_OR_PIPELINE",
            help="The key of a run of synthesis; the folder of a synthetic set; emoji, a pipeline folder or owner/name on the Hub; a folder or file of captioned images.",
        ),
    ],
    against: Annotated[
        str | None,
        Option(
            help="A corpus of real images: emoji, a folder or file, or hub:owner/name. For the embedded generator emoji when left out; none holds the card against nothing."
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        Option(metavar="RUN", help="A pre-training run that images are compared by; oriented gradients when left out."),
    ] = None,
    sample: Annotated[int, Option(help="Images that are compared with each other, at most.", min=16)] = 4096,
    labels: Annotated[
        str,
        Option(
            metavar="A,B,...", help="Columns of classes from which captions are made, of audited images that have none."
        ),
    ] = "",
    people: Annotated[
        str, Option(metavar="A,B,...", help="Columns of --against with attributes of people; the emoji have theirs.")
    ] = "",
    out: Annotated[Path | None, Option(help="Folder of the card; audits/NAME when left out.")] = None,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace the card of other images in that folder.")] = False,
    captions: Annotated[
        str,
        Option(
            help="Of a pipeline, what it draws: emoji, or a file of captions; those of --against when left out, else of the emoji."
        ),
    ] = "",
    count: Annotated[int, Option(help="Of a pipeline: only the first captions, so many; 0 takes all.", min=0)] = 64,
    images_per_caption: Annotated[int, Option("-l", "--images-per-caption", help="Of a pipeline.", min=1)] = 8,
    guidance_scale: Annotated[float, Option("-w", "--guidance-scale", help="Of a pipeline; 1 is no guidance.")] = 2.0,
    steps: Annotated[int, Option(help="Of a pipeline: denoising steps.")] = 12,
    sampler: Annotated[str, Option(help="Of a pipeline: dpm++ or ddim.")] = "dpm++",
    seed: Annotated[int, Option(help="Of what a pipeline draws, and of intervals.")] = 0,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Print what would be read and drawn and how long it takes; do none of it.")
    ] = False,
) -> None:
    """Write a card on images before you train on them: faithfulness, diversity, copies, group shares, flagged images, and
    where they come from. After an interruption, the same command continues."""
    import functools

    from stablerep.study.audit_card.against import open_against, open_features
    from stablerep.study.audit_card.inputs import Drawn, open_source
    from stablerep.study.audit_card.measures import measure
    from stablerep.study.audit_card.page import card_of, check_place, write
    from stablerep.study.experiments.study import Study
    from stablerep.study.plans.planning import PlanningStore
    from stablerep.study.store.runs import RunStore

    classes, attributes = ([one for one in text.split(",") if one] for text in (labels, people))
    study = Study(PlanningStore() if dry_run else RunStore())
    features = open_features(encoder, study)
    opened = functools.cache(lambda by_embedded: open_against(against, by_embedded, attributes))

    def held_against(by_embedded: bool) -> Against | None:
        return opened(by_embedded and against is None)

    if against is not None:
        held_against(False)  # refused before anything is drawn
    drawn = Drawn(captions, count, images_per_caption, guidance_scale, steps, sampler, seed)
    audited = open_source(source, study, drawn, held_against, classes)
    real = held_against(audited.by_embedded)
    if real and real.whole == audited.fingerprint:
        raise InputError(
            f"{source} cannot be held against itself; --against takes other images, such as those that its generator learned from."
        )
    folder = out or Path("audits") / audited.name
    replaced = check_place(folder, audited.fingerprint, overwrite=overwrite)
    for note in audited.notes:
        typer.echo(note, err=True)
    found = measure(study.store, audited, real, features, sample=sample, seed=seed)
    if dry_run:
        typer.echo(described_plan(study.store, audited, real, features, folder))
        return
    if replaced:
        typer.echo(replaced, err=True)
    page, data = write(card_of(audited, real, features, found, sample=sample, seed=seed), folder)
    typer.echo(f"Audit card: {page}\nIts numbers: {data}")


def described_plan(store: RunStore, audited: Audited, against: Against | None, features: Features, folder: Path) -> str:
    """What would be done, as text: what is read, each run, and the time in all.

    Args:
        store: a :class:`stablerep.study.plans.planning.PlanningStore` that was asked for every measure.
    """
    from stablerep.study.plans.costs import duration

    lines = [f"{audited.name}: {audited.kind}, {audited.count:,} images, compared by {features.title}"]
    if against:
        asked = "" if against.asked_for else ", from which the embedded generator learned"
        lines.append(f"held against {against.name}: {len(against.corpus):,} images{asked}")
    else:
        lines.append("held against nothing: no copies, faithfulness and group shares")
    drawn = audited.needs()  # noted even where what was measured of it exists
    runs = list(store.planned.values())
    for run in sorted(runs, key=lambda run: run.step != "synthesis"):
        state = "exists" if run.exists else f"compute, about {duration(run.cost.seconds)}"
        lines.append(f"  {run.step:10s} {(run.old or run.key)[-16:]}  {run.what}: {state}")
    missing = [run for run in runs if not run.exists]
    whole = f", about {duration(sum(run.cost.seconds for run in missing))}" if missing else ""
    lines.append(f"Of {len(runs)} runs {len(runs) - len(missing)} exist and {len(missing)} would be computed{whole}.")
    if drawn and not audited.by_embedded and any(run.step == "synthesis" for run in missing):
        lines.append("Drawing is estimated from the miniature generator; a larger one takes much longer.")
    lines.append(f"The card would be {folder / 'card.html'}.")
    return "\n".join(lines)
