"""Choose the laptop's encoder: probe accuracy against views per second for a few timm models and stems at 32 pixels.

    python benchmarks/choose_encoder.py [--steps 200]

Every candidate is trained twice, by SimCLR on real images and by StableRep on real images of many designs, with the same number of views.
Speed is reported as a ratio to the first candidate, measured in the same run. Writes ``results/encoders/results.parquet``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from stablerep.checkpoint import written_aside
from stablerep.study.experiments import Study, arm
from stablerep.study.parameters import resolve

CANDIDATES = (
    ("resnet10t", "published"), ("resnet10t", "no-pool"), ("resnet18", "published"), ("resnet14t", "published"),
    ("convnext_atto", "published"), ("vit_tiny_patch16_224", "published"),
)  # fmt: skip
ARMS = ("SimCLR real", "StableRep real designs")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    table = measure(parser.parse_args().steps, Study())
    target = Path(__file__).resolve().parents[1] / "results" / "encoders" / "results.parquet"
    with written_aside(target) as aside:
        table.to_parquet(aside, index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
