"""How the embedded generator was trained: the course of both stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from stablerep.figures.canvas import BLUE, GREEN, canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By stage: the title of its panel, of its values, and over how many rows of the record a mean is drawn.
STAGES = {
    "autoencoder": ("autoencoder", "PSNR on training batches (dB)", 10),
    "denoiser": ("text encoder and U-Net", "squared error of the velocity", 1),
}


def generator_losses(table: pd.DataFrame) -> Figure:
    """What each stage of the training reached over its steps, a panel for each.

    Args:
        table: ``stage`` (of ``STAGES``), ``step`` and ``value``, in the order of the steps.
    """
    figure, axes = canvas(2, height=2.9)
    said = []
    for axis, colour, (stage, (title, unit, window)) in zip(axes.flat, (BLUE, GREEN), STAGES.items()):
        part = table[table["stage"] == stage]
        smooth = part["value"].rolling(window, min_periods=1).mean()
        axis.plot(part["step"], smooth, color=colour)
        axis.set(title=title, xlabel="step", ylabel=unit)
        axis.xaxis.set_major_formatter("{x:,.0f}")
        said.append(
            f"{title}: {unit} from {smooth.iloc[0]:.2f} to {smooth.iloc[-1]:.2f} in {part['step'].iloc[-1]:,} steps"
        )
    figure.set_label(f"The course of the training of the embedded generator, {'; '.join(said)}.")
    return figure
