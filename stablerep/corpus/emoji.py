"""The embedded corpus: open emoji designs with their official captions, groups, skin tones and genders."""

from __future__ import annotations

import functools
import io
import json
import lzma
import re
from pathlib import Path

from stablerep.corpus.splits import split_of
from stablerep.errors import InputError

DATA = Path(__file__).parent / "emoji_data"
DESIGNS = ("noto", "noto-v1", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione")
HELD_OUT = "twemoji"  # nothing learns from it: it draws every concept, and no other design is by the same house
SHARES = {"validation": 0.1, "test": 0.4}  # of the concepts; the rest is for training
NEW_COMBINATIONS = 0.1  # of the captions with a tone, by tone and gender: nothing learns from them

# By the number in the column skin_tone. Two people in two tones have no tone of their own.
TONES = ("none", "light", "medium-light", "medium", "medium-dark", "dark", "mixed")
SKIN_TONES = ("1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF")
_WOMAN = re.compile(r"\b(woman|women|girl|girls|princess|mother|mrs\. claus|mermaid)\b", re.IGNORECASE)
_MAN = re.compile(r"\b(man|men|boy|boys|prince|father|santa claus|merman)\b", re.IGNORECASE)
# Gendered emoji and the one that names no gender (Unicode Technical Standard 51, annex on gender-neutral emoji).
_NEUTRAL = {
    "1F466": "1F9D2", "1F467": "1F9D2",  # boy, girl -> child
    "1F468": "1F9D1", "1F469": "1F9D1",  # man, woman -> person
    "1F474": "1F9D3", "1F475": "1F9D3",  # old man, old woman -> older person
    "1F934": "1FAC5", "1F478": "1FAC5",  # prince, princess -> person with crown
}  # fmt: skip
_WHOLE = {
    "1F385": "1F9D1-200D-1F384", "1F936": "1F9D1-200D-1F384",  # Santa Claus, Mrs. Claus -> Mx Claus
    "1F46B": "1F9D1-200D-1F91D-200D-1F9D1", "1F46C": "1F9D1-200D-1F91D-200D-1F9D1",
    "1F46D": "1F9D1-200D-1F91D-200D-1F9D1",  # two people holding hands
    "1F930": "1FAC4", "1FAC3": "1FAC4",  # pregnant woman, pregnant man -> pregnant person
    "1F57A": "1F483",  # man dancing, woman dancing: there is no neutral one
    # Two people in two tones are spelled out, in one tone they are one code point.
    "1FAF1-200D-1FAF2": "1F91D", "1F9D1-200D-1FAEF-200D-1F9D1": "1F93C", "1F9D1-200D-1F430-200D-1F9D1": "1F46F",
}  # fmt: skip
_CHILDREN = {"1F466", "1F467", "1F9D2"}


def concept_of(hexcode: str) -> str:
    """The base emoji of a code-point sequence: without skin tone, gender, direction or variation selector.

    All emoji of one concept fall on the same side of every split, so that a held-out concept is never seen in another
    tone or gender. Families, kisses, couples with heart and people holding hands each are one concept.
    """
    parts = [p for p in hexcode.upper().split("-") if p != "FE0F" and p not in SKIN_TONES]
    if not parts:  # a swatch of a skin tone: all of them are one concept
        return SKIN_TONES[0]
    joined = "-".join(parts)
    if "2764" in parts and parts[0] in ("1F468", "1F469", "1F9D1"):
        return "1F48F" if "1F48B" in parts else "1F491"
    if len(parts) > 2 and any(p in _CHILDREN for p in parts[1:]):
        return "1F46A"
    neutral = re.sub(r"-200D-(2640|2642|27A1)", "", "-".join(_NEUTRAL.get(p, p) for p in parts))
    return _WHOLE.get(joined) or _WHOLE.get(neutral, neutral)


def gender_of(caption: str, subgroup: str) -> str:
    """``woman``, ``man`` or ``person`` as the official label says it; empty for emoji that show no people."""
    if not subgroup.startswith(("person", "family")) or subgroup == "person-symbol":
        return ""
    woman, man = bool(_WOMAN.search(caption)), bool(_MAN.search(caption))
    return "person" if woman == man else "woman" if woman else "man"


@functools.cache
def manifest() -> dict:
    """What the corpus was built from: packages, versions, checksums, icons left out and why."""
    return json.loads((DATA / "manifest.json").read_text())


@functools.cache
def read_emoji():
    """The emoji table: one row per emoji with a caption (columns as in ``scripts/build_corpus.py``), ``tone`` and ``split``.

    ``new_combination`` marks a tenth of the captions with a tone, of training concepts too: what draws them has seen the
    concept in other tones, and the tone on other concepts.
    """
    import pandas as pd

    text = lzma.decompress((DATA / "emoji.csv.xz").read_bytes()).decode()
    table = pd.read_csv(io.StringIO(text), keep_default_na=False, dtype={"skin_tone": "int64"})
    first = table.groupby("concept", sort=False)["subgroup"].first().to_dict()
    table["split"] = table["concept"].map(split_of(first, **SHARES))
    table["tone"] = table["skin_tone"].map(dict(enumerate(TONES)))
    toned = table[table["skin_tone"].between(1, 5)]
    units = dict(zip(toned["emoji"], toned["tone"] + "/" + toned["gender"] + "/" + toned["split"]))
    drawn = split_of(units, validation=0, test=NEW_COMBINATIONS)
    table["new_combination"] = table["emoji"].map(drawn) == "test"
    return table


@functools.cache
def read_svgs(design: str) -> dict[str, str]:
    """SVG by emoji for one design. Raises ``ValueError`` for an unknown design."""
    if design not in DESIGNS:
        raise InputError(f"design is {design!r}; the corpus has {', '.join(DESIGNS)}.")
    lines = lzma.decompress((DATA / f"{design}.jsonl.xz").read_bytes()).decode().splitlines()
    return {(row := json.loads(line))["emoji"]: row["svg"] for line in lines}
