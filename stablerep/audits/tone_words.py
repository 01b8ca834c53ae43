"""Captions that name a skin tone: the same without it, and in other words.

An official caption names a tone behind a colon, ``waving hand: dark skin tone`` or ``man: dark skin tone, beard``. Pairs of people in
two tones name two, and a swatch of a tone names it alone; neither has a caption without its tone.
"""

from __future__ import annotations

import re

from stablerep.corpus.emoji import TONES

NAMED_TONES = TONES[1:-1]  # light to dark
WITH_SKIN, SKINNED = "reworded, with ... skin", "reworded, ...-skinned"  # the captions themselves never use these
WORDINGS = {WITH_SKIN: "{plain} with {tone} skin", SKINNED: "{tone}-skinned {plain}"}
_TONE = re.compile(rf": ({'|'.join(NAMED_TONES)}) skin tone(, )?")
_ANY = re.compile(r"\bskin tone\b")


def names_tone(caption: str) -> bool:
    """Whether a caption names a skin tone in the words of the corpus."""
    return bool(_ANY.search(caption))


def tone_named(caption: str) -> str:
    """The one tone that a caption names behind its colon; empty where it names none, or several, or only that."""
    found = _TONE.search(caption)
    return found[1] if found and len(_ANY.findall(caption)) == 1 else ""


def without_tone(caption: str) -> str:
    """The caption without the tone that it names: ``man: dark skin tone, beard`` becomes ``man: beard``.

    >>> without_tone("woman firefighter: medium-dark skin tone")
    'woman firefighter'
    """
    return _TONE.sub(lambda found: ": " if found[2] else "", caption) if tone_named(caption) else caption


def reworded(caption: str, wording: str) -> str:
    """A caption with a tone in another of ``WORDINGS``: ``waving hand: dark skin tone`` becomes ``waving hand with dark skin``."""
    return WORDINGS[wording].format(plain=without_tone(caption), tone=tone_named(caption))
