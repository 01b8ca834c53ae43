"""Words of the glossary on pages: which, and where."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from docutils import nodes
from sphinx import addnodes

from stablerep.study.book.terms import EVERYDAY, GLOSSARY, glossary_terms, link_terms, term_pattern
from stablerep.study.root import PROJECT

PAGE = "# Glossary\n\n```{glossary}\narm\n    One.\n\nKID\n    Two.\n\nlinear probe\n    Three.\n\nprobe\n    Four.\n\nrun\n    Five.\n```\n"


@pytest.fixture
def page(tmp_path):
    """Links terms in a document of these nodes, and returns what it then shows: texts, and terms in brackets."""
    (tmp_path / "book").mkdir()
    (tmp_path / f"{GLOSSARY}.md").write_text(PAGE)

    def linked(*parts: nodes.Node, docname: str = "book/a") -> str:
        document = nodes.document(None, None)
        document += list(parts)
        link_terms(SimpleNamespace(srcdir=tmp_path, env=SimpleNamespace(docname=docname)), document)
        for link in list(document.findall(addnodes.pending_xref)):
            link.parent.replace(link, nodes.Text(f"[{link['reftarget']}: {link.astext()}]"))
        return document.astext()

    return linked


def paragraph(text: str) -> nodes.paragraph:
    return nodes.paragraph(text, text)


def test_the_first_use_of_a_term_leads_to_the_glossary(page):
    shown = page(paragraph("An arm and a linear probe. Arms, probes."), paragraph("Probes again; a run."))
    assert shown == "An [arm: arm] and a [linear probe: linear probe]. Arms, [probe: probes].\n\nProbes again; a run."
    assert page(paragraph("Linear probes."), docname=GLOSSARY) == "Linear probes."


def test_what_is_no_prose_is_left_alone(page):
    table = nodes.table("", nodes.tgroup("", nodes.tbody("", nodes.row("", nodes.entry("", paragraph("arm"))))))
    code, title = nodes.literal_block("arm", "arm"), nodes.title("arm", "arm")
    link = nodes.paragraph("", "", nodes.reference("", "arm"), nodes.literal("", "probe"))
    assert "[" not in page(nodes.section("", title), table, code, link)


def test_a_term_that_the_author_has_linked_is_not_linked_again(page):
    own = addnodes.pending_xref("", nodes.inline("", "arms"), reftype="term", reftarget="arm", refdomain="std")
    assert page(nodes.paragraph("", "", nodes.Text("An arm; "), own)) == "An arm; [arm: arms]"


@pytest.mark.parametrize(
    ("term", "texts"),
    [
        ("arm", {"arm": True, "Arms": True, "army": False, "fore-arm": False, "ARM": False}),
        ("KID", {"KID": True, "kid": False, "Kid": False}),
        ("kNN", {"kNN": True, "KNN": False}),
        ("StableRep", {"StableRep": True, "StableRep+": False, "StableRep’s": True}),
        ("run store", {"Run store": True, "run stores": True, "runstore": False}),
    ],
)
def test_a_term_is_found_as_a_word(term, texts):
    assert {text: bool(re.search(term_pattern(term), text)) for text in texts} == texts


def test_everyday_words_are_terms_of_the_glossary():
    page = (PROJECT / f"{GLOSSARY}.md").read_text()
    assert all(re.search(rf"^{re.escape(word)}$", page, re.MULTILINE) for word in EVERYDAY)
    found = glossary_terms(page)
    assert len(found) > 40 and not EVERYDAY & set(found) and found == sorted(found, key=len, reverse=True)
