"""Write the dataset card of the embedded emoji corpus, `book/dataset_card.md`, from the corpus itself.

    python scripts/write_dataset_card.py

Every number in the card is counted here; a test holds the committed card equal to what this script writes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from stablerep.corpus import DESIGNS, SPLITS, clip_art, load_corpus
from stablerep.corpus.emoji import DATA, HELD_OUT, gender_of, manifest, read_emoji
from stablerep.study.markdown import captioned

CARD = Path(__file__).resolve().parents[1] / "book" / "dataset_card.md"
TONES = ("none", "1, light", "2, medium-light", "3, medium", "4, medium-dark", "5, dark", "6, mixed")
GENDERS = {"woman": "woman", "man": "man", "person": "person: no gender named, or both", "": "shows no people"}


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table; numbers stand right and have thousands separated by commas."""
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table]
    rows = [list(table.columns), ["---:" if n else "---" for n in numeric]]
    rows += [[f"{v:,}" if n else str(v) for v, n in zip(row, numeric)] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def counts(pairs: pd.DataFrame, column: str, names: dict, title: str) -> pd.DataFrame:
    """Concepts, emoji and pairs for each value of ``column``, in the order of ``names``."""
    rows = []
    for value, name in names.items():
        part = pairs[pairs[column] == value]
        rows.append((name, part["concept"].nunique(), part["emoji"].nunique(), len(part)))
    return pd.DataFrame(rows, columns=[title, "concepts", "emoji", "pairs"])


def licences() -> pd.DataFrame:
    """Author, source and licence of each design, read from the licence files that the build wrote."""
    rows = []
    for design in DESIGNS:
        text = (DATA / f"LICENSE-{design}.txt").read_text()
        name, author, source, licence = (
            re.search(rf"^{key}: (.+)$", text, re.MULTILINE)[1] for key in ("Design", "Author", "Source", "Licence")
        )
        title, spdx, url = re.fullmatch(r"(.+) \((.+)\), (\S+)", licence).groups()
        package = manifest()["packages"][f"@iconify-json/{design}"]
        rows.append((f"`{design}`", f"[{name}]({source})", author, f"[{spdx}]({url})", package["version"]))
    return pd.DataFrame(rows, columns=["design", "name and source", "author", "licence", "npm package version"])


def left_out() -> pd.DataFrame:
    """Icons left out, counted by design and reason (without the code points that a reason may name)."""
    rows = pd.DataFrame(manifest()["left_out"])
    rows["reason"] = rows["reason"].str.replace(r" for [0-9A-F-]+$", "", regex=True)
    rows["reason"] = rows["reason"].str.replace(r"^the same drawing as .*", "the same drawing as another", regex=True)
    table = rows.groupby(["design", "reason"]).size().rename("icons").reset_index()
    table["design"] = "`" + table["design"] + "`"
    return table


def divided_labels(emoji: pd.DataFrame) -> list[str]:
    """Labels of people and hands that belong to several concepts which are not all in one split.

    Unicode encodes a handshake in two tones as two hands, and wrestlers in two tones as two people: other sequences than the
    handshake and the wrestlers, and so other concepts. The labels of hair styles name only the person; they are no such case.
    """
    people = emoji[emoji["group"] == "people-body"]
    base = people["caption"].str.replace(r":.*", "", regex=True)
    toned = people["caption"].str.fullmatch(r"[^:]+(: [a-z-]+ skin tone(, [a-z-]+ skin tone)?)?")
    splits = people[toned].groupby(base[toned])["split"].nunique()
    return sorted(splits[splits > 1].index)


def card() -> str:
    """The text of the card."""
    every, study, emoji = load_corpus(flags=True).table, load_corpus().table, read_emoji()
    nested = every[["group", "subgroup"]].nunique()
    lengths = emoji["caption"].str.split().str.len()
    mixed = int((emoji["tone"] == "mixed").sum())
    learned = load_corpus().to_learn_from().table
    new = emoji.loc[(emoji["split"] == "train") & emoji["new_combination"], "caption"].nunique()
    by_gender = study[study["gender"] != ""]
    cross = pd.crosstab(by_gender["skin_tone"], by_gender["gender"])[["woman", "man", "person"]]
    cross.insert(0, "skin tone", [TONES[tone] for tone in cross.index])
    designs = study.groupby("design").size()
    with_flags = every.groupby("design").size()
    parts = study.groupby(["design", "split"]).size()
    by_design = pd.DataFrame(
        [(f"`{d}`", with_flags[d], designs[d], *(parts[d, s] for s in SPLITS)) for d in DESIGNS],
        columns=["design", "pairs", "of these in the study", *SPLITS],
    )
    groups = {group: group for group in sorted(set(every["group"]))}
    divided = divided_labels(emoji)
    limits = [
        "The captions are names, not descriptions: nothing says what is left of what, and few words occur often.",
        "The designs are not independent of one another: all draw what the same code charts name, `noto-v1` is an "
        "earlier `noto`, and `fluent-emoji` and `fluent-emoji-flat` are two renderings of one design.",
        f"{mixed:,} emoji show two people or hands in two different tones; they have no single tone and count as mixed.",
    ]
    if gender_of("merman", "person-fantasy") == "person":
        limits.append("Gender is read from whole words: labels such as *merman* and *mermaid* count as person.")
    if divided:
        limits.append(
            "A concept is a code-point sequence without tone, gender and direction. Unicode encodes some pictures of one kind by "
            "unlike sequences, which thus are several concepts and may fall into different splits. Among labels that differ in "
            f"nothing but tone this concerns: {', '.join(f'*{label}*' for label in divided)}."
        )
    bullets = "\n".join(f"- {limit}" for limit in limits)
    labels = manifest()["packages"]["emojibase-data"]
    drawings, package = load_corpus("clip-art").table, clip_art.manifest()["package"]
    classes = drawings["label"].value_counts()
    authors = drawings.loc[drawings["author"] != "unknown", "author"].nunique()
    return f"""# Dataset card: the emoji corpus

*Written by `scripts/write_dataset_card.py` from the corpus itself; every number is counted, none is typed.*

The corpus embedded in `stablerep` has **{len(every):,} pairs** of an image and its official English caption:
{every["emoji"].nunique():,} emoji of {every["concept"].nunique():,} concepts in {len(DESIGNS)} open designs. The study
leaves flags out by default, since their names say little about their shapes; {len(study):,} pairs of
{study["concept"].nunique():,} concepts remain. `load_corpus(flags=True)` brings the flags back.

## A record

:::{{table}} The columns of a record.

| column | meaning |
| --- | --- |
| `id` | design and emoji; unique |
| `caption` | the official English name; {lengths.min()} to {lengths.max()} words, {lengths.median():g} in the median |
| `concept` | the base emoji: without skin tone, gender, direction |
| `keywords` | further words for searching, separated by a bar |
| `group`, `subgroup` | the place in Unicode's emoji list: {nested["group"]} groups, {nested["subgroup"]} subgroups |
| `skin_tone` | 0 for none, 1 (light) to 5 (dark), 6 for several |
| `gender` | *woman*, *man* or *person* as the label says it; empty where no people are shown |
| `emoji` | code points in hexadecimal, without variation selectors |
| `design` | the set of drawings the image is taken from |
| `split` | *train*, *validation* or *test*, the same for all emoji of a concept |
| `held_out` | nothing learns from the row, whatever its split |
:::

## How images and captions arise

Each image is a vector drawing by the artists of its design. It is stored as they drew it, in a square view box, and drawn on a
white background at any size. Captions are the English short names of the Unicode Common Locale Data Repository (CLDR), which
committees of the Unicode Consortium write and vote on; they are taken from the package `emojibase-data` {labels["version"]}.
A caption was written for the emoji, not for one drawing of it: all designs of an emoji share it. Skin tone comes from the code
points, gender from the words of the label.

A split is drawn by concept within each subgroup, ranked by a hash of the concept: all tones, genders and designs of a concept are
on the same side, whatever the order of the rows and whichever designs are chosen. About half of the concepts train, a twelfth is for
choosing, the rest for testing.

Two more things are held out. Nothing learns from the design `{HELD_OUT}`, so that tests can show a new design; and nothing learns
from a tenth of the captions with a skin tone, {new:,} of training concepts, in nearly all of which a concept
meets a combination of tone and gender that it is not learned in. What may be learned from are {len(learned):,} pairs of {learned["caption"].nunique():,} captions and
{learned["concept"].nunique():,} concepts.

A drawing counts once. Where a design draws several emoji alike, one of them keeps the drawing: a woman who also stands for the
person is a woman, and a figure that stands for women and men shows neither.

## Counts

{captioned("Pairs by design.", markdown(by_design))}

{captioned("By split, without flags.", markdown(counts(study, "split", {s: s for s in SPLITS}, "split")))}

{captioned("By group, with flags.", markdown(counts(every, "group", groups, "group")))}

{captioned("By skin tone, without flags.", markdown(counts(study, "skin_tone", dict(enumerate(TONES)), "skin tone")))}

{captioned("By gender as the label names it, without flags.", markdown(counts(study, "gender", GENDERS, "gender")))}

{captioned("Pairs that show people, by skin tone and gender.", markdown(cross))}

{len(manifest()["left_out"]):,} icons of the {len(DESIGNS)} packages are not in the corpus at all (flags, counted above, are); `manifest.json` beside the data names each one.

{captioned("Icons that were left out.", markdown(left_out()))}

## Licences

{captioned("Where the designs come from.", markdown(licences()))}

The labels, keywords and groups come from [emojibase-data](https://github.com/milesj/emojibase) (MIT), which compiles them from
[CLDR](https://cldr.unicode.org) and the emoji list of Unicode, both under the
[Unicode licence](https://www.unicode.org/license.txt). One attribution file for each design lies beside the data; whoever shows
or passes on images of a design under CC BY has to name its author.

## Intended use

The corpus lets a whole study of learning from real and synthetic images run on a laptop: training a small text-to-image model,
pre-training encoders, probing them on held-out concepts, and auditing both for skin tone and gender, which are known here rather
than guessed by a classifier. It suits teaching, tests of code and method, and questions about mechanisms.

## What it is not

- It is **not a set of photographs**. Results on it say nothing by themselves about the accuracy of a method on photographs.
- It does **not show real people**. Its figures are drawings of nobody, and a rate measured on them is not a rate among persons.
- Its **skin tones are not measurements**. They are Unicode's five modifiers, named after the Fitzpatrick scale of how skin reacts
  to the sun, with the first two types of the scale merged; each design chose its own colours for them. People without a tone
  are mostly drawn yellow.
- Its **gender is a word in a label**. It says what the label of a drawing says, and nothing about how a person looks, lives or
  identifies.
- Its shares are **not those of any population**: emoji exist in the tones and genders that were encoded, and
  those are nearly balanced by construction.
- It is no basis for a product that sorts people by tone or gender.

## Limits

{bullets}

## A second corpus: clip art

`load_corpus("clip-art")` opens **{len(drawings):,} drawings** in {len(classes)} classes ({classes.min()} to {classes.max()} each)
under {authors} names of authors, taken from release 0.18 of the Open Clip Art Library (Debian package
`{package["name"]}` {package["version"]}): labelled images of another kind than emoji, to which what was learned can be carried
over. Its columns are `id`, `caption` (title or file name, and keywords), `keywords`, `label` (the class), `author` and `split`;
drawings whose titles differ only in numbers, colours or sizes are in the same split. Each drawing's own metadata say that it is
in the public domain; the claim was the contributors', and nobody has checked it. Classes are the library's folders, some of them
joined, and so are their mistakes: a roast turkey is filed under birds. Short drawings were preferred, so simple ones are more
common than in the library. Some drawings are near variants of one another, such as a fruit in outline and in colour.

## Making it again

`python scripts/build_corpus.py` fetches the emoji's packages from npm, `python scripts/build_clip_art.py` the clip art's from
Debian. Both check them against a pinned SHA-256 and write the same bytes again.
"""


if __name__ == "__main__":
    CARD.write_text(card(), encoding="utf-8")
    print(f"{CARD.name} written")
