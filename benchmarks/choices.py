"""Choose encoder, views, learning rates and guidance scales on validation concepts, with equal budgets for every method.

    python benchmarks/choices.py [encoders] [views] [rates] [guidance] [--steps 1200] [--seconds 200]

Encoders learn for equal times, so that what counts is accuracy per minute; all other trials have equal steps. A trial is a run of the
store: what was cut goes on, and nothing is trained twice. Writes ``results/choices/results.parquet``, a row per trial, and the page
``book/choices.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from stablerep.checkpoint import save_table, written_aside
from stablerep.statistics.arms import cluster_means
from stablerep.study.chapters import probe_of, resolve
from stablerep.study.experiments.arms import Arm, arm
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.base import Pretraining
from stablerep.study.root import PROJECT

TARGET = PROJECT / "results" / "choices" / "results.parquet"
ENCODERS = (
    ("resnet10t", "published"), ("resnet10t", "no-pool"), ("resnet18", "published"), ("convnext_atto", "published"),
    ("regnetx_002", "published"), ("test_byobnet", "published"), ("test_resnet", "no-pool"), ("test_resnet", "published"),
)  # fmt: skip
MANY = "StableRep real designs"
REAL, SYNTHETIC = ("SimCLR real", "CLIP real", MANY), ("SimCLR synthetic", "CLIP synthetic", "StableRep synthetic")
CROPS, RATES, SCALES = (0.2, 0.35, 0.5), (1e-3, 2e-3, 4e-3), (1.0, 2.0, 4.0, 8.0)
STAGES = {
    "encoders": "Encoders that learn for {seconds:.0f} seconds of one core, {many}",
    "views": "Smallest share of a scene that a crop keeps (`crop_min`)",
    "rates": "Peak of the learning rate",
    "guidance": "Guidance scale w of the images",
}
PAGE = """# How the recipe was chosen

*Written by `benchmarks/choices.py`.*

Encoder, views, learning rates and guidance scales were chosen on **validation concepts**, in the designs that are not held out; no test
concept was asked. Numbers are {probe} accuracies in percent, of one seed. Every method has the same number of trials at each choice. The best of each column is bold.

{tables}
"""


def of_method(which: Arm, name: str) -> str:
    """The parameter of an arm's method: its own where there is one."""
    own = f"{which.method}_{name}"
    return own if own in Pretraining.model_fields else name


def trials(stage: str, steps: int, seconds: float, study: Study) -> Iterator[tuple[str, str, dict]]:
    """Arm, name of the choice, and parameters of each trial of a stage."""
    if stage == "encoders":
        for name, stem in ENCODERS:
            given = {"encoder": name, "stem": stem}
            p = parameters(given | {"steps": 20})
            speed = study.pretrained(arm(MANY), study.captions(), p, p.seed).info["summary"]["views_per_second"]
            yield MANY, f"`{name}`, {stem}", given | {"steps": round(seconds * speed / p.views_per_step)}
    for name in SYNTHETIC if stage == "guidance" else REAL:
        for value in {"views": CROPS, "rates": RATES, "guidance": SCALES}.get(stage, ()):
            kind = {"views": "crop_min", "rates": "learning_rate", "guidance": "guidance_scale"}[stage]
            yield name, f"{value:g}", {of_method(arm(name), kind): value, "steps": steps}


def parameters(given: dict) -> Pretraining:
    return resolve("compare", {"preset": "reference", "probe_part": "validation", "seeds": 1} | given)


def measure(stage: str, steps: int, seconds: float, study: Study) -> Iterator[dict]:
    """A row per trial: stage, arm, choice, steps, what each probe found, and seconds of training."""
    for name, choice, given in trials(stage, steps, seconds, study):
        p = parameters(given)
        found = study.evaluated(arm(name), study.captions(), p, p.seed)
        items = found.items()
        means = cluster_means(items).groupby("probe", sort=False)["correct"].mean()
        about = {"stage": stage, "arm": name, "choice": choice, "steps": p.steps, "weights": items["weights"].iloc[0]}
        yield about | means.to_dict() | {"seconds": items["seconds"].iloc[0]}


def page(table: pd.DataFrame) -> str:
    """The page of the book: a table per stage, a row per choice, a column per arm."""
    probe = probe_of(pd.DataFrame({"probe": [name for name in table if name.startswith(("one-shot", "linear"))]}))
    parts = []
    for stage, some in table.groupby("stage", sort=False):
        seconds = some["seconds"].median()
        wide = some.pivot(index="choice", columns="arm", values=probe).mul(100).round(1)
        wide = wide.loc[some["choice"].drop_duplicates(), some["arm"].drop_duplicates()]
        shown = wide.apply(lambda column: [f"**{v:.1f}**" if v == column.max() else f"{v:.1f}" for v in column])
        if stage == "encoders":
            by_choice = some.set_index("choice")
            shown["steps"] = [f"{n:,}" for n in by_choice.loc[shown.index, "steps"]]
            shown["weights"] = [f"{n / 1e6:.1f} M" for n in by_choice.loc[shown.index, "weights"]]
        lines = [["choice", *shown.columns], ["---"] * (1 + len(shown.columns)), *shown.reset_index().to_numpy()]
        title = STAGES[stage].format(seconds=seconds, many=f"as *{MANY}*")
        parts.append(f"## {title}\n\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))
    return PAGE.format(probe=probe, tables="\n\n".join(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(STAGES)}; all when left out")
    parser.add_argument("--steps", type=int, default=1200, help="of every trial but those of encoders")
    parser.add_argument("--seconds", type=float, default=200, help="of training for each encoder")
    given = parser.parse_args()
    if unknown := set(given.stages) - set(STAGES):
        parser.error(f"there is no stage {sorted(unknown)[0]!r}; there are {', '.join(STAGES)}")
    study = Study(parameters=parameters({}))
    for stage in given.stages or STAGES:
        rows = []
        for row in measure(stage, given.steps, given.seconds, study):
            rows.append(row)
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
        known = pd.read_parquet(TARGET) if TARGET.is_file() else pd.DataFrame({"stage": []})
        table = pd.concat([known[known["stage"] != stage], pd.DataFrame(rows)], ignore_index=True)
        table = table.sort_values("stage", key=lambda names: names.map(list(STAGES).index), kind="stable")
        save_table(TARGET, table.reset_index(drop=True))
        with written_aside(PROJECT / "book" / "choices.md") as aside:
            Path(aside).write_text(page(table))


if __name__ == "__main__":
    main()
