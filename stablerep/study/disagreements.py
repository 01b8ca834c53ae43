"""What other papers say of synthetic images, and which stored differences of this book speak to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stablerep.errors import MissingError
from stablerep.figures.tables import points
from stablerep.statistics import MARGIN
from stablerep.statistics.verdict import SEEDS
from stablerep.study.chapters import chapter, probe_of, stored_record, stored_tables
from stablerep.study.experiments.floors import at_the_floor
from stablerep.study.protocol import protocol_hash

MARK = "<!-- disagreements -->"  # in the page of that name, where the table goes
SAME, OTHER, ALIKE, WIDE, OPEN, ABSENT = WORDS = (
    "seen here too", "the opposite is seen here", "no difference here", "the interval is too wide to tell", "cannot be told here", "no results stored",
)  # fmt: skip
UNTESTED = "nothing here speaks to it"


@dataclass(frozen=True)
class Compared:
    """Two arms of a chapter, the first of which is better if the paper is right; ``at_least``: or as good, to within the margin."""

    chapter: str
    first: str
    second: str
    at_least: bool = False


@dataclass(frozen=True)
class Said:
    """What a paper says, and what of this book speaks to it: nothing, where ``compared`` is None."""

    paper: str  # key in the list of references
    text: str
    compared: Compared | None
    apart: str  # what was done there otherwise, or why nothing speaks to it


SAID = (
    Said("geng2024retrieved", "Real images retrieved from what the generator learned from are as good as its images, or better.",
         Compared("retrieval", "StableRep retrieved by words", "StableRep synthetic", at_least=True),
         "they fine-tune a trained CLIP for one task at a time, and retrieve from two billion images"),
    Said("bafghi2024mixdiff", "Synthetic images alone are worse than real ones.",
         Compared("compare", "SimCLR real", "SimCLR synthetic"), "their images are made from real images, not from captions"),
    Said("bafghi2024mixdiff", "Real and synthetic images together are better than real ones alone.",
         Compared("mixture", "SimCLR real + synthetic", "SimCLR real"),
         "there the two views of an image are the real one and its synthetic twin; here five images of a caption stand against one"),
    Said("hataya2023corrupt", "Synthetic images in the place of some of the real ones make what is learned worse.",
         Compared("mixture", "SimCLR 4 real", "SimCLR 2 real + 2 synthetic"), "their classifiers learn from labels"),
    Said("zhou2023thinair", "Synthetic images can take the place of the real ones.",
         Compared("compare", "StableRep synthetic", "StableRep real designs", at_least=True),
         "they steer the generator by the real images themselves, and classify"),
    Said("azizi2023synthetic", "Up to three synthetic images beside each real one help.",
         Compared("mixture", "StableRep real + synthetic", "StableRep real"),
         "their classifiers learn from labels; here five images of a caption, four of them synthetic, stand against one"),
    Said("belagali2024gensis", "A generator that has seen nothing but the same images makes self-supervised learning better.",
         Compared("mixture", "SimCLR real + synthetic", "SimCLR real"),
         "their generator is steered by an encoder's features; the one here has seen several designs of each caption, and five images of a caption stand against one"),
    Said("adamkiewicz2026pretty", "Newer generators draw better and are worse to learn from, because they cover less.", None,
         "it takes several generators of one kind"),
)  # fmt: skip


def word_of(low: float, high: float, *, at_least: bool = False) -> str:
    """What an interval of a difference, first less second, says of "the first is better"; ``at_least``: "or as good, to within the margin"."""
    bound = -MARGIN if at_least else 0.0
    if low > bound:
        return SAME
    if high < bound:
        return OTHER
    return ALIKE if low >= -MARGIN and high <= MARGIN else WIDE


def found(compared: Compared) -> tuple[str, str]:
    """The difference on the primary probe by the stored results, with its interval, and the word for it; a dash where there is none."""
    try:
        tables, record = stored_tables(compared.chapter), stored_record(compared.chapter)
        pairs, floors, probe = tables["differences"], tables["floors"], probe_of(tables["arms"])
    except (MissingError, KeyError):
        return "–", ABSENT
    mine = pairs[pairs["probe"] == probe].drop_duplicates(["first", "second"]).set_index(["first", "second"])
    mine = mine[["difference", "low", "high", "seeds"]]
    if (place := (compared.first, compared.second)) in mine.index:
        middle, low, high, seeds = mine.loc[place]
    elif place[::-1] in mine.index:
        middle, high, low, seeds = mine.loc[place[::-1]]
        middle, low, high = -middle, -low, -high
    else:
        return "–", ABSENT
    text = points(middle, low, high).replace(", ", ",\N{NO-BREAK SPACE}")  # an interval stays on one line
    why = [
        "results of an earlier protocol" if record.get("protocol") != protocol_hash([*chapter(compared.chapter).CLAIMS, compared.chapter]) else "",
        "fewer than three seeds" if seeds < SEEDS else "",
        "an arm at the floors" if at_the_floor(floors, probe, place) else "",
    ]  # fmt: skip
    word = word_of(low, high, at_least=compared.at_least)
    open_for = "; ".join(filter(None, why))
    return text.replace("-", "−"), f"{OPEN} ({open_for})" if open_for else word


def summary(words: Sequence[str]) -> str:
    """How many statements have each result, in a sentence.

    Args:
        words: one for each statement, as :func:`found` has them, or ``UNTESTED``.
    """
    counts = {word: sum(one.startswith(word) for one in words) for word in (*WORDS, UNTESTED)}
    told = "; ".join(f"*{word}*, {number}" for word, number in counts.items() if number)
    return f"Of {len(words)} statements, by what came out here: {told}."


def disagreements() -> str:
    """In MyST Markdown: what came out in short, and a row for each statement, with the difference that speaks to it and what that says."""
    titles = (
        "Claim of the paper",
        "Comparison here, and how it differs",
        "Difference (first − second), points",
        "Result here",
    )
    rows, words = ["* - " + "\n  - ".join(titles)], []
    for one in SAID:
        if one.compared is None:
            compared, effect, word = f"– ({one.apart})", "–", UNTESTED
        else:
            effect, word = found(one.compared)
            pair = f"{one.compared.first} − {one.compared.second}, {{doc}}`chapters/{one.compared.chapter}`"
            compared = f"{pair}; {one.apart}"
        words.append(word)
        rows.append(f"* - {{cite:t}}`{one.paper}`: {one.text}\n  - {compared}\n  - {effect}\n  - {word}")
    head = ":::{list-table} What other papers say of synthetic images, and what is seen here.\n:header-rows: 1\n:name: tab-disagreements\n:widths: 32 36 17 15\n\n"
    return f"{summary(words)}\n\n{head}{chr(10).join(rows)}\n:::"
