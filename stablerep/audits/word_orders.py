"""The words of a sentence in four other orders: the foils of COCO-Order and Flickr30k-Order (Yuksekgonul et al. 2023, section 2).

There nouns and adjectives are told from other words by a tagger. Here a list of function words does that, so that verbs and adverbs go with the
nouns; accuracies lie near the published ones at best, and are no substitute for them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

MOST_WORDS = 30  # of a caption, as there
FUNCTION_WORDS = frozenset(
    """
    a an the this that these those some any each every no another other both all its his her their our my your
    of in on at by for with from to into onto over under above below behind beside near next across through between among around along against
    inside outside off up down out about after before while during as than like without within upon toward towards
    and or but nor so yet if because although
    i you he she it we they him them us me who whom which what there here
    is are was were be been being am has have had having do does did can could will would may might must shall should not
    """.split()
)
_REMOVED = re.compile(r"[.!\"()*#:;~]")
_WORD = re.compile(r"[\w'’-]+|[^\w\s]")


def words_of(sentence: str) -> list[str]:
    """The words of a sentence in lower case, commas among them, without other punctuation; ``MOST_WORDS`` at most."""
    return _WORD.findall(_REMOVED.sub(" ", sentence.lower()))[:MOST_WORDS]


def other_orders(words: Sequence[str]) -> list[list[str]]:
    """Up to four orders of some words, the same whenever they are asked for: content words exchanged among their places, function words among
    theirs, the words within each group of three, and these groups. Orders that are that of the sentence, or occur twice, are left out.
    """
    words = list(words)
    content = [place for place, word in enumerate(words) if word not in FUNCTION_WORDS]
    function = [place for place, word in enumerate(words) if word in FUNCTION_WORDS]
    threes = [list(range(start, min(start + 3, len(words)))) for start in range(0, len(words), 3)]
    mixed = [place for three, places in enumerate(threes) for place in _shuffled(places, words, f"within {three}")]
    moved = [place for three in _shuffled(list(range(len(threes))), words, "threes") for place in threes[three]]
    found = [
        _exchanged(words, content, "content"), _exchanged(words, function, "function"), [words[place] for place in mixed],
        [words[place] for place in moved],
    ]  # fmt: skip
    kept: list[list[str]] = []
    for one in found:
        if one != words and one not in kept:
            kept.append(one)
    return kept


def _exchanged(words: list[str], places: list[int], name: str) -> list[str]:
    """The words at some places in a random order there, all others where they are."""
    found = list(words)
    for place, other in zip(places, _shuffled(places, words, name)):
        found[place] = words[other]
    return found


def _shuffled(places: list[int], words: list[str], name: str) -> list[int]:
    """Places in an order by hash of the sentence and of what the order is for."""
    sentence = " ".join(words)
    return sorted(places, key=lambda place: hashlib.sha256(f"{name}:{sentence}:{place}".encode()).digest())
