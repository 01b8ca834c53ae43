"""The HTML book: jupyter-book over the executed chapters and a page on their provenance, built aside and swapped in."""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from stablerep.checkpoint import storing
from stablerep.errors import FailedError, InputError, readable
from stablerep.study.book.notes import stale_chapters, write_provenance
from stablerep.study.book.record import RECORD, Record
from stablerep.study.chapters import CHAPTERS, chapter_names
from stablerep.study.store.provenance import processors

SETTINGS, CONTENTS = "_config.yml", "_toc.yml"
MOST = 4  # processes that read and write pages: with more each has few, and every one holds the whole book
# The package has no __main__, and no option for Sphinx's processes. Sphinx unpickles the trees of all pages, time and again, and a third of the
# time went into looking for garbage in them.
START = """
import gc, sys
from functools import partial
from jupyter_book import sphinx
from jupyter_book.cli.main import main
gc.set_threshold(1_000_000, 1000, 1000)
sphinx.build_sphinx = partial(sphinx.build_sphinx, jobs=int(sys.argv.pop(1)))
main()
"""


def missing_chapters(root: Path, folder: Path) -> list[str]:
    """Chapters of the table of contents of ``root`` whose executed notebooks are not in a folder."""
    return [name for name in chapter_names(root) if not (folder / f"{name}.ipynb").is_file()]


def check_chapters(root: Path, chapters: Path | None = None) -> None:
    """Raise ``FailedError`` unless every chapter is there, was executed to its end and holds no error output."""
    folder = chapters or root / CHAPTERS
    if missing := missing_chapters(root, folder):
        raise FailedError(
            f"the book cannot be built: {', '.join(missing)} not executed yet; `make book` or `stablerep book` does it."
        )
    faults = []
    for name in chapter_names(root):
        cells = json.loads((folder / f"{name}.ipynb").read_text())["cells"]
        for number, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), 1):
            errors = [f"{one['ename']}: {one['evalue']}" for one in cell["outputs"] if one["output_type"] == "error"]
            if cell["execution_count"] is None and "".join(cell["source"]).strip():
                errors.append("not executed")
            if errors:
                faults.append(f"{name}, code cell {number}: {errors[0]}")
                break
    if faults:
        raise FailedError("the book cannot be built:\n" + "\n".join(faults))


def check_pages(pages: Sequence[Path]) -> None:
    """Refuse pages that could not be built: no Markdown, no text, no title, or an image that is not beside them.

    Raises:
        InputError, MissingError: the page, and what is wrong with it.
    """
    from stablerep.corpus.text_files import read_text

    for page in pages:
        if page.suffix != ".md":
            raise InputError(f"{page} is not a Markdown file; add a page such as sweeps/NAME/summary.md.")
        with readable(page):
            text = read_text(page)
        if not re.search(
            r"^#{1,6}\s+\S|^[^\s#>-].*\n(=+|-+)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
        ):
            raise InputError(f"{page} has no title; begin it with a line such as '# My notes'.")
        for image in re.findall(r"!\[[^\]]*\]\(<?([^)>\s]+)", text):
            if "://" not in image and not (page.parent / image).is_file():
                raise InputError(f"{page} shows {image}, which is not there.")


def build_book(
    root: Path,
    output: Path | None = None,
    chapters: Path | None = None,
    *,
    record: Record | None = None,
    strict: bool = False,
    pages: Sequence[Path] = (),
    kept: Path | None = None,
) -> Path:
    """Build the HTML book and return the path of its ``index.html``.

    The pages take the place of the earlier ones only when the build succeeded. Two builds into one place follow each
    other. Any warning is an error.

    Args:
        root: folder of ``_config.yml``, ``_toc.yml`` and ``book/``.
        output: folder of the pages, ``root/_build/html`` by default; the log of the build is ``book.log`` beside them.
        chapters: folder of the executed notebooks, ``root/book/chapters`` by default.
        record: what the book is: its title, and parameters for the first page. It stays in the folder of the pages.
        pages: Markdown files for a part of their own at the end; the images beside them are taken along.
        strict: refuse chapters that are not what their sources would give now; else such a page carries a note.
        kept: a folder for what the next build of the same book with this folder need not do again: it reads and writes the pages that have
            changed alone, in a third of the time. What other pages say of these, such as a figure's number, can be late by a build.

    Raises:
        FailedError: a chapter is missing, unfinished, in error or (``strict``) stale, or jupyter-book failed, and why.
        StorageError: ``output`` cannot be written.
    """
    root = root.resolve()
    output = (output or root / "_build" / "html").resolve()
    chapters = (chapters or root / CHAPTERS).resolve()
    check_chapters(root, chapters)
    check_pages(pages)
    if strict and (stale := stale_chapters(chapters, chapter_names(root))):
        raise FailedError("\n".join(["the book is not built, because it would be stale:", *stale]))
    with storing(output), _swapped(output) as aside:
        source, built = aside / "source", aside / "_build" / "html"
        _write_source(root, chapters, source, record, pages)
        place = kept or aside
        if kept:
            shutil.copytree(source, kept / "source", dirs_exist_ok=True, copy_function=_copy_changed)
        _run_jupyter_book(place / "source", place, output.with_name("book.log"), shown_as=root)
        if kept:
            shutil.copytree(kept / "_build" / "html", built)
        if record:
            shutil.copyfile(source / RECORD, built / RECORD)
    return output / "index.html"


def _write_source(root: Path, chapters: Path, source: Path, record: Record | None, pages: Sequence[Path]) -> None:
    """The folder from which the pages are built: settings, prose, executed chapters, provenance, added pages."""
    shutil.copytree(root / "book", source / "book", ignore=shutil.ignore_patterns("chapters"))
    (source / CHAPTERS).mkdir()
    for name in chapter_names(root):
        shutil.copyfile(chapters / f"{name}.ipynb", source / CHAPTERS / f"{name}.ipynb")
    settings = yaml.safe_load((root / SETTINGS).read_text(encoding="utf-8"))
    if record:
        settings["title"] = record.title
        (source / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _write_yaml(source / SETTINGS, settings)
    write_provenance(root, chapters, source / CHAPTERS)
    _add_pages(root, source, pages)


def _copy_changed(file: str, place: str) -> None:
    """Copy a file, with its time, where another one or none is in its place: Sphinx reads again what was written since."""
    if not (Path(place).exists() and filecmp.cmp(file, place, shallow=False)):
        shutil.copy2(file, place)


def _add_pages(root: Path, source: Path, pages: Sequence[Path]) -> None:
    """Write the table of contents into a book's source, with added pages in a part of their own, and copy these with
    the images beside them."""
    contents = yaml.safe_load((root / CONTENTS).read_text(encoding="utf-8"))
    entries = []
    for number, page in enumerate(pages, 1):
        place = source / "book" / "added" / str(number)
        place.mkdir(parents=True)
        for file in (page, *page.parent.glob("*.png")):
            shutil.copyfile(file, place / file.name)
        entries.append({"file": f"book/added/{number}/{page.stem}"})
    if entries:
        contents["parts"].append({"caption": "Added", "chapters": entries})
    _write_yaml(source / CONTENTS, contents)


def _write_yaml(path: Path, content: dict) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


@contextmanager
def _swapped(output: Path) -> Iterator[Path]:
    """Yield a folder aside, whose ``_build/html`` takes the place of ``output`` in the end. Others wait and say so.

    What a killed build left is tidied up, and pages that it had moved away come back.
    """
    from filelock import FileLock, Timeout

    output.parent.mkdir(parents=True, exist_ok=True)
    earlier = output.with_name(f".{output.name}.earlier")
    lock = FileLock(output.with_name(f".{output.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another build of {output} is under way; waiting for it to end", flush=True)
        lock.acquire()
    try:
        for left in output.parent.glob(f".{output.name}.building-*"):
            shutil.rmtree(left, ignore_errors=True)
        if earlier.exists() and output.exists():
            shutil.rmtree(earlier)
        elif earlier.exists():
            earlier.rename(output)
        with tempfile.TemporaryDirectory(
            prefix=f".{output.name}.building-", dir=output.parent, ignore_cleanup_errors=True
        ) as aside:
            yield Path(aside)
            if output.exists():
                output.rename(earlier)
            (Path(aside) / "_build" / "html").rename(output)
            shutil.rmtree(earlier, ignore_errors=True)
    finally:
        lock.release()


def _run_jupyter_book(source: Path, aside: Path, log: Path, shown_as: Path) -> None:
    """Run jupyter-book with warnings as errors; keep its log, in which files are named as under ``shown_as``."""
    options = ["--path-output", str(aside), "-W", "-n", "--keep-going"]
    done = subprocess.run(
        [sys.executable, "-c", START, str(min(processors(), MOST)), "build", str(source), *options],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).replace(str(source), str(shown_as))
    log.write_text(text)
    if done.returncode != 0:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        useful = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL)\b|[Ee]rror:", line)] or lines[-20:]
        raise FailedError("\n".join([f"jupyter-book failed; its log is {log}:", *dict.fromkeys(useful[:30])]))
