"""Arms below the best floor, by hand."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.below_floors import below_floors, below_floors_by_length


def arms(**shares: tuple[float, int]) -> pd.DataFrame:
    """Accuracy and views of each arm on probe p."""
    rows = [
        {"arm": name, "probe": "p", "accuracy": share, "low": share - 0.01, "high": share + 0.01, "views": views}
        for name, (share, views) in shares.items()
    ]
    return pd.DataFrame(rows)


def test_arms_below_the_best_floor_are_named():
    floors = {"Pixels": (0.05, 0), "Gradients": (0.06, 0)}
    best = "The best floor, gradients, has 6.0 [5.0, 7.0] %."
    assert below_floors(arms(a=(0.055, 9), b=(0.08, 9), **floors), "p") == f"{best} Below it: a."
    assert below_floors(arms(a=(0.07, 9), **floors), "p") == f"{best} Every trained arm has a higher mean."
    assert below_floors(arms(a=(0.01, 9), b=(0.02, 9), **floors), "p") == f"{best} Below it: every trained arm."
    assert below_floors(arms(a=(0.01, 9)), "p") == below_floors(arms(**floors), "p") == ""


def test_by_length_each_length_has_its_own():
    def grown(short: float, long: float) -> pd.DataFrame:
        parts = [
            arms(Pixels=(0.05, 0)).assign(steps=0),
            arms(a=(short, 9), b=(0.06, 9)).assign(steps=100),
            arms(a=(long, 9), b=(0.07, 9)).assign(steps=1000),
        ]
        return pd.concat(parts).assign(panel="length")

    best = "The best floor, pixels, has 5.0 [4.0, 6.0] %."
    assert below_floors_by_length(grown(0.02, 0.08), "p").startswith(
        f"{best} Below it lie, at 100 steps a. Such an arm"
    )
    assert "at 100 steps a, at 1,000 steps a." in below_floors_by_length(grown(0.02, 0.03), "p")
    assert below_floors_by_length(grown(0.06, 0.08), "p") == f"{best} Every arm lies above it at every length."
    assert below_floors_by_length(grown(0.06, 0.08).query("steps > 0"), "p") == ""
