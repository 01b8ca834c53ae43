"""Which captions an edit changes, which it preserves, and by which it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stablerep.errors import InputError
from stablerep.study.experiments.edited_images import Looked
from stablerep.study.experiments.skewed import SECOND, drawing_of, skewed_captions

if TYPE_CHECKING:
    import pandas as pd

    from stablerep.audits.editing import Edit
    from stablerep.study.experiments.study import Study

EDITED, OTHERS, PLAIN = "edited captions", "captions not edited", "captions without a tone"
SKEWED_EDITED, SKEWED_OTHERS, LEFT_ALONE = "skewed, edited", "skewed, not edited", "left alone"


@dataclass(frozen=True)
class Lesson:
    """An edit before its strength is chosen.

    Attributes:
        towards: for each caption that is edited the one that it is moved towards. preserved: captions whose reading is to stay.
        looked: the captions by which the edit is looked at.
    """

    towards: dict[str, str]
    preserved: list[str]
    looked: Looked

    def edits(self, dose: float) -> list[Edit]:
        """Each caption moved by the same part of the way."""
        from stablerep.audits.editing import Edit

        return [Edit(caption, {other: dose}) for caption, other in self.towards.items()]


def erasure(study: Study, *, edited: int, preserved: int, looked: int, plain: int) -> Lesson:
    """Captions of people that name a skin tone, each moved towards the same caption without it.

    Concepts are halved by a hash: captions of one half are edited, those of the other show whether the edit reaches them. Captions that name no tone are
    halved by another one: one half is preserved, and those that the judge can be asked about are looked at, whichever half they are of.

    Args:
        edited, preserved, plain: captions to edit, to preserve, and without a tone to look at. looked: of each other group to look at. All at most.

    Raises:
        InputError: a corpus that draws no people in tones, or in one design alone, of which a judge could be asked nothing.
    """
    from stablerep.audits.equal_galleries import TRAINING, caption_groups, half_of, in_turn
    from stablerep.audits.tone_words import NAMED_TONES, WORDINGS, names_tone, reworded, without_tone

    corpus = study.corpus
    if not {"concept", "tone", "gender", "subgroup", "design"} <= set(corpus.table) or not corpus.designs:
        raise InputError(
            f"corpus is {study.source!r}; this chapter needs one whose captions name the skin tones of drawings, as the emoji's do."
        )
    table = corpus.to_learn_from().table
    captions = set(table["caption"])
    plainly = {caption: without_tone(caption) for caption in captions}
    people = table["subgroup"].str.startswith("person") & (table["gender"] != "") & table["tone"].isin(NAMED_TONES)
    people &= table["caption"].map(lambda caption: plainly[caption] != caption and plainly[caption] in captions)
    mine = table["concept"].map(lambda one: bool(half_of(str(one), "edited")))
    to_edit, others = (in_turn(table[people & which]) for which in (mine, ~mine))
    untoned = table[[not names_tone(caption) for caption in table["caption"]]]
    kept = in_turn(untoned[[bool(half_of(caption, "preserved")) for caption in untoned["caption"]]])[:preserved]
    chosen = to_edit[:edited]
    if not chosen:
        raise InputError(
            "no caption to learn from names the skin tone of a person beside one that names none; there is nothing to erase."
        )
    seen = chosen[:looked]
    asked = [caption for caption in caption_groups(corpus)[TRAINING].captions if not names_tone(caption)]
    groups = {EDITED: seen, OTHERS: others[:looked], PLAIN: asked[:plain]}
    groups |= {wording: [reworded(caption, wording) for caption in seen] for wording in WORDINGS}
    concept = dict(zip(table["caption"], table["concept"].astype(str)))
    concept |= {reworded(caption, wording): concept[caption] for wording in WORDINGS for caption in seen}
    return Lesson({caption: plainly[caption] for caption in chosen}, kept, Looked(groups, concept))


def balance(study: Study, *, seed: int, preserved: int, looked: int) -> Lesson:
    """Neutral captions of roles whose drawings were skewed towards men, half of them moved towards the captions that name a woman.

    The other half shows whether the edit reaches what it does not name. Preserved are the neutral captions of the roles that were left alone, and
    captions that show no people.

    Args:
        seed: of :func:`stablerep.study.experiments.skewed.skewed`. preserved: captions that show no people, at most. looked: of each group, at most.
    """
    from stablerep.audits.equal_galleries import half_of, in_turn

    table = study.corpus.to_learn_from().table
    concept = dict(zip(table["caption"], table["concept"].astype(str)))
    changed, left = skewed_captions(study, seed)
    women = named_alike(table, changed, SECOND)
    mine = [caption for caption in changed if half_of(concept[caption], "debiased") and caption in women]
    others = [caption for caption in changed if not half_of(concept[caption], "debiased")]

    def first(some: Sequence[str]) -> list[str]:
        return in_turn(table[table["caption"].isin(some)])[:looked]

    things = in_turn(table[table["gender"] == ""])[:preserved]
    groups = {SKEWED_EDITED: first(mine), SKEWED_OTHERS: first(others), LEFT_ALONE: first(left)}
    return Lesson(
        {caption: women[caption] for caption in mine},
        [*left, *things],
        Looked({name: some for name, some in groups.items() if some}, concept),
    )


def named_alike(table: pd.DataFrame, captions: Sequence[str], gender: str) -> dict[str, str]:
    """For each caption the one of its concept and tone that names a gender and is otherwise most alike; none where there is no such caption."""
    first = table.drop_duplicates("caption").reset_index(drop=True)
    named, found = first[first["gender"] == gender], {}
    for _, row in first[first["caption"].isin(captions)].iterrows():
        alike = named[(named["concept"] == row["concept"]) & (named["tone"] == row["tone"])]
        if len(alike):
            found[row["caption"]] = first.at[drawing_of(alike, row), "caption"]
    return found
