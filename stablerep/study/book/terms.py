"""Words of the glossary on the pages of the book: the first time that a page uses one, it leads there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
# Words that a page also uses in their everyday sense.
EVERYDAY = {
    "camera", "contrast", "copy", "effect", "gender", "group", "image", "judge", "l", "m", "point", "positive", "power", "precision", "real", "recall", "run", "seed",
    "skin tone", "source", "split", "stale", "transfer", "view",
}  # fmt: skip


def glossary_terms(page: str) -> list[str]:
    """The terms of a glossary in MyST Markdown that pages lead to, longer ones first.

    Args:
        page: its text.
    """
    listed = re.search(r"```\{glossary\}\n(.*?)\n```", page, re.DOTALL)
    terms = re.findall(r"^(\S.*)$", listed[1], re.MULTILINE) if listed else []
    return sorted((term for term in terms if term not in EVERYDAY and "(" not in term), key=len, reverse=True)


def term_pattern(term: str) -> str:
    """A term or its plural, with a capital where a sentence begins with it; not the beginning of another name, such as StableRep+."""
    first = f"[{term[0].upper()}{term[0]}]" if term[0].islower() and term[1:2].islower() else re.escape(term[0])
    return rf"(?<![\w-])(?<!text ){first}{re.escape(term[1:])}(?:s|es)?(?![\w+-])"


def link_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Let the first use of each term in the running text of a page lead to the glossary."""
    page = Path(app.srcdir, f"{GLOSSARY}.md")
    if app.env.docname == GLOSSARY or not page.is_file():
        return
    from docutils import nodes
    from sphinx import addnodes

    terms = glossary_terms(page.read_text(encoding="utf-8"))
    linked = {
        node["reftarget"].lower() for node in doctree.findall(addnodes.pending_xref) if node.get("reftype") == "term"
    }
    patterns = {term: re.compile(term_pattern(term)) for term in terms if term.lower() not in linked}
    for text in [one for one in doctree.findall(nodes.Text) if _is_prose(one)]:
        parts, rest = [], text.astext()
        while found := _first(patterns, rest):
            term, place = found
            del patterns[term]
            reference = addnodes.pending_xref(
                "", nodes.inline("", place[0], classes=["xref", "std", "std-term"]), refdomain="std", reftype="term", reftarget=term,
                refexplicit=True, refwarn=True, refdoc=app.env.docname,
            )  # fmt: skip
            parts += [nodes.Text(rest[: place.start()]), reference]
            rest = rest[place.end() :]
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(rest)])


def _first(patterns: dict[str, re.Pattern], text: str) -> tuple[str, re.Match] | None:
    """The term that a text uses first, the longest where several begin there."""
    found = [
        (place.start(), -len(term), term, place)
        for term, pattern in patterns.items()
        if (place := pattern.search(text))
    ]
    return min(found)[2:] if found else None


def _is_prose(text: nodes.Text) -> bool:
    """Whether a text stands in a paragraph, and neither in code, a table or a caption nor in a link."""
    from docutils import nodes
    from sphinx import addnodes

    barred = (
        nodes.title, nodes.literal, nodes.literal_block, nodes.reference, nodes.table, nodes.caption, nodes.raw, nodes.math,
        nodes.math_block, nodes.field_list, addnodes.pending_xref,
    )  # fmt: skip
    inside, above = False, text.parent
    while above is not None:
        if isinstance(above, barred) or "cell_output" in above.get("classes", ()):
            return False
        inside |= isinstance(above, nodes.paragraph)
        above = above.parent
    return inside
