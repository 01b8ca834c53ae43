"""How a page shows a figure: with alt text that says its result, once for the page and once for a phone, and with what a reader may take away."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from stablerep.figures.canvas import for_phones

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "application/vnd.stablerep.figure+json"  # what a notebook keeps of a figure beside its picture
_SALT = {"svg.hashsalt": "stablerep", "svg.fonttype": "none"}  # the same file for the same figure; text stays text


class Drawing:
    """A figure as a notebook keeps it.

    Attributes:
        alt: what it shows, with its main numbers, for a reader who cannot see it.
        data: the table from which it was drawn.
    """

    def __init__(self, draw: Callable[..., Figure], *arguments: Any, **options: Any) -> None:
        self._wide = _files(draw(*arguments, **options), "svg", "png", "pdf")
        with for_phones():
            self._narrow = _files(draw(*arguments, **options), "svg")
        self.alt = self._wide["alt"]
        self.data = next((one for one in arguments if isinstance(one, pd.DataFrame)), None)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        table = ""
        if self.data is not None:
            texts = [name for name in self.data if not self.data[name].map(lambda one: isinstance(one, bytes)).any()]
            table = self.data[texts].to_csv(index=False)
        about = {"alt": self.alt, "narrow": self._narrow["svg"], "pdf": self._wide["pdf"], "csv": table}
        return {
            "image/svg+xml": self._wide["svg"],
            "image/png": self._wide["png"],
            FIGURE: about,
            "text/plain": self.alt,
        }


def show(draw: Callable[..., Figure], *arguments: Any, **options: Any) -> None:
    """Draw a figure and display it in a notebook.

    Args:
        draw: a function of this package. arguments, options: its own; the first table among them is what readers download as CSV.
    """
    from IPython.display import display

    display(Drawing(draw, *arguments, **options))


def _files(figure: Figure, *formats: str) -> dict[str, str]:
    """A figure in some formats, text or base64, and its alt text; it is closed."""
    import matplotlib.pyplot as plt

    found = {"alt": figure.get_label()}
    for one in formats:
        file = io.BytesIO()
        metadata = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}[
            one
        ]
        with plt.rc_context(_SALT):
            figure.savefig(file, format=one, transparent=one == "svg", dpi=144, metadata=metadata)
        figure.set_layout_engine(
            "none"
        )  # the next format has the places of the first, which took half of the time to find
        found[one] = file.getvalue().decode() if one == "svg" else base64.b64encode(file.getvalue()).decode()
    plt.close(figure)
    return found
