"""Two small books, made here, on one page that is read back."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output
from typer.testing import CliRunner

from stablerep.study.book.diff import Row, default_page, diff_books, number_text
from stablerep.study.book.record import Number, read_book
from stablerep.study.commands.main import app
from tests.study.book.offline import check_offline

INPUTS = {"notebook": "a" * 16, "library": "b" * 16, "stored": "c" * 16, "corpus": "d" * 16}


def row(arm: str, value, low=None, high=None) -> dict:
    return {"arm": arm, "probe": "one-shot", "value": value, "low": low, "high": high}


def picture(png: str, name: str | None, caption: str = "") -> dict:
    """An executed cell with a figure, and an output that must not reach the page."""
    about = (
        {
            "mystnb": {
                "figure": {"name": name, "caption": caption or f"Caption of <{name}>."},
                "image": {"alt": f"Alt of {name}"},
            }
        }
        if name
        else {}
    )
    output = new_output("display_data", {"image/png": png, "text/html": "<script>alert(1)</script>"})
    return new_code_cell("", metadata=about, outputs=[output])


def chapter(rows: list[dict] | None, *, figures: dict[str, str] | None = None, cells: list | None = None, inputs: dict | None = None,
            headline: dict | None = None, **parameters) -> dict:  # fmt: skip
    about = {"parameters": {"preset": "smoke", "seed": 0} | parameters, "inputs": inputs or INPUTS, "headline": None}
    if rows is not None:
        about["headline"] = {"keys": ["arm", "probe"], "value": "accuracy", "unit": "accuracy", "rows": rows} | (
            headline or {}
        )
    cells = cells or [picture(png, name) for name, png in (figures or {}).items()]
    return nbformat.validate(notebook := new_notebook(cells=cells, metadata={"stablerep": about})) or notebook


def book(folder: Path, chapters: dict[str, dict], **record) -> Path:
    sources = folder / "_sources" / "book" / "chapters"
    sources.mkdir(parents=True)
    (folder / "index.html").write_text("<p>book</p>")
    key = f"{sum(folder.name.encode()):016x}"
    about = {
        "title": folder.name,
        "key": key,
        "preset": "smoke",
        "live": True,
        "changed": {},
        "chapters": list(chapters),
    }
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
        "bias_representation": chapter([row("A", 1.0)]),
    })  # fmt: skip
    second = book(tmp_path / "second", {
        "corpus": chapter(None, figures={"fig-same": "AAAA"}),
        "compare": chapter(
            [row("SimCLR", 0.6, 0.56, 0.64), row("CLIP", 0.45, 0.35, 0.55), row("<script>alert(2)</script>", 0.2)],
            figures={"fig-a": "CCCC"}, guidance_scale=4.0, encoder="x", inputs=INPUTS | {"library": "e" * 16},
        ),
    }, changed={"compare": {"guidance_scale": 4.0}})  # fmt: skip
    return first, second


def both(tmp_path: Path, first: dict, second: dict, name: str = "compare") -> list[Path]:
    """Two books of one chapter each."""
    return [book(tmp_path / folder, {name: one}) for folder, one in (("a", first), ("b", second))]


def page_of(books, tmp_path) -> BeautifulSoup:
    return BeautifulSoup(diff_books(*books, tmp_path / "out" / "diff.html").read_text(), "html.parser")


def prose(page: BeautifulSoup) -> str:
    return " ".join(page.get_text().split())


def texts(table) -> list[list[str]]:
    return [[cell.get_text(" ", strip=True) for cell in line.find_all(["td", "th"])] for line in table.find_all("tr")]


def after(page: BeautifulSoup, chapter: str, kind: str):
    return page.find("h2", id=chapter).find_next(kind)


def notebook_of(folder: Path, name: str = "compare") -> Path:
    return folder / "_sources" / "book" / "chapters" / f"{name}.ipynb"


def test_parameters_that_differ_come_first(two, tmp_path):
    page = page_of(two, tmp_path)
    assert "The books differ in guidance_scale (2.0 and 4.0 in compare)." in prose(page)
    assert texts(after(page, "compare", "table")) == [
        ["Parameter", "First", "Second"],
        ["guidance_scale", "2.0", "4.0"],
    ]
    details = after(page, "compare", "details")
    assert details.find("summary").get_text() == "3 parameters are the same in both" and not details.has_attr("open")
    assert texts(details.find("table")) == [["preset", "smoke"], ["seed", "0"], ["encoder", "x"]]
    assert "This chapter was made from different versions of the library." in prose(page)
    assert texts(page.find("table"))[1:4] == [
        ["Title", "first", "second"], ["Preset", "smoke", "smoke"], ["Other than the preset's", "nothing", "guidance_scale = 4.0 (compare)"],
    ]  # fmt: skip


def test_many_parameters_are_named_without_values(tmp_path):
    one, other = ({f"p{n}": value for n in range(7)} for value in (1, 2))
    page = page_of(both(tmp_path, chapter(None, **one), chapter(None, **other)), tmp_path)
    assert "The books differ in p0, p1, p2, p3, p4, p5, p6." in prose(page)


def test_parameter_that_one_book_lacks(tmp_path):
    page = page_of(both(tmp_path, chapter(None, flags=[True, "é"]), chapter(None)), tmp_path)
    assert ["flags", '[true, "é"]', ""] in texts(after(page, "compare", "table"))
    assert 'The books differ in flags ([true, "é"] and none in compare).' in prose(page)


def test_numbers_side_by_side_by_hand(two, tmp_path):
    page = page_of(two, tmp_path)
    table = page.find("table", class_="numbers")
    assert table.find_previous("h3").get_text() == "Numbers: accuracy, in percent"
    assert texts(table) == [
        ["arm", "probe", "First", "Second", "Change, points", "Intervals"],
        ["SimCLR", "one-shot", "50.0 [45.0, 55.0]", "60.0 [56.0, 64.0]", "+10.0", "apart"],
        ["CLIP", "one-shot", "40.0 [30.0, 50.0]", "45.0 [35.0, 55.0]", "+5.0", "overlap"],
        ["only first", "one-shot", "10.0", "", "", ""],
        ["<script>alert(2)</script>", "one-shot", "", "20.0", "", ""],
    ]
    for kind in ("apart", "largest"):
        assert [line.find("td").get_text() for line in table.find_all("tr", class_=kind)] == ["SimCLR"]
    assert "Largest change: +10.0 points (SimCLR; one-shot)." in prose(page)
    assert "Whether intervals overlap is no test" in prose(page)


def test_summary_has_every_chapter(two, tmp_path):
    assert texts(page_of(two, tmp_path).find_all("table")[1]) == [
        ["Chapter", "Rows compared", "Intervals apart", "Largest change"],
        ["corpus", "Both books have no headline numbers here."],
        ["compare", "2", "1 of 2", "+10.0 points"],
        ["bias_representation", "Only the first book has this chapter."],
    ]


def test_intervals_that_touch_overlap():
    def apart(*ends: float) -> bool | None:
        left, right = (Number(value=(low + high) / 2, low=low, high=high) for low, high in (ends[:2], ends[2:]))
        return Row((), left, right).apart

    assert apart(0.1, 0.2, 0.2, 0.3) is False and apart(0.2, 0.3, 0.1, 0.2) is False
    assert apart(0.1, 0.2, 0.21, 0.3) is True and apart(0.21, 0.3, 0.1, 0.2) is True
    assert Row((), Number(value=0.1), Number(value=0.2, low=0.1, high=0.3)).apart is None
    assert (
        Row((), Number(value=None), Number(value=0.2)).change is None
        and Row((), None, Number(value=0.2)).change is None
    )


ends = st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted)


@given(ends, ends)
def test_sides_swapped_swap_the_sign_alone(left, right):
    first, second = (Number(value=sum(one) / 2, low=one[0], high=one[1]) for one in (left, right))
    there, back = Row((), first, second), Row((), second, first)
    assert there.change == -back.change and there.apart == back.apart
    shared = [value for value in (*left, *right) if left[0] <= value <= left[1] and right[0] <= value <= right[1]]
    assert there.apart == (not shared)  # two closed intervals that meet have an end of one in common


@pytest.mark.parametrize(
    ("value", "unit", "signed", "text"),
    [
        (0.4321, "accuracy", False, "43.2"), (1, "share of images", False, "100.0"), (-0.0001, "accuracy", False, "0.0"),
        (0.0001, "accuracy", True, "0.0"), (-0.0001, "accuracy", True, "0.0"), (0.0, "accuracy", True, "0"), (0.015, "accuracy", True, "+1.5"),
        (1530, "captions", False, "1,530"), (-200, "captions", True, "-200"), (0.25, "loss", False, "0.25"), (10, "steps", False, "10"),
    ],
)  # fmt: skip
def test_numbers_by_unit(value, unit, signed, text):
    assert number_text(float(value), unit, signed=signed) == text


def test_counts_are_no_percentages(tmp_path):
    headline = {"value": "captions", "unit": "captions"}
    page = page_of(
        both(tmp_path, *(chapter([row("noto", count)], headline=headline) for count in (1200, 1000))), tmp_path
    )
    assert texts(page.find("table", class_="numbers")) == [  # without a column of intervals, which nothing has
        ["arm", "probe", "First", "Second", "Change, captions"], ["noto", "one-shot", "1,200", "1,000", "-200"],
    ]  # fmt: skip
    assert ["compare", "1", "no intervals", "-200 captions"] in texts(page.find_all("table")[1])


def test_long_tables_are_folded(tmp_path):
    for count, folded in ((40, False), (41, True)):
        rows = [row(f"arm {n}", n / 100) for n in range(count)]
        page = page_of(both(tmp_path / str(count), chapter(rows), chapter(rows)), tmp_path)
        table = page.find("table", class_="numbers")
        assert len(table.find_all("tr")) == count + 1
        assert (table.find_parent("details") is not None) == folded
        assert "No number that both books have differs." in prose(page)


def test_equal_keys_do_not_hide_each_other(tmp_path):
    page = page_of(both(tmp_path, chapter([row("A", 0.1), row("A", 0.2)]), chapter([row("A", 0.3)])), tmp_path)
    assert [line[2:5] for line in texts(page.find("table", class_="numbers"))[1:]] == [
        ["10.0", "30.0", "+20.0"],
        ["20.0", "", ""],
    ]


def test_equal_largest_changes_are_all_marked(tmp_path):
    first, second = (
        [row(arm, start + step) for arm, start in (("A", 0.1), ("B", 0.3), ("C", 0.7))] for step in (0.0, 0.1)
    )
    page = page_of(both(tmp_path, chapter(first), chapter(second)), tmp_path)
    assert len(page.find_all("tr", class_="largest")) == 3 and "(A; one-shot; 2 more)" in prose(page)


def test_headlines_of_other_kinds_are_not_compared(tmp_path):
    page = page_of(
        both(tmp_path, chapter([row("A", 0.1)]), chapter([row("A", 3)], headline={"keys": ["arm"], "unit": "steps"})),
        tmp_path,
    )
    assert "the first book has accuracy (accuracy) by arm, probe, the second accuracy (steps) by arm." in prose(page)
    assert page.find("table", class_="numbers") is None


def test_headline_of_one_book_alone(tmp_path):
    page = page_of(both(tmp_path, chapter([row("A", 0.1)]), chapter(None)), tmp_path)
    assert ["compare", "The second book has no headline numbers here."] in texts(page.find_all("table")[1])
    assert ["A", "one-shot", "10.0", "", ""] in texts(page.find("table", class_="numbers"))


def test_headlines_without_a_row_in_common(tmp_path):
    page = page_of(both(tmp_path, chapter([row("A", 0.1)]), chapter([row("B", 0.1)])), tmp_path)
    assert ["compare", "The books have no headline row in common."] in texts(page.find_all("table")[1])


def test_numbers_that_are_none_are_empty(tmp_path):
    page = page_of(
        both(tmp_path, chapter([row("A", float("nan"))]), chapter([row("A", 0.1, float("nan"), 0.2)])), tmp_path
    )
    assert texts(page.find("table", class_="numbers"))[1:] == [["A", "one-shot", "", "10.0", ""]]


def test_figures_are_matched_by_name(two, tmp_path):
    page = page_of(two, tmp_path)
    sources = [image["src"].removeprefix("data:image/png;base64,") for image in page.find_all("img")]
    assert sources == ["AAAA", "AAAA", "CCCC", "BBBB"]  # corpus once; fig-a twice; fig-b of the first alone
    assert "The same in both" in after(page, "corpus", "figure").get_text()
    assert prose(page).count("This book has no such figure.") == 1
    assert all(image["alt"].startswith("Alt of ") for image in page.find_all("img"))
    assert "Caption of <fig-a>." in page.get_text()


def test_figures_in_another_order_and_without_names(tmp_path):
    first = [picture("AAAA", "fig-a"), picture("BBBB", None), picture("CCCC", None)]
    second = [picture("BBBB", None), picture("EEEE", None), picture("AAAA", "fig-a")]
    page = page_of(both(tmp_path, chapter(None, cells=first), chapter(None, cells=second)), tmp_path)
    pairs = [[image["src"][-4:] for image in pair.find_all("img")] for pair in page.find_all("div", class_="pair")]
    assert pairs == [["AAAA"], ["BBBB"], ["CCCC", "EEEE"]]


def test_one_image_with_two_captions(tmp_path):
    cells = [[picture("AAAA", "fig-a", caption)] for caption in ("Before.", "After <b>it</b>.")]
    page = page_of(both(tmp_path, *(chapter(None, cells=one) for one in cells)), tmp_path)
    assert (
        len(page.find_all("img")) == 1
        and page.find("figcaption").get_text() == "First: Before.Second: After <b>it</b>."
    )


def test_nothing_of_a_book_is_executed_or_fetched(tmp_path):
    evil = "</style></title><script>alert(3)</script><img src=https://example.org/x>"
    notebook = chapter([row(evil, 0.1)], cells=[picture("AAAA", "fig-a", evil)], **{evil: evil})
    notebook["metadata"]["stablerep"]["headline"]["keys"].append(evil)
    notebook["metadata"]["stablerep"]["headline"]["rows"][0][evil] = evil
    books = [
        book(tmp_path / name, {"compare": notebook}, title=evil, preset=evil, changed={"compare": {evil: name}})
        for name in ("a", "b")
    ]
    page = page_of(books, tmp_path)
    assert page.find_all("script") == [] and all(
        image["src"].startswith("data:image/png;base64,") for image in page.find_all("img")
    )
    assert (
        page.get_text().count("alert(3)") >= 8 and "alert(1)" not in page.get_text()
    )  # shown as text; HTML outputs are left out
    assert not any(attribute.startswith("on") for element in page.find_all(True) for attribute in element.attrs)
    assert check_offline(tmp_path / "out") == []
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_a_book_beside_itself(two, tmp_path):
    page = page_of((two[0], two[0]), tmp_path)
    assert "Nothing differs between the two books" in prose(page)
    assert not page.find_all("tr", class_="apart") and not page.find_all("tr", class_="largest")
    assert "Nothing differs" not in prose(page_of(two, tmp_path))


def test_equal_keys_do_not_make_equal_books(two, tmp_path):
    (two[1] / "book.json").write_text((two[0] / "book.json").read_text().replace(', "bias_representation"', ""))
    assert "Nothing differs" not in prose(page_of(two, tmp_path))


def test_stored_results_are_said(tmp_path):
    books = [book(tmp_path / name, {"compare": chapter(None)}, live=live) for name, live in (("a", True), ("b", False))]
    said = "The numbers of {} were drawn from stored results, which parameters do not change."
    assert said.format("the second book") in prose(page_of(books, tmp_path))
    assert said.format("the first book") in prose(page_of(books[::-1], tmp_path))
    assert said.format("both books") in prose(page_of([books[1]] * 2, tmp_path))
    assert "stored results" not in prose(page_of([books[0]] * 2, tmp_path))


def test_chapters_without_a_record_are_said(two, tmp_path):
    notebook = json.loads(notebook_of(two[1]).read_text())
    del notebook["metadata"]["stablerep"]
    notebook_of(two[1]).write_text(json.dumps(notebook))
    page = page_of(two, tmp_path)
    assert "The second book has no record of how this chapter was computed" in prose(page)
    assert [image["src"][-4:] for image in page.find_all("img")] == [
        "AAAA",
        "AAAA",
        "CCCC",
        "BBBB",
    ]  # figures are there all the same


def test_what_is_no_book(two, tmp_path):
    with pytest.raises(ValueError, match="is not a book; give the folder of its pages"):
        read_book(tmp_path / "absent")
    with pytest.raises(ValueError, match="out is a folder; give the path of the page"):
        (tmp_path / "out").mkdir()
        diff_books(*two, tmp_path / "out")
    (two[1] / "book.json").unlink()
    result = CliRunner().invoke(app, ["book", "diff", str(two[1]), str(two[1])])
    assert (result.exit_code, result.stdout) == (
        2,
        "",
    ) and "has no book.json, which says what a book is; `stablerep book`" in result.stderr


def set_in(about: dict, place: str, value) -> None:
    *path, last = place.split(".")
    for part in path:
        about = about[int(part)] if part.isdigit() else about[part]
    about[last] = value


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (
            "metadata.stablerep.headline.rows.0.value",
            "0.5",
            "about.headline.rows.0.value: Input should be a valid number",
        ),
        ("metadata.stablerep.headline.rows.0.arm", ["A"], "about.headline.rows.0.arm"),
        ("metadata.stablerep.parameters", None, "about.parameters: Input should be a valid dictionary"),
        ("cells.0.metadata", None, "AttributeError"),
        ("cells.0.metadata.mystnb.figure.caption", 3, "figures.fig-a 1.caption: Input should be a valid string"),
        ("cells.0.outputs.0.data.image/png", '"><script>', "figures.fig-a 1.png: String should match"),
        ("cells", 3, "TypeError"),
    ],
)
def test_broken_chapters_are_one_sentence(two, place, value, reason):
    notebook = json.loads(notebook_of(two[0]).read_text())
    set_in(notebook, place, value)
    notebook_of(two[0]).write_text(json.dumps(notebook))
    with pytest.raises(ValueError, match=r"^[^\n]*compare\.ipynb could not be read: [^\n]*$") as caught:
        read_book(two[0])
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chapters": ["../../compare"]}, "chapters.0: String should match"),
        ({"chapters": ["absent"]}, "absent.ipynb could not be read: No such file"),
        ({"key": "../x"}, "key: String should match"), ({"live": "yes"}, "live: Input should be a valid boolean"), ({"changed": []}, "changed: "),
    ],
)  # fmt: skip
def test_broken_records_are_one_sentence(two, change, reason):
    record = json.loads((two[0] / "book.json").read_text())
    (two[0] / "book.json").write_text(json.dumps(record | change))
    with pytest.raises(ValueError, match=r"^[^\n]*could not be read: [^\n]*$") as caught:
        read_book(two[0])
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b""])
def test_files_that_are_no_json_are_one_sentence(two, tmp_path, content):
    for file in (notebook_of(two[0]), two[0] / "book.json"):
        file.write_bytes(content)
        result = CliRunner().invoke(app, ["book", "diff", str(two[0]), str(two[1]), "-o", str(tmp_path / "page.html")])
        assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
        assert f"{file} could not be read: " in result.stderr
    assert not (tmp_path / "page.html").exists()


def test_by_command(two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["book", "diff", "first", "second"])
    assert result.exit_code == 0, result.stderr
    keys = [json.loads((folder / "book.json").read_text())["key"] for folder in two]
    assert default_page(*two) == Path("_build") / f"diff-{keys[0]}-{keys[1]}.html" and default_page(*two).is_file()
    assert result.stdout.strip().endswith(str(default_page(*two)))
