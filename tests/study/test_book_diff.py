"""Two small books, made here, on one page that is read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from typer.testing import CliRunner

from stablerep.study.book_diff import diff_books, read_book
from stablerep.study.commands import app
from stablerep.study.offline import check_offline

INPUTS = {"notebook": "a" * 16, "library": "b" * 16, "stored": "c" * 16, "corpus": "d" * 16}


def row(arm: str, value, low=None, high=None) -> dict:
    return {"arm": arm, "probe": "one-shot", "value": value, "low": low, "high": high}


def chapter(rows: list[dict] | None, *, figures: dict[str, str] | None = None, unit: str = "accuracy", inputs: dict | None = None, **parameters) -> dict:
    cells = [
        {"cell_type": "code", "metadata": {"mystnb": {"figure": {"name": name, "caption": f"Caption of <{name}>."}, "image": {"alt": f"Alt of {name}"}}},
         "outputs": [{"output_type": "display_data", "data": {"image/png": png, "text/html": "<script>alert(1)</script>"}}], "source": ""}
        for name, png in (figures or {}).items()
    ]  # fmt: skip
    headline = rows and {"keys": ["arm", "probe"], "value": "accuracy", "unit": unit, "rows": rows}
    about = {"parameters": {"preset": "smoke", "seed": 0} | parameters, "inputs": inputs or INPUTS, "headline": headline}
    return {"cells": cells, "metadata": {"stablerep": about}}


def book(folder: Path, chapters: dict[str, dict], **record) -> Path:
    sources = folder / "_sources" / "book" / "chapters"
    sources.mkdir(parents=True)
    (folder / "index.html").write_text("<p>book</p>")
    about = {"title": folder.name, "key": folder.name[:1] * 16, "preset": "smoke", "live": True, "changed": {}, "chapters": list(chapters)}
    (folder / "book.json").write_text(json.dumps(about | record))
    for name, notebook in chapters.items():
        (sources / f"{name}.ipynb").write_text(json.dumps(notebook))
    return folder


@pytest.fixture
def two(tmp_path) -> tuple[Path, Path]:
    first = book(tmp_path / "first", {
        "corpus": chapter(None, figures={"fig-same": "AAAA"}),
        "compare": chapter(
            [row("SimCLR", 0.5, 0.45, 0.55), row("CLIP", 0.4, 0.3, 0.5), row("only first", 0.1)],
            figures={"fig-a": "AAAA", "fig-b": "BBBB"}, guidance_scale=2.0, encoder="x",
        ),
        "bias": chapter([row("A", 1.0)]),
    })  # fmt: skip
    second = book(tmp_path / "second", {
        "corpus": chapter(None, figures={"fig-same": "AAAA"}),
        "compare": chapter(
            [row("SimCLR", 0.6, 0.56, 0.64), row("CLIP", 0.45, 0.35, 0.55), row("<script>alert(2)</script>", 0.2)],
            figures={"fig-a": "CCCC"}, guidance_scale=4.0, encoder="x", inputs=INPUTS | {"library": "e" * 16},
        ),
    }, changed={"compare": {"guidance_scale": 4.0}})  # fmt: skip
    return first, second


def page_of(two, tmp_path) -> BeautifulSoup:
    return BeautifulSoup(diff_books(*two, tmp_path / "out" / "diff.html").read_text(), "html.parser")


def texts(table) -> list[list[str]]:
    return [[cell.get_text(" ", strip=True) for cell in line.find_all(["td", "th"])] for line in table.find_all("tr")]


def after(page: BeautifulSoup, chapter: str, kind: str):
    return page.find("h2", id=chapter).find_next(kind)


def test_parameters_that_differ_come_first(two, tmp_path):
    page = page_of(two, tmp_path)
    assert "The books differ in guidance_scale." in page.get_text()
    assert texts(after(page, "compare", "table")) == [["Parameter", "First", "Second"], ["guidance_scale", "2.0", "4.0"]]
    details = after(page, "compare", "details").get_text()
    assert "3 parameters are the same" in details and "encoder x" in details
    assert "different versions of: library." in page.get_text()
    assert "guidance_scale = 4.0 (compare)" in page.get_text()


def test_numbers_side_by_side_by_hand(two, tmp_path):
    page = page_of(two, tmp_path)
    heading = next(h for h in page.find_all("h3") if h.get_text() == "Numbers: accuracy (%)")
    assert texts(heading.find_next("table")) == [
        ["arm", "probe", "First", "Second", "Second minus first"],
        ["SimCLR", "one-shot", "50.0 [45.0, 55.0]", "60.0 [56.0, 64.0]", "+10.0"],
        ["CLIP", "one-shot", "40.0 [30.0, 50.0]", "45.0 [35.0, 55.0]", "+5.0"],
        ["only first", "one-shot", "10.0", "", ""],
        ["<script>alert(2)</script>", "one-shot", "", "20.0", ""],
    ]
    marked = heading.find_next("table").find_all("tr", class_="apart")
    assert [line.find("td").get_text() for line in marked] == ["SimCLR"]
    assert heading.find_next("table").find("strong").get_text() == "+10.0"
    summary = texts(page.find_all("table")[1])
    assert ["compare", "2", "1", "10.0 points"] in summary
    assert ["bias", "Only the first book has this chapter."] in summary


def test_figures_are_matched_by_name(two, tmp_path):
    page = page_of(two, tmp_path)
    sources = [image["src"].removeprefix("data:image/png;base64,") for image in page.find_all("img")]
    assert sources == ["AAAA", "AAAA", "CCCC", "BBBB"]  # corpus once; fig-a twice; fig-b of the first alone
    assert "The same in both" in after(page, "corpus", "figure").get_text()
    assert page.get_text().count("This book has no such figure.") == 1
    assert all(image["alt"].startswith("Alt of ") for image in page.find_all("img"))
    assert "Caption of <fig-a>." in page.get_text()


def test_nothing_of_a_notebook_is_executed_or_fetched(two, tmp_path):
    page = page_of(two, tmp_path)
    assert page.find_all("script") == []
    assert check_offline(tmp_path / "out") == []


def test_counts_are_no_percentages(tmp_path):
    books = [book(tmp_path / name, {"corpus": chapter([row("noto", count)], unit="captions")}) for name, count in (("a", 1200), ("b", 1000))]
    assert ["noto", "one-shot", "1,200", "1,000", "-200"] in texts(page_of(books, tmp_path).find_all("table")[-1])


def test_long_tables_are_folded(tmp_path):
    rows = [row(f"arm {n}", n / 100) for n in range(41)]
    books = [book(tmp_path / name, {"compare": chapter(rows)}) for name in ("a", "b")]
    page = page_of(books, tmp_path)
    assert "41 rows" in [details.find("summary").get_text() for details in page.find_all("details")]


def test_a_book_beside_itself(two, tmp_path):
    page = page_of((two[0], two[0]), tmp_path)
    assert "The two books are the same one: nothing differs." in page.get_text()
    assert not page.find_all("tr", class_="apart")


def test_chapters_without_a_record_are_said(two, tmp_path):
    (two[0] / "_sources" / "book" / "chapters" / "compare.ipynb").write_text(json.dumps({"cells": [], "metadata": {}}))
    assert "A book does not say how it computed this chapter" in page_of(two, tmp_path).get_text()


def test_what_is_no_book(two, tmp_path):
    with pytest.raises(ValueError, match="is no book; give the folder of its pages"):
        read_book(tmp_path / "absent")
    (two[0] / "_sources" / "book" / "chapters" / "compare.ipynb").write_text("{")
    with pytest.raises(ValueError, match="^[^\n]*first could not be read as a book: JSONDecodeError[^\n]*$"):
        read_book(two[0])
    (two[1] / "book.json").unlink()
    result = CliRunner().invoke(app, ["book", "diff", str(two[1]), str(two[1])])
    assert (result.exit_code, result.stdout) == (2, "") and "was built before books kept what they are" in result.stderr


def test_by_command(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["book", "diff", "first", "second"])
    assert result.exit_code == 0, result.stderr
    assert Path(result.stdout.removeprefix("Both books: ").strip()).is_file()
