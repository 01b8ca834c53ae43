"""The claims under test, and the scoreboard of the book's first page: which chapter tests each, and what its stored results say of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from stablerep.errors import MissingError
from stablerep.statistics import WORDS, Verdict, family
from stablerep.study.chapters import chapter, chapter_names, stored_record, stored_tables
from stablerep.study.experiments.answers import Answer
from stablerep.study.markdown import badge, markdown_table
from stablerep.study.protocol import protocol_hash

NOT_AVAILABLE = "not in the sources that we could read"
IMAGENET = "ImageNet-1k linear"
MARK, UNTESTED_MARK = "<!-- claims -->", "<!-- untested -->"  # in the introduction, where the tables go


@dataclass(frozen=True)
class Claim:
    """A claim that the book tests, or could."""

    name: str
    text: str
    exhibit: str  # of the paper, or of others, that supports it
    untested: str = "no chapter yet"  # what to say while no chapter tests it
    reported: str = NOT_AVAILABLE  # what the authors report, with a place for each of these numbers
    numbers: tuple[tuple[str, str, str], ...] = ()  # exhibit, method and part of the setting of published numbers
    tested: str = ""  # what of it the book tests, where that is less

    def told(self, name: str) -> str:
        """The claim, and what of it a chapter tests."""
        tested = getattr(chapter(name), "TESTED", {}).get(self.name, self.tested)
        return f"{self.text} (Tested here: {tested}.)" if tested else self.text

    def report(self) -> str:
        """What the authors report. Raises ``LookupError`` where a number is not among the published ones, or not the only one."""
        return self.reported.format(*(_published(*one) for one in self.numbers))


def _published(exhibit: str, method: str, setting: str) -> str:
    from stablerep.published import read_published

    table = read_published(exhibit=exhibit)
    mine = table[
        (table["method"] == method)
        & table["setting"].str.contains(setting, regex=False)
        & table["metric"].str.startswith(IMAGENET)
    ]
    if len(mine) != 1:
        raise LookupError(
            f"{len(mine)} published numbers are of {method} in {exhibit} with {setting}; a claim needs one."
        )
    return str(mine["value"].iloc[0])


CLAIMS = (
    Claim("C1", "With a well-chosen guidance scale, SimCLR on synthetic images is at least as good as SimCLR on the real images of the same captions.", "Figures 2 and 3, table 1"),
    Claim("C2", "StableRep on synthetic images beats SimCLR and CLIP, real or synthetic, on the same captions.", "Tables 1, 2 and 3", reported="StableRep {} % on CC12M and {} % on RedCaps (ImageNet, linear); the others' numbers are not in the sources that we could read", numbers=(("Table1a", "StableRep", ""), ("Table1b", "StableRep", ""))),
    Claim("C3", "Accuracy over the guidance scale is an inverted U, and the best scale of StableRep is lower than that of SimCLR.", "Figure 2, table 6"),
    Claim("C4", "At a fixed number of images, more images per caption help; at a fixed batch, so does a larger m.", "Table 5"),
    Claim("C5", "StableRep+ (with language) on synthetic images needs several times fewer captions than CLIP on real images, by linear probe.", "Figure 6", tested="half of the captions, by one-shot recognition", reported="StableRep+ {} % with 10 M captions, CLIP {} % with 50 M (ImageNet, linear)", numbers=(("Fig6", "StableRep+", "10M captions (20M images); probe without BN"), ("Fig6", "CLIP", "50M captions (50M images); probe without BN"))),
    Claim("C6", "On the same images, learning that images of one caption belong together beats learning classes, which beats learning from single images.", "Table 5 of SynCLR", tested="with classes by the same contrastive loss instead of a classifier", reported="captions {} %, classes (with a classifier) {} %, SimCLR {} % (ImageNet, linear)", numbers=(("SynCLR Table5", "multi-positive (SynCLR, EMA/iBOT/MC removed)", ""), ("SynCLR Table5", "Supervised CE", ""), ("SynCLR Table5", "SimCLR", ""))),
    Claim("C7", "Zero-shot, CLIP trained on synthetic images falls behind CLIP trained on real ones.", "Figure 5", reported="not in the authors' own sources that we could read; two summaries agree on numbers, which stand in the chapter"),
    Claim("C8", "Training on synthetic images changes accuracy over groups of people; the bias of the generator may be amplified.", "Table 7, discussion", tested="the first half; whom the generator draws is described"),
    Claim("C9", "Compositional understanding moves in mixed directions.", "Table 7"),
    Claim("C10", "Generated images are not always faithful to their prompt.", "Figure 7, discussion"),
    Claim("C11", "Synthetic data may contain copies of the generator's training images.", "Discussion"),
    Claim("C12", "Editing the generator can remove a sensitive attribute.", "Discussion"),
    Claim("C13", "Most future models will learn from real and synthetic images together.", "Discussion"),
    Claim("C14", "Synthetic images do not beat the real images that their generator learned from, retrieved for the same captions.", "Against the paper: {cite:t}`geng2024retrieved`"),
    Claim("C15", "Text-to-image models may one day be trained on synthetic images. One that learns from its own images alone gets worse than one that learns as long from real images, and real images among its own keep some of what is lost.", "Discussion; {cite:t}`alemohammad2023mad`, {cite:t}`gerstgrasser2024collapse`"),
    Claim("C16", "Synthetic images are of lower quality and resolution than photographs, and that costs accuracy.", "Discussion", tested="what the generator's autoencoder costs, through which every synthetic image passes"),
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
    return answers, "" if record["protocol"] == protocol_hash(
        [*chapter(name).CLAIMS, name]
    ) else "of an earlier protocol"


@dataclass(frozen=True)
class Score:
    """A claim, a chapter that tests it, and what that chapter's stored results say.

    Attributes:
        word: after Holm's method over all claims; empty where there is no result. remark: that the result is old, or why there is none.
    """

    claim: Claim
    chapter: str
    word: str
    remark: str
    answer: Answer | None

    @property
    def effect(self) -> str:
        """Of the answer (:attr:`stablerep.study.experiments.answers.Answer.effect`); a dash where there is none."""
        return (self.answer.effect if self.answer else "") or "–"

    @property
    def told_effect(self) -> str:
        """The effect, and what limits the answer (:attr:`stablerep.study.experiments.answers.Answer.but`)."""
        return f"{self.effect}. {self.answer.but}" if self.answer and self.answer.but else self.effect


def claim_named(name: str) -> Claim:
    """A claim by its name, such as C5."""
    return next(claim for claim in CLAIMS if claim.name == name)


def scores() -> tuple[list[Score], str]:
    """A score for each claim and chapter that tests it, and a sentence on Holm's method over their verdicts."""
    chapters = [name for name in chapter_names() if chapter(name).CLAIMS]
    stored = {name: stored_answers(name) for name in chapters}
    own = {
        (claim, name): Verdict(one.word, one.p, one.why)
        for name, (answers, _) in stored.items() for claim, one in answers.items()
    }  # fmt: skip
    together = family({" in ".join(key): found for key, found in own.items()})
    found = []
    for claim in CLAIMS:
        for name in (name for name in chapters if claim.name in chapter(name).CLAIMS):
            answers, remark = stored[name]
            verdict = together.get(f"{claim.name} in {name}")
            word = verdict.word if verdict else ""
            found.append(Score(claim, name, word, remark if word or remark else UNREAD, answers.get(claim.name)))
    return found, holm_sentence(own, together)


def in_short(found: list[Score]) -> str:
    """What came out, in a few sentences: the words on the claims, and what chapters say of their results; empty without any."""
    said = [
        f"*{word}* {', '.join(dict.fromkeys(one.claim.name for one in found if one.word == word))}"
        for word in WORDS if word in [one.word for one in found]
    ]  # fmt: skip
    if not said:
        return ""
    claims, told = ({one.claim.name for one in some} for some in (found, [one for one in found if one.word]))
    lacking = "" if claims == told else f", {len(told)} {'has' if len(told) == 1 else 'have'} stored results so far"
    sentences = [f"Of {len(claims)} claims that this book tests{lacking}: {'; '.join(said)}."]
    for name in dict.fromkeys(one.chapter for one in found if one.word):
        sentences += getattr(chapter(name), "in_short", lambda tables: [])(stored_tables(name))
    return " ".join(sentences)


def scoreboard() -> str:
    """In MyST Markdown: what came out in a few sentences, then the claims that chapters test, with verdict, effect and what the authors report."""
    found, holm = scores()
    rows = ["* - Claim\n  - Verdict\n  - Effect, points\n  - The authors report"]
    for one in found:
        verdict = " ".join(filter(None, [badge(one.claim.name, one.word, named=False) if one.word else "", one.remark]))
        text = f"**{one.claim.name}** {one.claim.told(one.chapter)} {{doc}}`chapters/{one.chapter}`"
        rows.append(f"* - {text}\n  - {verdict}\n  - {one.told_effect}\n  - {one.claim.report()}")
    title = "What came out: the claims that this book tests, by its stored results"
    return "\n\n".join(filter(None, [in_short(found), _list_table(title, "table-claims", "38 16 24 22", rows), holm]))


def untested() -> str:
    """In MyST Markdown: the claims that no chapter tests, and why; or that there is none."""
    tested = {claim for name in chapter_names() for claim in chapter(name).CLAIMS}
    rows = [
        f"* - **{one.name}** {one.text}\n  - {one.exhibit}\n  - {one.untested}"
        for one in CLAIMS
        if one.name not in tested
    ]
    if not rows:
        return "Every claim has a chapter that tests it, some only in part: {numref}`table-claims` says in which."
    head = "* - Claim\n  - Where in the paper\n  - Why not yet"
    return _list_table("Claims that no chapter tests yet", "table-untested", "54 22 24", [head, *rows])


def scoreboard_lines() -> str:
    """The scoreboard for README: a plain table of the claims that chapters test."""
    found, _ = scores()
    rows = [
        [one.claim.name, one.claim.told(one.chapter), one.word or one.remark, one.told_effect, f"`{one.chapter}`"]
        for one in found
    ]
    return markdown_table(["claim", "", "verdict", "effect, points", "chapter"], rows)


def _list_table(title: str, name: str, widths: str, rows: list[str]) -> str:
    head = f":::{{list-table}} {title}\n:header-rows: 1\n:name: {name}\n:widths: {widths}\n\n"
    return f"{head}{chr(10).join(rows)}\n:::"


def holm_sentence(own: dict[tuple[str, str], Verdict], together: dict[str, Verdict]) -> str:
    """What Holm's method over all claims did to the verdicts of single chapters.

    Args:
        own: by claim and chapter. together: the same by ``CLAIM in CHAPTER``, as :func:`stablerep.statistics.family` leaves them.
    """
    chapters_of = Counter(claim for claim, _ in own)

    def said_of(claim: str, name: str) -> str:
        return f"{claim} in {name}" if chapters_of[claim] > 1 else claim

    in_order = sorted(own.items(), key=lambda one: int(one[0][0][1:]))
    tested = [said_of(*place) for place, found in in_order if found.word != WORDS[-1]]
    if not tested:
        return (
            "No claim was testable by stored results of the present protocol, so Holm's method had nothing to correct."
        )
    lost = [
        f"{said_of(*place)} (*{found.word}* by itself)"
        for place, found in in_order if found.word != together[" in ".join(place)].word
    ]  # fmt: skip
    said = f"Holm's method at 5 % over the tested claims ({', '.join(tested)}) "
    said += f"makes undecided: {', '.join(lost)}." if lost else "changes no verdict."
    open_words = ("equivalent", "undecided", WORDS[-1])
    without = [said_of(*place) for place, found in in_order if found.word not in open_words and math.isnan(found.p)]
    if without:
        said += f" It cannot correct verdicts whose rule gives no p-value: {', '.join(without)}."
    return said
