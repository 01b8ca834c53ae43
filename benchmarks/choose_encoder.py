"""Choose the laptop's encoder: probe accuracy against views per second for a few timm models and stems at 32 pixels.

    python benchmarks/choose_encoder.py [--steps 100]

Every candidate is trained twice, by SimCLR on real images and by StableRep on real images of many designs, with the same number of views.
Speed is reported as a ratio to the first candidate, measured in the same run. Writes ``results/encoders/results.parquet`` and the book's
appendix ``book/encoder_choice.md``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from stablerep.checkpoint import written_aside
from stablerep.study.chapters import resolve
from stablerep.study.experiments.arms import arm
from stablerep.study.experiments.study import Study

CANDIDATES = (
    ("resnet10t", "published"), ("resnet10t", "no-pool"), ("resnet18", "published"), ("resnet14t", "published"),
    ("convnext_atto", "published"), ("vit_tiny_patch16_224", "published"),
)  # fmt: skip
ARMS = ("SimCLR real", "StableRep real designs")
PAGE = """# Which encoder for a laptop?

*Written by `benchmarks/choose_encoder.py`.*

The encoder of the `laptop` preset was chosen by measurement. Each candidate learned from real images for {steps} steps of 256 views, once as
{arms} (one seed); accuracies are means of the two arms, in percent, on held-out concepts. Speed is the number of views per second in training relative to the first
row, measured in one run on two cores. The stem is that of `timm` (*published*) or has lost its pooling (*no-pool*), which keeps more of a 32-pixel image
and costs several times as much.

{table}
"""


def measure(steps: int, study: Study) -> pd.DataFrame:
    """One row per candidate and arm: accuracies by probe, views per second, speed ratio, weights."""
    rows = []
    for name, stem in CANDIDATES:
        p = resolve("compare", {"encoder": name, "stem": stem, "steps": steps})
        for which in ARMS:
            captions = study.captions()
            run = study.pretrained(arm(which), study.arm_images(arm(which), captions, p, p.seed), p, p.seed)
            items = study.evaluated(arm(which), captions, p, p.seed)
            about = run.info["summary"]
            row = {"encoder": name, "stem": stem, "arm": which, "steps": steps, "weights": about["weights"]}
            row |= {"views_per_second": about["views_per_second"]} | items.groupby("probe")["correct"].mean().to_dict()
            rows.append(row)
            print({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    table = pd.DataFrame(rows)
    first = table.groupby("arm")["views_per_second"].transform("first")
    return table.assign(speed=table["views_per_second"] / first)


def page(table: pd.DataFrame) -> str:
    """The appendix of the book: accuracies in percent, mean of both arms, against speed."""
    probes = ["linear group", "linear subgroup", "knn subgroup", "one-shot concept"]
    mean = table.groupby(["encoder", "stem"], sort=False)[[*probes, "speed", "weights"]].mean().reset_index()
    rows = [
        f"| `{r['encoder']}` | {r['stem']} | {r['weights'] / 1e6:.1f} M | {r['speed']:.2f} | "
        + " | ".join(f"{100 * r[p]:.1f}" for p in probes)
        + " |"
        for r in mean.to_dict("records")
    ]
    header = ["encoder", "stem", "weights", "speed", *probes]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header), *rows]
    return PAGE.format(
        steps=int(table["steps"].iloc[0]), arms=" and ".join(f"*{a}*" for a in ARMS), table="\n".join(lines)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    table = measure(parser.parse_args().steps, Study())
    target = Path(__file__).resolve().parents[1] / "results" / "encoders" / "results.parquet"
    with written_aside(target) as aside:
        table.to_parquet(aside, index=False)
    (target.parents[2] / "book" / "encoder_choice.md").write_text(page(table))
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
