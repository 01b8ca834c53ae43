"""The claims under test, and the scoreboard of the book's first page: which chapter tests each, and what its stored results say of it."""

from __future__ import annotations

from dataclasses import dataclass

from stablerep.errors import MissingError
from stablerep.statistics import WORDS, Verdict, family
from stablerep.study.chapters import chapter, chapter_names, stored_record, stored_tables
from stablerep.study.experiments.answers import Answer
from stablerep.study.holm import holm_sentence
from stablerep.study.markdown import badge, markdown_table
from stablerep.study.protocol import protocol_hash

NOT_AVAILABLE = "–"  # no number in the sources that we could read, which is said once, below the table
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
        tested = self.part(name)
        return f"{self.text} (Tested here: {tested}.)" if tested else self.text

    def part(self, name: str) -> str:
        """What of it a chapter tests; empty where that is all of it."""
        return getattr(chapter(name), "TESTED", {}).get(self.name, self.tested)

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
    Claim("C2", "StableRep on synthetic images beats SimCLR and CLIP, real or synthetic, on the same captions.", "Tables 1, 2 and 3", reported="StableRep {} % on CC12M and {} % on RedCaps (ImageNet, linear); no numbers of the others", numbers=(("Table1a", "StableRep", ""), ("Table1b", "StableRep", ""))),
    Claim("C3", "Accuracy over the guidance scale is an inverted U, and the best scale of StableRep is lower than that of SimCLR.", "Figure 2, table 6"),
    Claim("C4", "At a fixed number of images, more images per caption help; at a fixed batch, so does a larger m.", "Table 5"),
    Claim("C5", "StableRep+ (with language) on synthetic images needs several times fewer captions than CLIP on real images, by linear probe.", "Figure 6", tested="half of the captions, by one-shot recognition", reported="StableRep+ {} % with 10 million captions, CLIP {} % with 50 million (ImageNet, linear)", numbers=(("Fig6", "StableRep+", "10M captions (20M images); probe without BN"), ("Fig6", "CLIP", "50M captions (50M images); probe without BN"))),
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


NOT_STORED = "no results stored"
UNREAD = "no result of the present protocol"


def stored_answers(name: str) -> tuple[dict[str, Answer], str]:
    """The answers of a chapter to its claims from its stored results, and a remark: that they are of an earlier protocol, or why there
    are none."""
    try:
        tables, record = stored_tables(name), stored_record(name)
    except MissingError:
        return {}, NOT_STORED
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
        """Of the answer (:attr:`stablerep.study.experiments.answers.Answer.effect`); without one why the claim cannot be tested, or a dash."""
        why = ": ".join(self.answer.why.split(": ")[:2]) if self.answer and self.word == WORDS[-1] else ""
        return (self.answer.effect if self.answer else "") or f"{why[:1].upper()}{why[1:]}" or "–"

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
    """What came out, in a few paragraphs: what chapters say of their results, then the words on the claims; empty without any."""
    said = [
        f"*{word}* {', '.join(dict.fromkeys(one.claim.name for one in found if one.word == word))}"
        for word in WORDS if word in [one.word for one in found]
    ]  # fmt: skip
    if not said:
        return ""
    claims, told = ({one.claim.name for one in some} for some in (found, [one for one in found if one.word]))
    lacking = "" if claims == told else f", {len(told)} {'has' if len(told) == 1 else 'have'} stored results so far"
    chapters = []
    for name in dict.fromkeys(one.chapter for one in found if one.word):
        chapters += getattr(chapter(name), "in_short", lambda tables: [])(stored_tables(name))
    words = f"Of {len(claims)} claims that this book tests{lacking}: {'; '.join(said)}. {{numref}}`tab-words` of the Protocol says when each word is said."
    return "\n\n".join([*chapters, words])


def scoreboard() -> str:
    """In MyST Markdown: what came out in a few sentences; the claims with stored results, their verdict, effect and what the authors report."""
    found, holm = scores()
    rows = ["* - Claim\n  - Verdict\n  - Effect, points\n  - The authors report"]
    for one in (one for one in found if one.word):
        verdict = " ".join(filter(None, [badge(one.claim.name, one.word, named=False), one.remark]))
        text = f"**{one.claim.name}** {one.claim.told(one.chapter)} {{doc}}`chapters/{one.chapter}`"
        rows.append(f"* - {text}\n  - {verdict}\n  - {one.told_effect}\n  - {one.claim.report()}")
    title = "What came out: the claims on which this book has stored results."
    table = _list_table(title, "table-claims", "32 14 36 18", rows) if len(rows) > 1 else ""
    return "\n\n".join(filter(None, [in_short(found), table, holm]))


def _open_table(found: list[Score]) -> str:
    """The claims and chapters whose stored results say nothing, as a narrow table; empty where there is none."""
    rows = [f"* - {text}\n  - {{doc}}`chapters/{one.chapter}`" for one, text in _open_claims(found)]
    title = "Without stored results: these chapters show at most a short run of one seed, which gives no verdict."
    return _list_table(title, "table-open-claims", "76 24", ["* - Claim\n  - Chapter", *rows]) if rows else ""


def _open_claims(found: list[Score]) -> list[tuple[Score, str]]:
    """The scores without a word, each with its claim; of a claim that was told before it, only what this chapter tests."""
    known, rows = {one.claim.name for one in found if one.word}, []
    for one in (one for one in found if not one.word):
        part = one.claim.part(one.chapter)
        text = f"Also {part}." if one.claim.name in known and part else one.claim.told(one.chapter)
        remark = f" ({one.remark})" if one.remark != NOT_STORED else ""
        rows.append((one, f"**{one.claim.name}** {text}{remark}"))
        known.add(one.claim.name)
    return rows


def untested() -> str:
    """In MyST Markdown: the claims that no chapter tests, and why, or that there is none; and the claims and chapters without stored results."""
    found, _ = scores()
    tested, told = ({one.claim.name for one in some} for some in (found, [one for one in found if one.word]))
    without = [one.name for one in CLAIMS if one.name in tested - told]
    said = []
    if without:
        they = "has no stored results" if len(without) == 1 else "have no stored results"
        said.append(f"{', '.join(without)} {they} yet ({{numref}}`table-open-claims`).")
    rows = [
        f"* - **{one.name}** {one.text}\n  - {one.exhibit}\n  - {one.untested}"
        for one in CLAIMS if one.name not in tested
    ]  # fmt: skip
    if not rows:
        return "\n\n".join(
            filter(None, [" ".join(["Every claim has a chapter that tests it.", *said]), _open_table(found)])
        )
    head = "* - Claim\n  - Where in the paper\n  - Why not yet"
    table = _list_table("Claims that no chapter tests yet.", "table-untested", "54 22 24", [head, *rows])
    return "\n\n".join(filter(None, [table, " ".join(said), _open_table(found)]))


def scoreboard_lines() -> str:
    """The scoreboard for README: plain tables of the claims on which stored results say something, and of the others."""
    found, _ = scores()
    rows = [
        [one.claim.name, one.claim.told(one.chapter), one.word, one.told_effect, f"`{one.chapter}`"]
        for one in found if one.word
    ]  # fmt: skip
    table = markdown_table(["claim", "", "verdict", "effect, points", "chapter"], rows) if rows else ""
    others = [[text, f"`{one.chapter}`"] for one, text in _open_claims(found)]
    rest = f"No stored results yet:\n\n{markdown_table(['claim', 'chapter'], others)}" if others else ""
    return "\n\n".join(filter(None, [table, rest]))


def _list_table(title: str, name: str, widths: str, rows: list[str]) -> str:
    head = f":::{{list-table}} {title}\n:header-rows: 1\n:name: {name}\n:widths: {widths}\n\n"
    return f"{head}{chr(10).join(rows)}\n:::"
