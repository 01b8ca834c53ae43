"""Choose encoder, camera, views, batches, learning rates and guidance scales on validation concepts, with equal budgets for every method.

    python benchmarks/choices.py [STAGE ...] [--steps 1200] [--seconds 200]

Encoders learn for equal times, so that what counts is accuracy per minute; all other trials have equal steps. A trial is a run of the
store: what was cut goes on, and nothing is trained twice. ``power`` asks three seeds of the claims' arms about validation concepts,
and says what the reference will see. Writes ``results/choices/*.parquet`` and the page ``book/choices.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pandas as pd

from stablerep.camera import Camera
from stablerep.checkpoint import save_table, written_aside
from stablerep.methods import METHODS
from stablerep.statistics.arms import cluster_means
from stablerep.statistics.crossed import planned
from stablerep.study.chapters import compare, methods, probe_of, resolve
from stablerep.study.experiments.arms import Arm, arm
from stablerep.study.experiments.evaluated import Evaluated, items_of
from stablerep.study.experiments.study import Study
from stablerep.study.markdown import captioned, markdown_table
from stablerep.study.parameters.base import Pretraining
from stablerep.study.root import PROJECT, STORED

RESULTS = STORED / "choices"
WORDS = {"True": "yes", "False": "no"}  # of choices, on the page
PILOT_SEEDS = 3
ENCODERS = (
    ("resnet10t", "published"), ("resnet10t", "no-pool"), ("resnet18", "published"), ("convnext_atto", "published"),
    ("regnetx_002", "published"), ("test_byobnet", "published"), ("test_resnet", "no-pool"), ("test_resnet", "published"),
)  # fmt: skip
MANY = "StableRep real designs"
REAL = tuple(map(arm, ("SimCLR real", "CLIP real", MANY)))
SYNTHETIC = tuple(map(arm, ("SimCLR synthetic", "CLIP synthetic", "StableRep synthetic")))
OTHERS = (  # the first two have StableRep's learning rate: is it theirs too?
    Arm("StableRep+ real designs", "stablerep+", "designs"), Arm("Supervised contrastive real designs", "supcon", "designs"),
    arm("Supervised real designs"),
)  # fmt: skip
# smallest drawing, largest turn and background; a camera that is the same in both views of an image can be learned instead of the thing
CAMERAS = ((0.55, 15.0, 1.0), (0.4, 30.0, 1.0), (0.4, 30.0, 0.3), (0.4, 45.0, 0.3))
FLOORS = ("Raw pixels", "Oriented gradients")
VALUES = {  # of a parameter, for some arms
    "views": ("crop_min", (0.2, 0.35, 0.5), REAL),
    "batches": ("one_per_concept", (True, False), REAL),
    "colours": ("caption_colour", (0.0, 0.25, 1.0), (arm("CLIP real"), OTHERS[0])),
    "rates": ("learning_rate", (1e-3, 2e-3, 4e-3, 8e-3), (*REAL, *OTHERS)),
    "guidance": ("guidance_scale", (1.0, 2.0, 4.0, 8.0), SYNTHETIC),
}
RATES = VALUES["rates"][1]
LEFT_OUT = ("caption-as-class", "mae", "byol", "moco-v3", "dino")  # by the comparison, of the chapter on methods
TEACHERS = LEFT_OUT[2:]
MOMENTA = (0.99, 0.9, 0.97, 0.996)  # of teachers; the first beside the rates of all, the others by themselves
STAGES = {  # heading and caption
    "encoders": (
        "Encoder",
        "Encoders, each trained for about {seconds:.0f} seconds on one core, by StableRep on real designs",
    ),
    "scenes": ("Camera", "The camera: smallest drawing, largest turn, background"),
    "views": ("Crops", "Smallest share of a scene that a crop keeps (`crop_min`)"),
    "batches": ("Batches", "Whether a batch holds one caption of a concept (`one_per_concept`)"),
    "colours": (
        "Colours",
        "How often views of methods that read captions change colour (`caption_colour`; 1 as for the others)",
    ),
    "rates": ("Learning rates", "Peak of the learning rate"),
    "guidance": ("Guidance scales", "Guidance scale w of the images"),
    "left out": (
        "Methods that the comparison leaves out",
        "Peak of the learning rate of methods that the comparison leaves out",
    ),
    "teachers": ("Methods with a teacher", "Peak of the learning rate, and momentum of the teacher at the start"),
}
NOTES = {  # beside the tables
    "scenes": "With it both arms lie furthest above the floors. A strong background is the same in both views of an "
    "image: SimCLR learns it instead of the thing. The tables of the camera, of crops and of batches were made before the choices that follow them: with one caption of a "
    "concept in a batch and, for CLIP, a learning rate of 0.002 and a quarter of the colour changes.",
    "batches": "CLIP gains when names of one thing share a batch; we have no explanation.",
    "rates": "Learning rates and guidance scales were tried with full colour changes for the methods that read captions.",
    "guidance": "For SimCLR 4 and 8 differ by a tenth of a point, and 4 needs fewer steps of sampling.",
    "left out": "A teacher's momentum is 0.99 here. MAE, BYOL and DINO do best at the lowest rate; the first reference of the methods had "
    "them at 0.0003, where they do worse.",
    "teachers": "With these the three methods with a teacher have had four times as many trials as any other. "
    "The best of BYOL and of MoCo-v3 has the lowest momentum that was tried, so a lower one might do better.",
}
PAGE = """# How the recipe was chosen

*Written by `benchmarks/choices.py`.*

What the tables below show was chosen on **validation concepts**, in the designs that are not held out; no test
concept was asked. Numbers are {probe} accuracies in percent, of one seed and among 114 concepts (the test has 570, so that accuracies are lower there), most after half of the reference's
steps. Differences of a few points are within chance; where they decide, something had to. Within a table every method has the same number of trials. The best of a column is bold, except for the camera, where the distance from the floors counts.

{tables}
{power}"""
POWER = """
## What the reference can see

From {seeds} seeds of the reference's encoders, asked about {clusters} validation concepts: the smallest difference that {planned_seeds} seeds
and {planned_clusters} test concepts would show with 80 % power, in points.

{table}
"""


def of_method(method: str, name: str) -> str:
    """The parameter of a method: its own where there is one."""
    own = f"{method.replace('-', '_')}_{name}"
    return own if own in compare.Parameters.model_fields | methods.Parameters.model_fields else name


def trials(stage: str, steps: int, seconds: float, study: Study) -> Iterator[tuple[Arm, str, dict]]:
    """Arm, name of the choice, and parameters of each trial of a stage, for which the study has its camera."""
    if stage == "scenes":
        chosen = study.camera
        for smallest, turn, background in CAMERAS:
            study.camera = Camera(smallest, turn, background)
            choice = _camera(study.camera)
            for name in (*FLOORS, "SimCLR real", MANY):
                yield arm(name), choice, {"steps": steps}
        study.camera = chosen
    if stage == "encoders":
        for name, stem in ENCODERS:
            given = {"encoder": name, "stem": stem}
            p = parameters(given | {"steps": 20})
            speed = study.pretrained(arm(MANY), study.captions(), p, p.seed).info["summary"]["views_per_second"]
            yield arm(MANY), f"`{name}`, {stem}", given | {"steps": round(seconds * speed / p.views_per_step)}
    if stage in VALUES:
        name, values, arms = VALUES[stage]
        for which in arms:
            for value in values:
                yield which, f"{value}", {of_method(which.method, name): value, "steps": steps}


def parameters(given: dict) -> Pretraining:
    return resolve("compare", {"preset": "reference", "probe_part": "validation", "seeds": 1} | given)


def left_out(stage: str, steps: int, study: Study) -> Iterator[tuple[Evaluated, str]]:
    """Trials of the methods that the comparison leaves out, on the images of the chapter on methods, and the names of their choices."""
    alone = stage == "teachers"
    for method in TEACHERS if alone else LEFT_OUT:
        for momentum in MOMENTA[1:] if alone else MOMENTA[:1]:
            for rate in RATES:
                given = {of_method(method, "learning_rate"): rate, "steps": steps}
                given |= {of_method(method, "teacher_momentum"): momentum} if method in TEACHERS else {}
                yield trial(method, given, study), f"{rate}, {momentum}" if alone else f"{rate}"


def trial(method: str, given: dict, study: Study) -> Evaluated:
    """One method of the chapter on methods, trained with some parameters, before the probes."""
    p = resolve("methods", {"preset": "reference", "probe_part": "validation", "seeds": 1} | given)
    captions = study.captions()
    run = methods.train(method, study.real_images(captions, several=True), captions, p, study, p.seed)
    evaluation = study.probed(run, study.encoder_recipe(p), p.seed, p)
    return Evaluated(METHODS[method].title, p.seed, run, evaluation, len(captions))


def measure(stage: str, steps: int, seconds: float, study: Study) -> Iterator[dict]:
    """A row per trial: stage, arm, choice, steps, what each probe found, and seconds of training."""
    if stage in ("left out", "teachers"):
        found = left_out(stage, steps, study)
    else:
        found = (
            (study.evaluated(which, study.captions(), p := parameters(given), p.seed), choice)
            for which, choice, given in trials(stage, steps, seconds, study)
        )
    for one, choice in found:
        items = one.items()
        means = cluster_means(items).groupby("probe", sort=False)["correct"].mean()
        about = {
            "stage": stage,
            "arm": one.arm,
            "choice": choice,
            "steps": one.pretraining.info["parameters"]["steps"] if one.pretraining else steps,
            "weights": items["weights"].iloc[0],
        }
        yield about | means.to_dict() | {"seconds": items["seconds"].iloc[0]}


def power(study: Study) -> pd.DataFrame:
    """A row per pair that decides a claim of the comparison: what the reference is expected to see of it on the primary probe,
    by a pilot."""
    reference = resolve("compare", {"preset": "reference"})
    pairs = [pair for pair in compare.PAIRS if pair.claim in compare.CLAIMS]
    p = parameters(
        {
            "seeds": PILOT_SEEDS,
            "arms": list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second))),
        }
    )
    asked = compare.ask(p, study)
    items = items_of(asked.evaluated)
    probe = probe_of(items)
    tables = {
        name: part.pivot(index="seed", columns="cluster", values="correct")
        for name, part in cluster_means(items[items["probe"] == probe]).groupby("arm")
    }
    test = study.asked_part(p.probe_designs, "test").table["concept"].nunique()
    rows = []
    for pair in pairs:
        gaps = (tables[pair.first] - tables[pair.second]).to_numpy()
        plan = planned(gaps, reference.seeds, test)
        rows.append({
            "claim": pair.claim, "first": pair.first, "second": pair.second, "pilot": gaps.mean(), "visible": plan.visible(),
            "seeds": gaps.shape[0], "clusters": gaps.shape[1], "planned_seeds": reference.seeds, "planned_clusters": test,
        })  # fmt: skip
    return pd.DataFrame(rows)


def power_page(table: pd.DataFrame) -> str:
    rows = [[r.claim, r.first, r.second, f"{100 * r.visible:.1f}"] for r in table.itertuples()]
    shown = markdown_table(["claim", "first", "second", "smallest detectable"], rows)
    sizes = {name: table[name].iloc[0] for name in ("seeds", "clusters", "planned_seeds", "planned_clusters")}
    return POWER.format(table=captioned("Smallest detectable differences in points.", shown), **sizes)


def chosen(stage: str) -> str:
    """What the presets take of a stage's choices: of each method where they differ."""
    p, further = parameters({}), resolve("methods", {"preset": "reference"})
    if stage == "encoders":
        return f"`{p.encoder}`, {p.stem}"
    if stage == "scenes":
        return _camera(Camera())
    if stage in VALUES:
        name, _, arms = VALUES[stage]
        taken = {which.method: f"{getattr(p, of_method(which.method, name))}" for which in arms}
    else:
        taken = {}
        for method in LEFT_OUT:
            rate = getattr(further, of_method(method, "learning_rate"))
            momentum = getattr(further, of_method(method, "teacher_momentum")) if method in TEACHERS else MOMENTA[0]
            if (momentum in MOMENTA[1:]) == (stage == "teachers"):
                taken[method] = f"{rate}, {momentum}" if stage == "teachers" else f"{rate}"
    values = {
        WORDS.get(value, value): [METHODS[m].title for m in taken if taken[m] == value] for value in taken.values()
    }
    if len(values) == 1:
        return next(iter(values))
    return "; ".join(f"{value} for {', '.join(titles)}" for value, titles in values.items())


def _camera(camera: Camera) -> str:
    return f"{camera.smallest:g}, {camera.turn:g}°, {camera.background:g}"


def page(table: pd.DataFrame, power: pd.DataFrame | None) -> str:
    """The page of the book: a table per stage, a row per choice, a column per arm."""
    probe = probe_of(pd.DataFrame({"probe": [name for name in table if name.startswith(("one-shot", "linear"))]}))
    parts = []
    for stage, some in table.groupby("stage", sort=False):
        seconds = some.loc[some["seconds"] > 0, "seconds"].median()
        wide = some.pivot(index="choice", columns="arm", values=probe).mul(100).round(1)
        wide = wide.loc[some["choice"].drop_duplicates(), some["arm"].drop_duplicates()]
        best = wide.max() if stage != "scenes" else wide.max() * float("nan")  # there a floor is best when it is low
        shown = wide.apply(lambda column: [f"**{v:.1f}**" if v == best[column.name] else f"{v:.1f}" for v in column])
        if stage == "encoders":
            by_choice = some.set_index("choice")
            shown["steps"] = [f"{n:,}" for n in by_choice.loc[shown.index, "steps"]]
            shown["weights"] = [f"{n / 1e6:.1f} M" for n in by_choice.loc[shown.index, "weights"]]
        rows = [[WORDS.get(text := str(cell), text) for cell in row] for row in shown.reset_index().to_numpy()]
        head, caption = STAGES[stage]
        said = " ".join(filter(None, [f"Chosen: {chosen(stage)}.", NOTES.get(stage)]))
        shown = captioned(f"{caption.format(seconds=seconds)}.", markdown_table(["choice", *shown.columns], rows))
        parts.append(f"## {head}\n\n{said}\n\n{shown}")
    return PAGE.format(probe=probe, tables="\n\n".join(parts), power=power_page(power) if power is not None else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [*STAGES, "power"]
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(known)}; all when left out")
    parser.add_argument("--steps", type=int, default=1200, help="of every trial but those of encoders")
    parser.add_argument("--seconds", type=float, default=200, help="of training for each encoder")
    given = parser.parse_args()
    if unknown := set(given.stages) - set(known):
        parser.error(f"there is no stage {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    study = Study(parameters=parameters({}))
    for stage in given.stages or known:
        if stage == "power":
            save_table(RESULTS / "power.parquet", power(study))
        else:
            rows = []
            for row in measure(stage, given.steps, given.seconds, study):
                rows.append(row)
                print({k: round(float(v), 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
            there = stored("trials")
            rest = [] if there is None else [there[there["stage"] != stage]]
            table = pd.concat([*rest, pd.DataFrame(rows)], ignore_index=True)
            table = table.sort_values("stage", key=lambda names: names.map(list(STAGES).index), kind="stable")
            save_table(RESULTS / "trials.parquet", table.reset_index(drop=True))
        if (trials_so_far := stored("trials")) is not None:
            with written_aside(PROJECT / "book" / "choices.md") as aside:
                aside.write_text(page(trials_so_far, stored("power")))


def stored(name: str) -> pd.DataFrame | None:
    path = RESULTS / f"{name}.parquet"
    return pd.read_parquet(path) if path.is_file() else None


if __name__ == "__main__":
    main()
