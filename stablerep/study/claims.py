"""The claims under test, and the table of the book's introduction: which chapter tests each, and what its stored results say of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stablerep.errors import MissingError
from stablerep.statistics import WORDS, Verdict, family
from stablerep.study.chapters import Answer, chapter, chapter_names, stored_record, stored_tables
from stablerep.study.protocol import protocol_hash

MARK = "<!-- claims -->"  # in the introduction, where the table goes


@dataclass(frozen=True)
class Claim:
    """A claim that the book tests, or could."""

    name: str
    text: str
    exhibit: str  # of the paper, or of others, that supports it
    untested: str = "no chapter yet"  # what to say while no chapter tests it


CLAIMS = (
    Claim("C1", "With a well-chosen guidance scale, SimCLR on synthetic images is at least as good as SimCLR on the real images of the same captions.", "Figures 2 and 3, table 1"),
    Claim("C2", "StableRep on synthetic images beats SimCLR and CLIP, real or synthetic, on the same captions.", "Tables 1, 2 and 3"),
    Claim("C3", "Accuracy over the guidance scale is an inverted U, and the best scale of StableRep is lower than that of SimCLR.", "Figure 2, table 6", "no chapter yet; rerun {doc}`chapters/compare` with several scales"),
    Claim("C4", "At a fixed number of images, more images per caption help; at a fixed batch, so does a larger {term}`m`.", "Table 5"),
    Claim("C5", "StableRep+ (with language) on synthetic images needs several times fewer captions than CLIP on real images, by linear probe.", "Figure 6"),
    Claim("C6", "On the same images and with the same contrastive loss, captions as ids beat classes, which beat single images.", "Table 5 of SynCLR"),
    Claim("C7", "Zero-shot, CLIP trained on synthetic images falls behind CLIP trained on real ones.", "Figure 5", "no chapter yet; {doc}`chapters/compare` measures both by probe only"),
    Claim("C8", "Training on synthetic images changes accuracy over groups of people; the bias of the generator may be amplified.", "Table 7, discussion"),
    Claim("C9", "Compositional understanding moves in mixed directions.", "Table 7"),
    Claim("C10", "Generated images are not always faithful to their prompt.", "Figure 7, discussion"),
    Claim("C11", "Synthetic data may contain copies of the generator's training images.", "Discussion"),
    Claim("C12", "Editing the generator can remove a sensitive attribute.", "Discussion"),
    Claim("C13", "Most future models will learn from real and synthetic images together.", "Discussion", "a forecast; no chapter yet"),
    Claim("C14", "Synthetic images do not beat the real images that their generator learned from, retrieved for the same captions.", "Geng et al. 2024, against the paper"),
    Claim("C15", "Text-to-image models may one day be trained on synthetic images; without fresh real ones they get worse.", "Discussion; Alemohammad et al. 2023, Gerstgrasser et al. 2024"),
    Claim("C16", "Synthetic images are of lower quality and resolution than photographs, and that costs accuracy.", "Discussion"),
)  # fmt: skip


UNREAD = "no result of the present protocol"


def stored_answers(name: str) -> tuple[dict[str, Answer], str]:
    """The answers of a chapter to its claims from its stored results, and a remark: that they are of an earlier protocol, or why there
    are none."""
    try:
        tables, record = stored_tables(name), stored_record(name)
    except MissingError:
        return {}, "no results stored"
    if not record.get("protocol"):
        return {}, UNREAD
    try:
        answers = {one.claim: one for one in chapter(name).verdict(tables)}
    except (LookupError, NameError, ValueError):  # a table or a column that an earlier layout did not have
        return {}, UNREAD
    return answers, "" if record["protocol"] == protocol_hash() else "of an earlier protocol"


def claims_table() -> str:
    """The table in MyST Markdown, and a sentence on Holm's method over its verdicts. Its last columns name the chapters that test a claim, or
    say why none does, and give the verdicts of their stored results."""
    chapters = [name for name in chapter_names() if chapter(name).CLAIMS]
    stored = {name: stored_answers(name) for name in chapters}
    own = {
        (claim, name): Verdict(one.word, one.p, one.why)
        for name, (answers, _) in stored.items() for claim, one in answers.items()
    }  # fmt: skip
    together = family({" in ".join(key): found for key, found in own.items()})
    rows = ["* - Id\n  - Claim\n  - Exhibit\n  - Tested in\n  - Verdict"]
    for claim in CLAIMS:
        testing, words = [name for name in chapters if claim.name in chapter(name).CLAIMS], []
        for name in testing:
            found, remark = together.get(f"{claim.name} in {name}"), stored[name][1]
            words.append(", ".join(filter(None, [f"*{found.word}*" if found else "", remark])) or UNREAD)
        tested = ", ".join(f"{{doc}}`chapters/{name}`" for name in testing) or claim.untested
        rows.append(
            f"* - {claim.name}\n  - {claim.text}\n  - {claim.exhibit}\n  - {tested}\n  - {'; '.join(words) or 'none'}"
        )
    head = (
        ":::{list-table} The claims, where the paper supports them, where this book tests them, and the verdicts of its stored results.\n"
        ":header-rows: 1\n:name: table-claims\n:widths: 6 42 16 20 16\n\n"
    )
    return f"{head}{chr(10).join(rows)}\n:::\n\n{holm_sentence(own, together)}"


def holm_sentence(own: dict[tuple[str, str], Verdict], together: dict[str, Verdict]) -> str:
    """What Holm's method over all claims did to the verdicts of single chapters.

    Args:
        own: by claim and chapter. together: the same by ``CLAIM in CHAPTER``, as :func:`stablerep.statistics.family` leaves them.
    """
    tested = [claim for (claim, _), found in own.items() if found.word != WORDS[-1]]
    if not tested:
        return (
            "No claim was testable by stored results of the present protocol, so Holm's method had nothing to correct."
        )
    lost = [
        f"{claim} (*{found.word}* by itself)"
        for (claim, name), found in own.items() if found.word != together[f"{claim} in {name}"].word
    ]  # fmt: skip
    said = f"Holm's method at 5 % over the tested claims ({', '.join(tested)}) "
    said += f"makes undecided: {', '.join(lost)}." if lost else "changes no verdict."
    open_words = ("equivalent", "undecided", WORDS[-1])
    without = [claim for (claim, _), found in own.items() if found.word not in open_words and math.isnan(found.p)]
    if without:
        said += f" It cannot correct verdicts whose rule gives no p-value: {', '.join(without)}."
    return said
