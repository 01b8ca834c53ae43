"""How a page shows a figure: with alt text that says its result, once for the page and once for a phone, and with what a reader may take away."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from stablerep.figures.canvas import for_phones

if TYPE_CHECKING:
    from matplotlib.backend_bases import FigureCanvasBase
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
        self._wide = _files(draw(*arguments, **options), "png", "pdf")
        with for_phones():
            self._narrow = _files(draw(*arguments, **options))
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
    """A figure as SVG, in other formats as base64, and its alt text; it is closed.

    Canvases print it themselves, since ``savefig`` draws all of it twice.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    found = {"alt": figure.get_label()}
    with _transparent(figure):
        found["svg"] = _printed(FigureCanvasSVG(figure), "svg", Date=None, Creator=None).decode()
    figure.set_layout_engine("none")  # other formats have the places of the first, which take long to find
    if "png" in formats:
        found["png"] = base64.b64encode(_printed(FigureCanvasAgg(figure), "png", Software=None)).decode()
    if "pdf" in formats:
        found["pdf"] = base64.b64encode(_printed(FigureCanvasPdf(figure), "pdf", CreationDate=None)).decode()
    plt.close(figure)
    return found


def _printed(canvas: FigureCanvasBase, kind: str, **metadata: Any) -> bytes:
    """What a canvas writes of its figure; those of SVG and PDF leave another resolution behind."""
    import matplotlib.pyplot as plt

    canvas.figure.set_dpi(144)
    file = io.BytesIO()
    with plt.rc_context(_SALT):
        getattr(canvas, f"print_{kind}")(file, metadata=metadata)
    return file.getvalue()


@contextmanager
def _transparent(figure: Figure) -> Iterator[None]:
    """The grounds of a figure and its axes left out."""
    grounds = {patch: patch.get_facecolor() for patch in (figure.patch, *(axes.patch for axes in figure.axes))}
    for patch in grounds:
        patch.set_facecolor("none")
    yield
    for patch, colour in grounds.items():
        patch.set_facecolor(colour)
