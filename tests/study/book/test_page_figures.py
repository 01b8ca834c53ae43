"""Figures of the first page and of the model card are drawn from stored tables, as those of chapters are."""

from __future__ import annotations

import re

import pytest

from stablerep.errors import MissingError
from stablerep.study.book import page_figures
from stablerep.study.book.page_figures import LOSSES, PAGES, drawn, losses_figure, strip_figure
from stablerep.study.root import PROJECT


@pytest.mark.parametrize(("page", "mark"), PAGES.items())
def test_a_page_has_its_mark_once(page, mark):
    assert (PROJECT / f"{page}.md").read_text().count(mark) == 1


def test_the_first_figure_is_led_to_and_says_what_it_leaves_out(tmp_path):
    text = strip_figure(tmp_path)
    lead, _, rest = text.partition("\n\n:::{figure} strip.svg\n")
    assert lead.startswith("{numref}`fig-strip` shows") and "of the 12 images that were found" in rest
    assert "8 images are left out here" in rest and (tmp_path / "strip.svg").is_file()


def test_without_stored_results_the_first_page_has_no_figure(tmp_path, monkeypatch):
    def missing(name):
        raise MissingError(f"results/{name} holds no stored results")

    monkeypatch.setattr(page_figures, "stored_tables", missing)
    assert strip_figure(tmp_path) == "" and drawn(page_figures.STRIP) is None and not list(tmp_path.iterdir())


def test_the_losses_are_drawn_once_for_a_page_and_once_for_a_phone(tmp_path):
    text = losses_figure(tmp_path)
    assert (
        text.startswith(":::{figure} generator-losses.svg\n:alt: The course of the training")
        and (tmp_path / "generator-losses.svg").is_file()
    )
    kept = drawn(LOSSES)
    assert re.search(
        r"PSNR on training batches \(dB\) from 1\.54 to \d\d\.\d\d in [\d,]+ steps; text encoder and U-Net", kept.alt
    )
    assert kept.csv.startswith("stage,step,value\nautoencoder,0,1.54") and "denoiser," in kept.csv
    heights = [float(re.search(r'height="([\d.]+)pt"', svg)[1]) for svg in (kept.wide, kept.narrow)]
    assert heights[1] > 1.7 * heights[0]  # on a phone one panel stands above the other
