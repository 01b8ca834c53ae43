"""The embedded emoji: what is there, what belongs together, and where the splits fall."""

from __future__ import annotations

import ast
import hashlib
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.corpus import DESIGNS, SPLITS, load_corpus
from stablerep.corpus.drawing import draw_svg
from stablerep.corpus.emoji import (
    DATA,
    HELD_OUT,
    NEW_COMBINATIONS,
    SHARES,
    SKIN_TONES,
    TONES,
    concept_of,
    gender_of,
    manifest,
    read_emoji,
    read_svgs,
    split_of,
)

HEXCODES = sorted(read_emoji()["emoji"])
CONCEPTS = {"train": 1 - sum(SHARES.values()), **SHARES}
BY_DEFAULT = {"train": 0.7, "validation": 0.1, "test": 0.2}  # of split_of, for other sources


@pytest.fixture(scope="module")
def every():
    return load_corpus(flags=True)


def test_pairs_are_those_of_the_manifest(every):
    assert len(every) == manifest()["pairs"] == sum(manifest()["icons"].values())
    assert every.table["design"].value_counts().to_dict() == manifest()["icons"]
    assert every.table["emoji"].nunique() == manifest()["emoji"] == len(read_emoji())
    assert every.table["id"].is_unique
    assert every.table["caption"].str.strip().ne("").all()


def test_files_are_those_of_the_manifest():
    for name, digest in manifest()["sha256"].items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest, name
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 12_000_000


@pytest.mark.parametrize("design", DESIGNS)
def test_a_design_has_one_drawing_of_each_of_its_emoji(design):
    svgs = read_svgs(design)
    assert len(svgs) == manifest()["icons"][design]
    assert set(svgs) <= set(HEXCODES)
    assert all(svg.startswith("<svg ") and svg.endswith("</svg>") for svg in svgs.values())


def test_icons_left_out_are_counted_and_have_a_reason():
    left_out = pd.DataFrame(manifest()["left_out"])
    twice = left_out["reason"].str.startswith("the same drawing as ")
    counts = [part.groupby("design").size().to_dict() for part in (left_out[~twice], left_out[twice])]
    assert counts[0] == {"noto": 47, "noto-v1": 29, "twemoji": 44, "emojione": 27}
    assert counts[1] == {
        "noto": 22,
        "noto-v1": 196,
        "twemoji": 34,
        "fluent-emoji-flat": 5,
        "fluent-emoji": 1,
        "emojione": 1,
    }
    reasons = r"no CLDR label for [0-9A-F-]+|resvg: .+|draws nothing|the same drawing as (['\"]).+\1 of [a-z0-9-]+"
    assert left_out["reason"].str.fullmatch(reasons).all()
    assert left_out["icon"].ne("").all() and not left_out.duplicated(["design", "icon"]).any()


def test_who_keeps_a_drawing_has_it_in_this_design_or_an_earlier_one(every):
    drawn = every.table.groupby("design")["caption"].agg(set)
    left_out = pd.DataFrame(manifest()["left_out"])
    kept = (
        left_out[["design"]]
        .join(left_out["reason"].str.extract(r"^the same drawing as (.+) of ([a-z0-9-]+)$"))
        .dropna()
    )
    assert len(kept) == 259
    for design, caption, keeper in kept.itertuples(index=False):
        assert ast.literal_eval(caption) in drawn[keeper]
        assert DESIGNS.index(keeper) <= DESIGNS.index(design)


def test_no_drawing_occurs_twice():
    """As text in all designs; as pixels among the sports of two, where a person often was drawn as the man or the woman."""
    texts = [svg for design in DESIGNS for svg in read_svgs(design).values()]
    assert len(set(texts)) == len(texts) == manifest()["pairs"]
    table = read_emoji()
    sports = set(table[table["subgroup"] == "person-sport"]["emoji"])
    for design in ("noto-v1", "emojione"):
        pixels = [draw_svg(svg, 64).tobytes() for emoji, svg in read_svgs(design).items() if emoji in sports]
        assert len(set(pixels)) == len(pixels) > 60


@pytest.mark.parametrize("design", DESIGNS)
def test_each_design_has_its_licence(design):
    text = (DATA / f"LICENSE-{design}.txt").read_text()
    assert re.search(r"^Licence: .*\((MIT|Apache-2\.0|CC-BY-4\.0)\), https://", text, re.MULTILINE)
    assert re.search(r"^Author: \S", text, re.MULTILINE)
    assert f"Icons used: {manifest()['icons'][design]}\n" in text
    assert manifest()["packages"][f"@iconify-json/{design}"]["sha256"] in text


def test_unknown_or_repeated_designs_are_refused():
    with pytest.raises(ValueError, match=r"'openmoji'.*noto, noto-v1"):
        load_corpus(designs=["noto", "openmoji"])
    for designs in ([], ["noto", "noto"]):
        with pytest.raises(ValueError, match="each once"):
            load_corpus(designs=designs)
    with pytest.raises(ValueError, match="desing"):
        load_corpus(desing="noto")
    assert load_corpus(designs="emojione").fingerprint == load_corpus(designs=["emojione"]).fingerprint


# Concepts


@pytest.mark.parametrize(
    ("hexcode", "concept"),
    [
        ("1F600", "1F600"),  # grinning face
        ("2764-FE0F", "2764"),  # red heart
        ("1F44B-1F3FD", "1F44B"),  # waving hand, medium tone
        ("1F469-1F3FF-200D-1F692", "1F9D1-200D-1F692"),  # woman firefighter, dark tone
        ("1F468-200D-1F692", "1F9D1-200D-1F692"),
        ("1F9D1-200D-1F692", "1F9D1-200D-1F692"),
        ("1F3C3-1F3FB-200D-2640-FE0F", "1F3C3"),  # woman running, light tone
        ("1F3C3-200D-2642-FE0F-200D-27A1-FE0F", "1F3C3"),  # man running, facing right
        ("1F466", "1F9D2"),  # boy
        ("1F475-1F3FC", "1F9D3"),  # old woman, medium-light tone
        ("1F478", "1FAC5"),  # princess
        ("1F936-1F3FE", "1F9D1-200D-1F384"),  # Mrs. Claus
        ("1F46B", "1F9D1-200D-1F91D-200D-1F9D1"),  # woman and man holding hands
        ("1F469-1F3FB-200D-1F91D-200D-1F468-1F3FF", "1F9D1-200D-1F91D-200D-1F9D1"),
        ("1F468-200D-2764-FE0F-200D-1F48B-200D-1F468", "1F48F"),  # kiss
        ("1F469-1F3FB-200D-2764-200D-1F469-1F3FC", "1F491"),  # couple with heart
        ("1F468-200D-1F469-200D-1F467-200D-1F466", "1F46A"),  # families
        ("1F469-200D-1F466", "1F46A"),
        ("1F9D1-200D-1F9D1-200D-1F9D2", "1F46A"),
        *((tone, "1F3FB") for tone in SKIN_TONES),  # swatches
        ("1F3FD-FE0F", "1F3FB"),
        ("1FAF1-1F3FB-200D-1FAF2-1F3FF", "1F91D"),  # handshake in two tones
        ("1F468-1F3FB-200D-1FAEF-200D-1F468-1F3FC", "1F93C"),  # wrestlers in two tones
    ],
)
def test_concepts_in_closed_form(hexcode, concept):
    assert concept_of(hexcode) == concept
    assert concept_of(hexcode.lower()) == concept


@given(st.sampled_from(HEXCODES))
def test_a_concept_has_no_tone_gender_sign_or_selector_and_is_its_own(hexcode):
    concept = concept_of(hexcode)
    assert concept and (not set(concept.split("-")) & {*SKIN_TONES, "FE0F"} or hexcode in SKIN_TONES)
    assert not re.search(r"200D-(2640|2642|27A1)", concept)
    assert concept_of(concept) == concept


@given(st.sampled_from(HEXCODES), st.sampled_from(SKIN_TONES), st.data())
def test_tone_and_selector_never_change_a_concept(hexcode, tone, data):
    parts = hexcode.split("-")
    place = data.draw(st.integers(1, len(parts)))
    for extra in (tone, "FE0F"):
        assert concept_of("-".join([*parts[:place], extra, *parts[place:]])) == concept_of(hexcode)


def test_every_row_has_a_concept_and_swatches_of_tones_share_one():
    table = read_emoji()
    assert table["concept"].ne("").all() and table["concept"].tolist() == table["emoji"].map(concept_of).tolist()
    swatches = table[table["subgroup"] == "skin-tone"]
    assert len(swatches) == 5 and swatches["concept"].nunique() == swatches["split"].nunique() == 1
    assert swatches["skin_tone"].eq(0).all()  # they show no people


def test_woman_and_man_of_one_label_are_one_concept():
    table = read_emoji().query("group == 'people-body' and skin_tone == 0")
    concept = dict(zip(table["caption"], table["concept"]))
    pairs = [(c, re.sub(r"\bwoman\b", "man", c)) for c in concept if re.match(r"woman\b", c)]
    pairs = [(woman, man) for woman, man in pairs if man in concept]
    assert len(pairs) > 60
    assert {w for w, m in pairs if concept[w] != concept[m]} == set()


@pytest.mark.parametrize(
    ("caption", "subgroup", "gender"),
    [
        ("woman firefighter: dark skin tone", "person-role", "woman"),
        ("man firefighter", "person-role", "man"),
        ("firefighter", "person-role", "person"),
        ("women wrestling", "person-sport", "woman"),
        ("princess", "person-role", "woman"),
        ("prince", "person-role", "man"),
        ("Mrs. Claus", "person-fantasy", "woman"),
        ("Santa Claus", "person-fantasy", "man"),
        ("kiss: woman, man", "family", "person"),
        ("family: man, man, boy", "family", "man"),
        ("man’s shoe", "clothing", ""),
        ("dancing bear", "animal-mammal", ""),
    ],
)
def test_gender_is_what_the_label_says(caption, subgroup, gender):
    assert gender_of(caption, subgroup) == gender


def test_tone_column_agrees_with_code_points_and_caption():
    table = read_emoji()
    for tone, (code, words) in enumerate(
        zip(SKIN_TONES, ("light", "medium-light", "medium", "medium-dark", "dark")), 1
    ):
        rows = table[table["skin_tone"] == tone]
        assert rows["emoji"].str.contains(code).all()
        assert rows["caption"].str.contains(rf"(?:: |, ){words} skin tone").all()
        assert len(rows) == len(table[table["skin_tone"] == 1])
    without = table[(table["skin_tone"] == 0) & (table["subgroup"] != "skin-tone")]
    assert not without["emoji"].str.contains("|".join(SKIN_TONES)).any()
    assert not without["caption"].str.contains("skin tone").any()


def test_two_tones_are_mixed_and_the_same_tone_twice_is_that_tone():
    table = read_emoji()
    tones = table["emoji"].str.split("-").map(lambda parts: [SKIN_TONES.index(p) + 1 for p in parts if p in SKIN_TONES])
    pairs, different = table[tones.map(len) == 2], tones.map(set).map(len)
    assert tones.map(len).max() == 2 and len(pairs) == 415
    mixed = table[different == 2]
    assert len(mixed) == 380 and mixed["skin_tone"].eq(6).all() and mixed["tone"].eq("mixed").all()
    assert TONES[6] == "mixed" and len(TONES) == 7
    assert mixed["caption"].str.count("skin tone").eq(2).all()
    assert set(table[table["skin_tone"] == 6].index) == set(mixed.index)
    assert set(mixed["subgroup"]) == {"family", "hands", "person-activity", "person-sport"}
    alike = pairs[different[pairs.index] == 1]
    assert alike["skin_tone"].tolist() == [numbers[0] for numbers in tones[alike.index]]
    assert alike["skin_tone"].between(1, 5).all() and alike["skin_tone"].value_counts().nunique() == 1


def test_no_caption_with_tones_counts_as_untoned():
    table = read_emoji()
    toned = table["caption"].str.contains(r"(?:: |, )(?:light|medium|dark)[a-z-]* skin tone")
    assert (table["skin_tone"] > 0).tolist() == toned.tolist()


# Splits


def test_splits_are_disjoint_by_concept_and_whole(emoji):
    parts = [set(emoji.split(name).table["concept"]) for name in SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == emoji.table["concept"].nunique()
    assert sum(len(emoji.split(name)) for name in SPLITS) == len(emoji)


@pytest.mark.parametrize("split", SPLITS)
def test_shares_of_concepts(emoji, split):
    """Half, a tenth, four tenths. The smallest subgroups have no concept for validation."""
    assert CONCEPTS == pytest.approx({"train": 0.5, "validation": 0.1, "test": 0.4})
    concepts = emoji.table.drop_duplicates("concept")
    assert (concepts["split"] == split).mean() == pytest.approx(CONCEPTS[split], abs=0.025)
    large = concepts.groupby("subgroup").filter(lambda part: len(part) >= 10)
    by_subgroup = (large["split"] == split).groupby(large["subgroup"]).mean()
    assert len(by_subgroup) > 30
    assert (by_subgroup - CONCEPTS[split]).abs().max() < 0.1  # at most one concept off in the smallest


def test_splits_do_not_depend_on_the_designs_chosen(emoji):
    alone = load_corpus(designs=["emojione"]).table.set_index("id")["split"]
    assert alone.equals(emoji.table.set_index("id")["split"].loc[alone.index])


@given(st.dictionaries(st.text(max_size=6), st.sampled_from("abc"), max_size=40), st.randoms(use_true_random=False))
def test_splits_do_not_depend_on_order_and_are_stratified(concepts, random):
    split = split_of(concepts)
    shuffled = list(concepts.items())
    random.shuffle(shuffled)
    assert split_of(dict(shuffled)) == split
    for subgroup in set(concepts.values()):
        members = [split[c] for c, s in concepts.items() if s == subgroup]
        for name, share in BY_DEFAULT.items():
            assert abs(members.count(name) - share * len(members)) <= 1
        others = {c: s for c, s in concepts.items() if s == subgroup}
        assert split_of(others).items() <= split.items()


def test_flags_are_out_by_default_and_in_by_parameter(emoji, every):
    assert "flags" not in set(emoji.table["group"])
    flags = every.where("group == 'flags'")
    assert len(flags) == len(every) - len(emoji) > 400
    assert set(emoji.table["id"]) == set(every.where("group != 'flags'").table["id"])
    kept = every.table.set_index("id")["split"].loc[emoji.table["id"]]
    assert kept.tolist() == emoji.table["split"].tolist()


# What may be learned from


@pytest.fixture(scope="module")
def learned(emoji):
    return emoji.to_learn_from()


@pytest.fixture(scope="module")
def new():
    """The table's captions that are new combinations."""
    table = read_emoji()
    return table[table["new_combination"]]


def test_what_is_learned_from_are_training_concepts_without_what_is_held_out(emoji, learned, new):
    table = learned.table
    assert set(table["split"]) == {"train"} and not table["held_out"].any()
    assert set(table["design"]) == set(DESIGNS) - {HELD_OUT}
    assert not set(table["emoji"]) & set(new["emoji"])
    assert not set(table["concept"]) & set(emoji.table.query("split != 'train'")["concept"])
    expected = emoji.table[
        (emoji.table["split"] == "train")
        & (emoji.table["design"] != HELD_OUT)
        & ~emoji.table["emoji"].isin(new["emoji"])
    ]
    assert table["id"].tolist() == expected["id"].tolist()
    assert len(learned) == 6509


def test_held_out_are_one_design_and_the_new_combinations_in_every_split(emoji, new):
    table = emoji.table
    assert table["held_out"].tolist() == ((table["design"] == HELD_OUT) | table["emoji"].isin(new["emoji"])).tolist()
    assert set(table[table["held_out"]]["split"]) == set(SPLITS)


def test_the_held_out_design_draws_every_concept_but_the_swatches(emoji):
    """So that whatever was learned or is tested can be asked of it."""
    drawn = set(emoji.table.query("design == @HELD_OUT")["concept"])
    missing = emoji.table[~emoji.table["concept"].isin(drawn)]
    assert set(missing["subgroup"]) == {"skin-tone"}


def test_a_design_alone_is_not_held_out_but_its_new_combinations_are(new):
    alone, pair = load_corpus(designs=[HELD_OUT]), load_corpus(designs=[HELD_OUT, "noto"])
    assert alone.table["held_out"].tolist() == alone.table["emoji"].isin(new["emoji"]).tolist()
    assert set(alone.to_learn_from().table["design"]) == {HELD_OUT}
    assert set(pair.to_learn_from().table["design"]) == {"noto"}


def test_new_combinations_are_a_tenth_of_toned_captions_by_tone_and_gender(new):
    table = read_emoji()
    toned = table[table["skin_tone"].between(1, 5)]
    assert set(new["emoji"]) <= set(toned["emoji"])
    shares = toned.groupby(["tone", "gender"])["new_combination"].agg(["mean", "size"])
    assert len(shares) == 5 * 4  # hands have no gender
    assert (shares["mean"] - NEW_COMBINATIONS).abs().max() < 0.01
    by_split = toned.groupby(["tone", "gender", "split"])["new_combination"].agg(["sum", "size"])
    assert (by_split["sum"] - NEW_COMBINATIONS * by_split["size"]).abs().max() <= 0.5


def test_the_parts_of_a_new_combination_are_learned_elsewhere(learned, new):
    """Its concept in another tone, also with its gender; its tone on other concepts, also with its gender."""
    table = learned.table[learned.table["skin_tone"].between(1, 5)]
    asked = new[new["split"] == "train"]
    assert len(asked) == 80
    for row in asked.itertuples():
        own = table[(table["concept"] == row.concept) & (table["tone"] != row.tone)]
        others = table[(table["concept"] != row.concept) & (table["tone"] == row.tone)]
        assert len(own) and (own["gender"] == row.gender).any(), row.caption
        assert others[others["gender"] == row.gender]["concept"].nunique() >= 20, row.caption
    assert not set(asked["caption"]) & set(learned.table["caption"])


def test_every_training_concept_is_learned_from(emoji, learned):
    assert set(emoji.split("train").table["concept"]) == set(learned.table["concept"])


def test_new_combinations_do_not_depend_on_the_designs_chosen(emoji):
    """Nor does what is held out, as long as the held-out design is not alone."""
    some = load_corpus(designs=["emojione", HELD_OUT]).table.set_index("id")["held_out"]
    assert some.equals(emoji.table.set_index("id")["held_out"].loc[some.index])


@pytest.mark.parametrize("part", ["one_per_caption", "to_learn_from"])
def test_parts_of_what_is_learned_from_hold_nothing_back(learned, part):
    assert not getattr(learned, part)().table["held_out"].any()
    assert set(learned.to_learn_from().table["id"]) == set(learned.table["id"])
