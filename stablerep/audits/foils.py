"""Foils: captions that are wrong for an image in one respect and right in all others (Yuksekgonul et al. 2023, section 2; Hsieh et al. 2023).

A foil is found by rewriting the caption of an image: another skin tone in the place of its own, the other gender, the tones of two people
exchanged, another colour word. It counts only where it is a caption itself, so that no foil is told from a caption by being badly written.
The foils of ``ORDER`` are the exception: the same words in an order that no caption has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence

import pandas as pd

from stablerep.corpus.hashing import short_hash
from stablerep.errors import InputError

TONE, GENDER, PEOPLE, COLOUR, ORDER = "skin tone", "gender", "two people", "colour word", "order of words"
KINDS = (TONE, GENDER, PEOPLE, COLOUR, ORDER)
CONTROL = "another concept"  # the caption of something else: wrong in every respect, and easy

TONES = ("medium-light", "medium-dark", "light", "medium", "dark")  # longer names first, since they hold shorter ones
COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey", "blond",
)  # fmt: skip
_COUNTERPARTS = (
    ("woman", "man"), ("women", "men"), ("girl", "boy"), ("princess", "prince"), ("mother", "father"), ("Mrs. Claus", "Santa Claus"),
    ("mermaid", "merman"),
)  # fmt: skip
_OTHER_GENDER = {one.lower(): other for pair in _COUNTERPARTS for one, other in (pair, pair[::-1])}
_WOMEN = {one.lower() for one, _ in _COUNTERPARTS}
_TONE = re.compile(rf"\b({'|'.join(TONES)}) skin tone\b")
_PERSON = re.compile(
    rf"\b({'|'.join(map(re.escape, _OTHER_GENDER))})\b(?![’'])", re.IGNORECASE
)  # of people: not of the sign "men’s room"
_COLOUR = re.compile(rf"\b({'|'.join(COLOURS)})\b")
TRIES = 8  # orders of a caption's words that are tried before it is given up


def tone_foils(caption: str) -> list[str]:
    """The caption with each other skin tone in the place of the one that it names; none for captions that name no tone, or two."""
    named = _TONE.findall(caption)
    return [_TONE.sub(f"{one} skin tone", caption) for one in TONES if one != named[0]] if len(named) == 1 else []


def gender_foils(caption: str) -> list[str]:
    """The caption with man for woman, or woman for man, and so on; none for captions that name no gender, or both.

    *Person* is no foil: it is true of a woman and of a man.
    """
    named = {word.lower() in _WOMEN for word in _PERSON.findall(caption)}
    return [_PERSON.sub(lambda found: _OTHER_GENDER[found[0].lower()], caption)] if len(named) == 1 else []


def people_foils(caption: str) -> list[str]:
    """The caption of two people in two tones with these exchanged; none for all others."""
    named = _TONE.findall(caption)
    if len(named) != 2 or named[0] == named[1]:
        return []
    exchanged = iter(named[::-1])
    return [_TONE.sub(lambda found: f"{next(exchanged)} skin tone", caption)]


def colour_foils(caption: str) -> list[str]:
    """The caption with each other colour word in the place of its own; none for captions with no colour word, or several."""
    named = _COLOUR.findall(caption)
    return [_COLOUR.sub(one, caption) for one in COLOURS if one != named[0]] if len(named) == 1 else []


REWRITING: dict[str, Callable[[str], list[str]]] = {
    TONE: tone_foils, GENDER: gender_foils, PEOPLE: people_foils, COLOUR: colour_foils,
}  # fmt: skip


def order_foil(caption: str, never: Collection[str]) -> str | None:
    """The words of a caption in another order, by hash; None where no order of ``TRIES`` is new: neither the caption nor one of ``never``."""
    words = caption.split()
    for attempt in range(TRIES if len(set(words)) > 1 else 0):
        rank = [hashlib.sha256(f"order:{attempt}:{caption}:{place}".encode()).digest() for place in range(len(words))]
        found = " ".join(word for _, word in sorted(zip(rank, words)))
        if found != caption and found not in never:
            return found
    return None


def foils_of(
    asked: pd.DataFrame, read: pd.DataFrame, *, captions: Collection[str], alike: Sequence[Collection[str]] = (),
    kinds: Iterable[str] = (*KINDS, CONTROL),
) -> pd.DataFrame:  # fmt: skip
    """A foil of each kind for each image that has one, the same whenever it is asked for.

    Of several foils of a kind a hash of the caption decides. A caption that some image with the very same pixels has as its own is not wrong
    for the image, and no foil of it.

    Args:
        asked: a row for each image: ``caption`` and ``cluster`` (its concept). read: ``caption`` and ``cluster`` of the captions that may be foils.
        captions: every caption of the corpus: none of them is a foil of ``ORDER``.
        alike: of each image, the captions of all images with its pixels; empty where that is not looked at.

    Returns:
        ``kind``, ``row`` (of ``asked``, from 0), ``caption``, ``foil`` (missing where every foil of the kind is true of the image), in the order of
        the kinds. Images without a foil of a kind have no row.

    Raises:
        InputError: an unknown kind, or ``alike`` of another length.
    """
    if strange := [kind for kind in kinds if kind not in (*KINDS, CONTROL)]:
        raise InputError(f"the kind of foil {strange[0]!r} is unknown; valid are {', '.join((*KINDS, CONTROL))}.")
    if len(alike) not in (0, len(asked)):
        raise InputError(
            f"there are {len(asked)} images, and captions of equal ones for {len(alike)}; each needs some."
        )
    known = dict(zip(read["caption"], read["cluster"].astype(str)))
    names, every, found = sorted(known), set(captions), []
    for kind in kinds:
        candidates: dict[str, list[str]] = {}
        for row, (caption, cluster) in enumerate(zip(asked["caption"], asked["cluster"].astype(str))):
            if caption not in candidates:
                candidates[caption] = _candidates(kind, caption, cluster, known, names, every)
            if not candidates[caption]:
                continue
            true = {caption, *(alike[row] if len(alike) else ())}
            wrong = [one for one in candidates[caption] if one not in true]
            foil = wrong[short_hash(f"foil:{kind}:{caption}") % len(wrong)] if wrong else None
            found.append({"kind": kind, "row": row, "caption": caption, "foil": foil})
    return pd.DataFrame(found, columns=["kind", "row", "caption", "foil"])


def _candidates(
    kind: str, caption: str, cluster: str, known: dict[str, str], names: list[str], every: set[str]
) -> list[str]:
    """The foils of a caption, without a look at its image. Of other concepts there are twenty at most, from a place by hash."""
    if kind == ORDER:
        found = order_foil(caption, every)
        return [found] if found else []
    if kind == CONTROL:
        start = short_hash(f"control:{caption}") % max(len(names), 1)
        return [one for one in names[start:] + names[:start] if known[one] != cluster][:20]
    return [one for one in REWRITING[kind](caption) if one in known]


def shown_alike(digests: Sequence[bytes], captions: Sequence[str]) -> list[set[str]]:
    """Of each image the captions of all images with the same pixels, its own among them.

    Args:
        digests, captions: of the same images; a digest names pixels.
    """
    shared: dict[bytes, set[str]] = {}
    for digest, caption in zip(digests, captions, strict=True):
        shared.setdefault(digest, set()).add(caption)
    return [shared[digest] for digest in digests]


def described(foils: pd.DataFrame, clusters: Sequence[str]) -> pd.DataFrame:
    """How many images and concepts each kind has, in the order of kinds, and an example.

    Args:
        foils: of :func:`foils_of`. clusters: of each image that was asked about.

    Returns:
        ``kind``, ``images``, ``captions``, ``clusters``; ``left_out``, images of which every foil was true; ``caption``, ``foil`` and ``row`` of an
        example, the first by name (empty, and -1, where there is none).
    """
    rows = []
    for kind, part in foils.groupby("kind", sort=False):
        kept = part.dropna(subset=["foil"]).sort_values(["caption", "foil"], kind="stable")
        first = kept.iloc[0] if len(kept) else {"caption": "", "foil": "", "row": -1}
        rows.append({
            "kind": kind, "images": len(kept), "captions": kept["caption"].nunique(),
            "clusters": len({clusters[row] for row in kept["row"]}), "left_out": len(part) - len(kept), "caption": first["caption"],
            "foil": first["foil"], "row": first["row"],
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["kind", "images", "captions", "clusters", "left_out", "caption", "foil", "row"])
