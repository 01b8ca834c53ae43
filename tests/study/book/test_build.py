"""The book is built from small executed notebooks with the real settings and pages, and read back."""

from __future__ import annotations

import base64
import importlib
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from stablerep.errors import FailedError, StorageError
from stablerep.study.book import build, whole
from stablerep.study.book.build import (
    build_book,
    check_chapters,
)
from stablerep.study.book.notes import write_provenance
from stablerep.study.book.record import Record
from stablerep.study.chapters import CHAPTERS, chapter_names
from tests.study.book.offline import check_offline

ROOT = Path(__file__).parents[3]
CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
ALT = "A line that rises from zero to four."


def figure_png() -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), dpi=80)
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0, 1, 4])
    axes.set(xlabel="captions", ylabel="accuracy")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def executed_chapter(name: str) -> nbformat.NotebookNode:
    """A notebook as papermill leaves it: parameters, a figure, a table, a formula and a progress bar on stderr."""
    table = (
        "<table class='dataframe'><tr><th>arm</th><th>accuracy</th></tr><tr><td>StableRep</td><td>0.5</td></tr></table>"
    )
    figure = {"image": {"alt": ALT}, "figure": {"caption": f"Accuracy in {name}.", "name": f"fig-{name}"}}
    cells = [
        new_markdown_cell(
            f"# The {name}\n\nInline $\\tau = 0.1$ and, displayed,\n\n$$\\mathcal{{L}} \\ge \\log(m - 1).$$"
        ),
        new_code_cell("seeds = 1  # seeds of each arm", metadata={"tags": ["parameters"]}, execution_count=1),
        new_code_cell("# Parameters\nseeds = 2", metadata={"tags": ["injected-parameters"]}, execution_count=2),
        new_code_cell(
            "draw()",
            metadata={"tags": ["hide-input"], "mystnb": figure},
            execution_count=3,
            outputs=[
                new_output("stream", name="stderr", text="progress 100%"),
                new_output("display_data", {"image/png": figure_png(), "text/plain": "<Figure>"}),
            ],
        ),
        new_markdown_cell(f"{{numref}}`fig-{name}` and {{doc}}`/book/introduction`; see {{cite:t}}`chen2020simclr`."),
        new_code_cell("table", execution_count=4, outputs=[new_output("display_data", {"text/html": table})]),
    ]
    record = {
        "parameters": {"preset": "smoke", "seeds": 2},
        "duration": 61.2,
        "start_time": "2026-01-02T03:04:05.678901",
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "papermill": record})


def project(folder: Path) -> Path:
    """The settings and prose of this project with chapters that were not computed."""
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns("chapters"))
    (folder / CHAPTERS).mkdir()
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(ROOT / name, folder / name)
    for name in chapter_names(folder):
        nbformat.write(executed_chapter(name), folder / CHAPTERS / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return project(tmp_path_factory.mktemp("book") / "project")


@pytest.fixture(scope="module")
def html(root) -> Path:
    return build_book(root).parent


def page(html: Path, name: str) -> BeautifulSoup:
    return BeautifulSoup((html / "book" / f"{name}.html").read_text(), "html.parser")


def edit(root: Path, name: str, change) -> None:
    path = root / CHAPTERS / f"{name}.ipynb"
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def test_every_page_of_the_contents_is_there(html):
    pages = re.findall(r"(?:file|root): book/(\S+)", (ROOT / "_toc.yml").read_text())
    assert "introduction" in pages and len(pages) > 8
    for name in pages:
        assert page(html, name).find("h1"), name
    assert "book/introduction.html" in (html / "index.html").read_text()


def test_chapters_that_papermill_alone_executed_say_that_their_make_is_unknown(html):
    note = page(html, "chapters/compare").find("div", class_="admonition")
    assert "Origin unknown" in note.get_text()


def test_a_strict_build_refuses_them(root, tmp_path):
    with pytest.raises(RuntimeError, match="compare has no record of what it was made from") as error:
        build_book(root, tmp_path / "html", strict=True)
    assert len(str(error.value).splitlines()) == 1 + len(chapter_names(root))
    assert not (tmp_path / "html").exists()


PAGES = ["w: 4", "notes #2", "v1.2", "50 % of [a] {b}", "- día & noche?", "null"]


@pytest.fixture(scope="module")
def titled(root, tmp_path_factory) -> tuple[Path, Record]:
    """A book with a title, other parameters, and added pages whose names mean something in YAML, addresses or patterns."""
    folder = tmp_path_factory.mktemp("titled")
    record = Record(
        title="Guidance: w = 4 & more", key="0" * 16, preset="smoke", live=True, changed={"compare": {"guidance_scale": 4.0}},
        chapters=chapter_names(root),
    )  # fmt: skip
    (folder / "line.png").write_bytes(base64.b64decode(figure_png()))
    pages = [folder / f"{name}.md" for name in PAGES]
    for name, added in zip(PAGES, pages):
        added.write_text(f"\ufeff# Page {name}\n\n![A line](line.png)\n", encoding="utf-8")
    return build_book(root, folder / "html", record=record, pages=pages).parent, record


def shown(tag) -> str:
    """Text as a reader sees it: what keeps words on one line is a blank."""
    return tag.get_text().replace("\u00a0", " ")


def test_title_and_parameters_of_the_book_are_on_its_first_page(titled):
    html, record = titled
    first = page(html, "introduction")
    assert shown(first.find("h1")).startswith("Guidance: w = 4 & more")
    assert "guidance_scale = 4.0 (compare)" in shown(first.find("div", class_="admonition"))
    assert "Guidance: w = 4 & more" in shown(page(html, "chapters/compare").find("title"))
    assert Record.model_validate_json((html / "book.json").read_text()) == record


def test_added_pages_keep_their_names_and_images(titled):
    html, _ = titled
    contents = page(html, "introduction").find("nav", class_="bd-links")
    found = {shown(link).strip(): link["href"] for link in contents.find_all("a") if "added/" in link["href"]}
    for number, name in enumerate(PAGES, 1):
        target = html / "book" / "added" / str(number) / f"{name}.html"
        assert (html / "book" / unquote(found[f"Page {name}"])).resolve() == target.resolve()
        image = BeautifulSoup(target.read_text(), "html.parser").find("img", alt="A line")
        assert (target.parent / unquote(image["src"])).resolve().is_file()


def test_a_figure_has_number_caption_and_alt_text(html):
    figure = page(html, "chapters/compare").find("figure")
    assert figure.find("img")["alt"] == ALT
    caption = shown(figure.find("figcaption"))
    assert re.search(r"Figure \d", caption) and "Accuracy in compare." in caption
    reference = page(html, "chapters/compare").find("a", href="#fig-compare", class_="reference")
    assert re.search(r"Figure \d", shown(reference))


def test_the_text_of_every_page_is_set(html):
    assert "95\u00a0% interval" in (html / "book" / "introduction.html").read_text()
    chapter = (html / CHAPTERS / "methods.html").read_text()
    assert r"\(\tau = 0.1\)" in chapter and "# seeds of each arm" in chapter  # formulas and code as they were


def test_schemas_of_the_parameters_lie_where_the_page_links_to(html):
    links = [a["href"] for a in page(html, "rerun").find_all("a") if a.get("href", "").endswith(".schema.json")]
    assert len(links) == len(chapter_names(ROOT))
    for link in links:
        assert json.loads((html / "book" / link).resolve().read_text())["properties"]["preset"]


def test_every_image_has_alt_text(html):
    images = [
        image
        for path in html.rglob("*.html")
        for image in BeautifulSoup(path.read_text(), "html.parser").find_all("img")
    ]
    assert len(images) >= 5
    assert all(image.get("alt", "").strip() for image in images)


def test_cells_are_folded_and_progress_is_not_shown(html):
    text = (html / "book" / "chapters" / "compare.html").read_text()
    assert "progress 100%" not in text
    assert "Show the parameters of this run" in text
    assert page(html, "chapters/compare").find("div", class_="tag_injected-parameters").find("details")


def test_pages_load_nothing_from_the_network(html):
    assert check_offline(html) == []
    scripts = [tag["src"] for tag in page(html, "introduction").find_all("script", src=True)]
    mathjax = [src for src in scripts if "mathjax" in src]
    assert mathjax and all((html / "book" / src.split("?")[0]).resolve().is_file() for src in mathjax)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>'),
        ("a.html", '<script src="//cdn.example/x.js"></script>'),
        ("a.html", '<script>const URL = "https://cdn.example/thebe.js"</script>'),
        ("a.html", '<link rel="preload stylesheet" href="https://cdn.example/x.css">'),
        ("a.html", '<img src="HTTPS://cdn.example/x.png" alt="x">'),
        ("a.html", '<img srcset="x.png 1x, https://cdn.example/x.png 2x" alt="x">'),
        ("a.html", '<p style="background: url(https://cdn.example/x.png)">'),
        ("a.html", '<style>@import "https://cdn.example/x.css";</style>'),
        ("a.css", "@font-face { src: url('//cdn.example/x.woff2') }"),
        ("a.css", "@import url(https://cdn.example/x.css);"),
        ("a.js", 'import("https://cdn.example/x.js")'),
    ],
)
def test_external_requests_are_found(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (found,) = check_offline(tmp_path)
    assert found.startswith(f"{name}: ") and "cdn.example" in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<a href="https://arxiv.org/abs/2306.00984">the paper</a>'),
        ("a.html", '<link rel="canonical" href="https://example.org/"><script src="local.js"></script>'),
        ("a.html", '<svg xmlns="http://www.w3.org/2000/svg"><use href="#mark"/></svg>'),
        ("a.css", "a { background: url(data:image/png;base64,AAAA) } /* see https://example.org */"),
        ("a.js", "// from the manual at https://example.org"),
    ],
)
def test_links_and_local_files_are_no_requests(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert check_offline(tmp_path) == []


def test_provenance_names_preset_parameters_time_and_notebook(html, root):
    text = page(html, "chapters/provenance").get_text(" ")
    assert "smoke" in text and "seeds=2" in text and "61 s" in text and "2026-01-02 03:04" in text
    assert not (root / CHAPTERS / "provenance.md").exists()  # the build leaves the project as it was


def test_the_hash_of_a_notebook_is_that_of_its_sources(root, tmp_path):
    def hashes(change) -> list[str]:
        chapters = tmp_path / "chapters"
        shutil.rmtree(chapters, ignore_errors=True)
        shutil.copytree(root / CHAPTERS, chapters)
        notebook = json.loads((chapters / "bias_representation.ipynb").read_text())
        change(notebook)
        (chapters / "bias_representation.ipynb").write_text(json.dumps(notebook))
        return re.findall(r"`([0-9a-f]{12})` \|$", write_provenance(root, chapters).read_text(), re.MULTILINE)

    original = hashes(lambda notebook: None)
    assert len(original) == len(chapter_names(root))
    assert hashes(lambda notebook: notebook["cells"][3]["outputs"].clear()) == original
    assert hashes(lambda notebook: notebook["cells"].pop(2)) == original  # the injected parameters
    changed = hashes(lambda notebook: notebook["cells"][0].update(source="# Another title"))
    place = chapter_names(root).index("bias_representation")
    assert [one != other for one, other in zip(changed, original, strict=True)] == [
        k == place for k in range(len(original))
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda cell: cell.update(outputs=[new_output("error", ename="ValueError", evalue="bad w")]),
            "ValueError: bad w",
        ),
        (lambda cell: cell.update(execution_count=None), "not executed"),
    ],
)
def test_a_chapter_in_error_is_refused(tmp_path, change, message):
    root = project(tmp_path)
    edit(root, "scaling", lambda notebook: change(notebook["cells"][3]))
    with pytest.raises(RuntimeError, match=f"scaling, code cell 3: {message}"):
        build_book(root)


def test_chapters_that_were_executed_before_are_built_as_they_say_they_are(tmp_path, monkeypatch):
    root, built = project(tmp_path), []
    monkeypatch.setattr(whole, "project_root", lambda: root)
    monkeypatch.setattr(whole, "build_book", lambda root, output, **options: built.append(options["record"]))
    whole.build_executed()
    for name in chapter_names(root):
        about = {
            "key": f"notebook-{name}",
            "preset": "smoke",
            "parameters": {"live": False},
            "changed": {"live": False},
        }
        about["changed"] |= {"seed": 1} if name == "bias_representation" else {}
        edit(root, name, lambda notebook: notebook["metadata"].update(stablerep=about))
    whole.build_executed(title="Mine")
    unknown, mine = built
    assert (unknown.title, unknown.preset, unknown.live, unknown.changed) == (whole.TITLE, "unknown", True, {})
    assert (mine.title, mine.preset, mine.live, mine.changed) == (
        "Mine",
        "smoke",
        False,
        {"bias_representation": {"seed": 1}},
    )
    assert mine.chapters == chapter_names(root) and mine.key != unknown.key
    (root / CHAPTERS / "bias_representation.ipynb").unlink()
    with pytest.raises(FailedError, match="bias_representation not executed yet"):
        whole.build_executed()


def test_a_missing_chapter_is_named(tmp_path):
    root = project(tmp_path)
    (root / CHAPTERS / "bias_representation.ipynb").unlink()
    with pytest.raises(RuntimeError, match="bias_representation not executed yet; `make book`"):
        check_chapters(root)


def jupyter_book(root: Path) -> subprocess.CompletedProcess:
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(root), "-W", "--keep-going"]
    return subprocess.run(command, capture_output=True, text=True)


def test_building_by_hand_without_chapters_says_what_to_run(tmp_path):
    root = project(tmp_path)
    (root / CHAPTERS / "bias_representation.ipynb").unlink()
    done = jupyter_book(root)
    assert done.returncode != 0
    assert "bias_representation is missing: run `make book`" in done.stderr and "Traceback" not in done.stderr


def test_building_by_hand_works_after_a_run(tmp_path):
    root = project(tmp_path)
    done = jupyter_book(root)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "seeds=2" in page(root / "_build" / "html", "chapters/provenance").get_text()


def test_a_failed_build_keeps_the_earlier_pages_and_names_every_fault(root, html, tmp_path):
    earlier = (html / "book" / "chapters" / "compare.html").read_bytes()
    chapters = tmp_path / "chapters"
    shutil.copytree(root / CHAPTERS, chapters)
    for name, text in (("compare", "{numref}`fig-nowhere`"), ("bias_representation", "{cite:t}`nobody1900`")):
        notebook = json.loads((chapters / f"{name}.ipynb").read_text())
        notebook["cells"][0]["source"] += f"\n\n{text}"
        notebook["cells"][3]["metadata"].pop("mystnb") if name == "bias_representation" else None
        notebook["cells"][4]["source"] = ""
        (chapters / f"{name}.ipynb").write_text(json.dumps(notebook))
    with pytest.raises(RuntimeError) as failure:
        build_book(root, chapters=chapters)
    message = str(failure.value)
    assert "fig-nowhere" in message and "nobody1900" in message and "no alt text" in message
    assert "book/chapters/compare.ipynb" in message
    assert "fig-nowhere" in (html.parent / "book.log").read_text()
    assert (html / "book" / "chapters" / "compare.html").read_bytes() == earlier
    assert not list(html.parent.glob(".html.building-*"))


def test_a_second_build_waits_and_says_so(root, tmp_path, capfd, monkeypatch):
    from filelock import FileLock

    def write_one_page(source, aside, log, shown_as):
        (aside / "_build" / "html").mkdir(parents=True)
        (aside / "_build" / "html" / "index.html").write_text("fresh")

    monkeypatch.setattr(build, "_run_jupyter_book", write_one_page)
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text("earlier")
    lock = FileLock(tmp_path / ".html.lock")
    lock.acquire()
    (tmp_path / ".html.building-left").mkdir()  # as a killed build leaves it
    finished = threading.Thread(target=build_book, args=(root, html))
    finished.start()
    told = ""
    while "waiting" not in told:
        assert finished.is_alive()
        told += capfd.readouterr().out
        time.sleep(0.01)
    assert (html / "index.html").read_text() == "earlier"
    lock.release()
    finished.join()
    assert (html / "index.html").read_text() == "fresh"
    assert not list(tmp_path.glob(".html.building-*"))


def test_pages_are_the_same_in_one_process_and_in_two_at_once_and_after_a_change(tmp_path, monkeypatch):
    importlib.import_module("torch")  # a page names the threads that a loaded torch uses
    root, kept, pages = project(tmp_path / "project"), tmp_path / "kept", {}
    monkeypatch.setattr(build, "processors", lambda: 2)
    build_book(root, tmp_path / "before" / "html", kept=kept)
    edit(root, "scaling", lambda notebook: notebook["cells"][0]["source"].append("\n\nA new sentence."))
    build_book(root, tmp_path / "changed" / "html", kept=kept)
    monkeypatch.setattr(build, "processors", lambda: 1)
    build_book(root, tmp_path / "anew" / "html")
    for which in ("before", "changed", "anew"):
        files = sorted((tmp_path / which / "html" / "book").rglob("*.html"))
        # a page that is not written again asks for files by other names, for the sake of a browser's memory; another page has the time
        differing = r"\?v=[0-9a-f]+(?=\")|\d\d:\d\d UTC"
        pages[which] = {file.name: re.sub(differing, "", file.read_text()) for file in files}
    assert pages["changed"] == pages["anew"]
    new = {which: "A new sentence." in pages[which]["scaling.html"] for which in pages}
    assert new == {"before": False, "changed": True, "anew": True}
    (count,) = re.findall(r"(\d+) changed", (tmp_path / "changed" / "book.log").read_text())
    assert int(count) <= 2, "the chapter, and the page on what chapters were made from"


def test_pages_that_a_build_of_two_renamings_left_behind_come_back(root, tmp_path, monkeypatch):
    """Killed between the two renamings of the swap, a build leaves only the earlier pages; the next one takes them up."""

    def fail(*arguments, **options):
        raise FailedError("no")

    monkeypatch.setattr(build, "_run_jupyter_book", fail)
    (tmp_path / ".html.earlier").mkdir()
    (tmp_path / ".html.earlier" / "index.html").write_text("earlier")
    with pytest.raises(FailedError):
        build_book(root, tmp_path / "html")
    assert (tmp_path / "html" / "index.html").read_text() == "earlier"


def test_a_place_that_cannot_be_written_is_one_sentence(root, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StorageError, match="file/html cannot be written .*: a part of the path is a file, or name another"
    ):
        build_book(root, tmp_path / "file" / "html")


WATCH = """<script>
const seen = document.documentElement.dataset;
const note = (what) => { seen.failed = (seen.failed || "") + what + "\\n"; };
addEventListener("error", (e) => note(e.target.src || e.target.href || e.message), true);
addEventListener("unhandledrejection", (e) => note("rejected: " + e.reason));
setTimeout(() => document.fonts.forEach((font) => font.status === "error" && note("font: " + font.family)), 8000);
</script>"""


def browse(page: Path, folder: Path, extra: str = "") -> tuple[BeautifulSoup, set[str], list[str]]:
    """Open a page with the network cut. Returns its document, the addresses it asked for, and what failed in it."""
    watched = page.with_name("watched.html")
    watched.write_text(page.read_text().replace("<head>", f"<head>{WATCH}{extra}", 1))
    log = folder / "net.json"
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-extensions", f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--virtual-time-budget=20000",
        f"--log-net-log={log}", "--dump-dom", watched.as_uri(),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    finally:
        watched.unlink()
    assert done.returncode == 0, done.stderr[-2000:]
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    # The browser's own requests, which have no page for origin, are not ours.
    asked = {
        event["url"]
        for event in events
        if event.get("initiator", "not an origin") != "not an origin" and "url" in event
    }
    document = BeautifulSoup(done.stdout, "html.parser")
    return document, asked, document.html.get("data-failed", "").splitlines()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("name", ["introduction", "chapters/compare"])
def test_a_browser_without_network_shows_the_formulas(html, tmp_path, name):
    document, asked, failed = browse(html / "book" / f"{name}.html", tmp_path)
    assert len(document.find_all("mjx-container")) >= 2
    assert not document.find_all("mjx-merror")
    assert asked == set()
    assert failed == []


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_browser_test_sees_requests_that_fail(html, tmp_path):
    extra = '<script src="missing.js"></script><img src="https://cdn.example/x.png" alt="x">'
    document, asked, failed = browse(html / "book" / "introduction.html", tmp_path, extra)
    assert document.find("h1")
    assert asked == {"https://cdn.example/x.png"}
    assert len(failed) == 2 and any(address.endswith("/missing.js") for address in failed)
