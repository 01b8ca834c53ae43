"""Figures on built pages: drawn in, themed, stacked on a phone, with files."""

from __future__ import annotations

import base64
import copy

import matplotlib

matplotlib.use("Agg")

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from stablerep import figures
from stablerep.figures.shown import FIGURE, Drawing
from stablerep.study.book.figure_files import FOLDER, describe_images, finish_page, inline, kept_figures

NAME = "0" * 64 + ".svg"


@pytest.fixture(scope="module")
def cell():
    """An executed cell that shows a figure."""
    table = pd.DataFrame({"arm": ["A"] * 2, "step": [0, 1], "loss": [2.0, 1.0]})
    data = Drawing(figures.curves, table)._repr_mimebundle_()
    return {"cell_type": "code", "metadata": {"mystnb": {"figure": {"name": "fig-a"}}}, "outputs": [{"data": data}]}


def test_alt_text_comes_from_the_figure(cell):
    notebook = copy.deepcopy({"cells": [{"metadata": {}, "outputs": []}, cell, {"metadata": {}}]})
    describe_images(notebook)
    described = notebook["cells"][1]
    assert described["metadata"]["mystnb"]["image"]["alt"] == "Loss by step: A from 2.00 to 1.00."
    assert set(described["outputs"][0]["data"]) == {"image/svg+xml", "image/png", "text/plain"}
    assert notebook["cells"][0]["metadata"] == {}


def test_several_figures_of_a_cell_have_names_of_their_own(cell):
    twice = {**cell, "outputs": cell["outputs"] * 2}
    assert [one.name for one in kept_figures({"cells": [twice]})] == ["fig-a", "fig-a-2"]
    in_lines = {
        key: value.splitlines(True) if isinstance(value, str) else value
        for key, value in cell["outputs"][0]["data"].items()
    }
    (one,) = kept_figures({"cells": [{**cell, "outputs": [{"data": in_lines}]}]})  # as notebooks are stored
    assert one.wide == cell["outputs"][0]["data"]["image/svg+xml"]


def test_a_page_holds_both_drawings_and_links_to_files(cell, tmp_path):
    (kept,) = kept_figures({"cells": [cell]})
    images, page = tmp_path / "_images", tmp_path / "book" / "chapters" / "a.html"
    images.mkdir()
    page.parent.mkdir(parents=True)
    (images / NAME).write_text(kept.wide)
    other = '<img alt="Another." src="../../_images/%s.svg"/>' % ("1" * 64)
    (images / ("1" * 64 + ".svg")).write_text("<svg></svg>")
    page.write_text(f'<figure id="fig-a"><img alt="Loss &lt;falls&gt;." src="../../_images/{NAME}" /></figure>{other}')
    finish_page(page, images, [kept])
    html = BeautifulSoup(page.read_text(), "html.parser")
    wide, narrow = html.find("figure").find_all("svg", recursive=False)
    assert wide["class"] == ["figure-wide"] and narrow["class"] == ["figure-narrow"]
    assert wide["aria-label"] == narrow["aria-label"] == "Loss <falls>." and wide["role"] == "img"
    ids = [one["id"] for one in html.find_all(id=True)]
    assert len(ids) == len(set(ids))
    for link in html.find_all("a"):
        file = (page.parent / link["href"]).resolve()
        assert file.is_file() and file.parent == tmp_path / FOLDER, link
    assert [link.get_text() for link in html.find_all("a")] == ["SVG", "PNG", "PDF", "CSV"]
    assert (tmp_path / FOLDER / "fig-a.pdf").read_bytes() == base64.b64decode(cell["outputs"][0]["data"][FIGURE]["pdf"])
    assert (tmp_path / FOLDER / "fig-a.csv").read_text().splitlines() == ["arm,step,loss", "A,0,2.0", "A,1,1.0"]
    assert str(html).count("Another.") == 1  # an image that is none of these stays


def test_text_and_paper_take_the_colours_of_the_page(cell):
    (kept,) = kept_figures({"cells": [cell]})
    shown = inline(kept.wide, "alt", "figure-wide", "fig-a")
    assert "#262626" in kept.wide and "#262626" not in shown and "currentColor" in shown
    assert "#777777" in shown.lower()  # of a mark, which stays


def test_two_figures_that_look_the_same_keep_names_of_their_own(cell, tmp_path):
    kept = list(kept_figures({"cells": [{**cell, "outputs": cell["outputs"] * 2}]}))
    images, page = tmp_path / "_images", tmp_path / "book" / "a.html"
    images.mkdir()
    page.parent.mkdir()
    (images / NAME).write_text(kept[0].wide)
    page.write_text(f'<img alt="A." src="../_images/{NAME}"/><img alt="A." src="../_images/{NAME}"/>')
    finish_page(page, images, kept)
    html = BeautifulSoup(page.read_text(), "html.parser")
    ids = [one["id"] for one in html.find_all(id=True)]
    assert len(html.find_all("svg")) == 4 and len(ids) == len(set(ids))
    assert {link["href"].rpartition("/")[2] for link in html.find_all("a")} >= {"fig-a.svg", "fig-a-2.svg"}
