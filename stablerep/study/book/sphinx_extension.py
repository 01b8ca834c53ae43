"""What the book needs from Sphinx beyond its settings: a plain word when chapters are missing, alt text on every image,
and a word on each page of what it was made from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import MissingError
from stablerep.study.book.build import missing_chapters
from stablerep.study.book.captioned_tables import caption_tables
from stablerep.study.book.figure_files import KeptFigure, describe_images, finish_page, finish_pages
from stablerep.study.book.notes import add_chapter_notes, add_front_note, write_provenance
from stablerep.study.book.record import RECORD, Record
from stablerep.study.book.terms import link_terms
from stablerep.study.book.typesetting import set_page
from stablerep.study.chapters import CHAPTERS, chapter_names, stored_tables
from stablerep.study.claims import MARK, UNTESTED_MARK, scoreboard, untested
from stablerep.study.disagreements import MARK as DISAGREEMENTS
from stablerep.study.disagreements import disagreements

SCHEMAS = "<!-- schemas -->"  # in the page on rerunning
PARAMETERS = {"parameters", "injected-parameters"}  # tags of papermill
STRIP = "<!-- strip -->"  # on the first page
_SHOWS = re.compile(r"\b(?:show|show_table|show_beside|display|Markdown)\(")
LAST = "## Parameters, cost and code"
# Extensions that do not say whether pages can be read side by side. They can: while pages are read, none of them keeps anything.
SIDE_BY_SIDE = ("sphinx-mathjax-offline", "sphinx_jupyterbook_latex", "sphinx_multitoc_numbering")

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx


def require_chapters(app: Sphinx, config: object) -> None:
    """Stop when notebooks have not been executed; write the provenance page when it is missing or older than they."""
    root = Path(app.srcdir)
    if missing := missing_chapters(root, root / CHAPTERS):
        # Not a Sphinx error: jupyter-book would put a traceback under the sentence.
        names = ", ".join(missing)
        raise SystemExit(
            f"The book needs executed notebooks and {names} is missing: run `make book` (or `stablerep book`) first."
        )
    page = root / CHAPTERS / "provenance.md"
    newest = max(path.stat().st_mtime for path in (root / CHAPTERS).glob("*.ipynb"))
    if not page.exists() or page.stat().st_mtime < newest:
        write_provenance(root, root / CHAPTERS)


def read_side_by_side(app: Sphinx, env: object, docnames: list[str]) -> None:
    """Let several processes read pages (``SIDE_BY_SIDE``), where Sphinx has been given several."""
    for name in SIDE_BY_SIDE:
        if name in app.extensions:
            app.extensions[name].parallel_read_safe = True


def change_sources(app: Sphinx, docname: str, source: list[str]) -> None:
    """Say on each chapter what it was made from and whether that still holds, and arrange its cells; fill the marks of other pages."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        notebook = json.loads(source[0])
        describe_images(notebook)
        caption_tables(notebook)
        arrange(notebook)
        leave_out_silent(notebook)
        add_chapter_notes(Path(docname).name, notebook)
        source[0] = json.dumps(notebook)
        return
    filled = {
        MARK: scoreboard, UNTESTED_MARK: untested, SCHEMAS: schema_links, DISAGREEMENTS: disagreements, STRIP: lambda: strip_figure(Path(app.srcdir, docname).parent),
    }  # fmt: skip
    for mark, fill in filled.items():
        if mark in source[0]:  # the scoreboard reads every stored table, which most pages do not need
            source[0] = source[0].replace(mark, fill())
    if docname == app.config.root_doc and (record := Path(app.srcdir) / RECORD).exists():
        source[0] = add_front_note(source[0], Record.model_validate_json(record.read_text(encoding="utf-8")))


def schema_links() -> str:
    """Links to the schema of each chapter's parameters."""
    return ", ".join(f'<a href="../_static/schemas/{name}.schema.json">{name}</a>' for name in chapter_names())


def strip_figure(folder: Path) -> str:
    """The strip of the comparison's stored results as a figure in MyST, drawn into a folder; empty where there is none."""
    kept = drawn_strip()
    if kept is None:
        return ""
    (folder / "strip.svg").write_text(kept.wide, encoding="utf-8")
    words = (
        "From captions to what an encoder finds: real images of a caption, images that the generator made of it, and, for an encoder that learned from "
        "generated images alone, what is most alike to the first of them among concepts that it has not seen. Often that is another concept: naming a thing from one example is hard."
    )
    return f":::{{figure}} strip.svg\n:alt: {kept.alt}\n:name: fig-strip\n\n{words}\n:::"


def drawn_strip() -> KeptFigure | None:
    """The strip of the comparison's stored results; None where there is none."""
    from stablerep import figures
    from stablerep.figures.shown import Drawing

    try:
        table = stored_tables("compare")["strip"]
    except (MissingError, KeyError):
        return None
    return KeptFigure.of("fig-strip", Drawing(figures.strip, table)._repr_mimebundle_())


def arrange(notebook: dict) -> None:
    """Put what has to run first, but is read last, where it is read: parameters at the end. Fold this run's own part where a reader did
    not ask for other parameters."""
    cells, given = notebook["cells"], [one for one in notebook["cells"] if PARAMETERS & set(_tags(one))]
    heading = next((k for k, one in enumerate(cells) if "".join(one["source"]).startswith(LAST)), None)
    for cell in given:  # papermill's cell of parameters has no tags of ours in the notebook
        cell["metadata"]["tags"] = [*dict.fromkeys([*_tags(cell), "hide-input"])]
        prompt = "Show the parameters of this run" if "injected-parameters" in _tags(cell) else "Show all parameters"
        cell["metadata"].setdefault("mystnb", {})["code_prompt_show"] = prompt
    if heading is not None:
        after = [one for one in cells[heading + 1 :] if one not in given]
        notebook["cells"] = [*(one for one in cells[: heading + 1] if one not in given), *given, *after]
    changed = notebook["metadata"].get("stablerep", {}).get("changed", {})
    for cell in notebook["cells"]:
        if "own-run" in _tags(cell) and not set(changed) - {"live"}:
            cell["metadata"]["tags"] = [*(one for one in _tags(cell) if one != "hide-input"), "hide-cell"]
            cell["metadata"].setdefault("mystnb", {})["code_prompt_show"] = "Show this run"


def leave_out_silent(notebook: dict) -> None:
    """Leave out cells that show something where a run has it, and have shown nothing: of such a cell its folded code alone would stand on the page, as a bar."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and not cell.get("outputs") and _SHOWS.search("".join(cell["source"])):
            cell["metadata"]["tags"] = [*dict.fromkeys([*_tags(cell), "remove-cell"])]


def _tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def require_alt_text(app: Sphinx, doctree: nodes.document) -> None:
    """Warn (and so fail the build) about an image that says nothing to a reader who cannot see it."""
    from docutils import nodes
    from sphinx.util import logging

    logger = logging.getLogger(__name__)
    for image in doctree.findall(nodes.image):
        if not str(image.get("alt", "")).strip():
            logger.warning(
                "an image has no alt text; in a notebook, give the cell the metadata mystnb.image.alt",
                location=(app.env.docname, image.line or (image.parent and image.parent.line)),
                type="stablerep",
                subtype="alt",
            )


def finish(app: Sphinx, error: Exception | None) -> None:
    """Draw figures into the pages, set their text, and put the JSON Schema of each chapter's parameters beside them, where the page on rerunning links to it."""
    from stablerep.study.notebooks.schema import write_schemas

    if error is None:
        built = Path(app.outdir)
        finish_pages(Path(app.srcdir), built, chapter_names(), CHAPTERS)
        if strip := drawn_strip():
            finish_page(built / f"{app.config.root_doc}.html", built / "_images", [strip])
        for name in app.env.found_docs:
            set_page(built / f"{name}.html")
        write_schemas(built / "_static" / "schemas")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("config-inited", require_chapters, priority=100)  # before the table of contents is read, at 900
    app.connect("env-before-read-docs", read_side_by_side)
    app.connect("source-read", change_sources)
    app.connect("doctree-read", require_alt_text)
    app.connect("doctree-read", link_terms)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
