"""The embedded emoji: what is there, what belongs together, and where the splits fall."""

from __future__ import annotations

import hashlib
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.corpus import DESIGNS, SPLITS, load_corpus
from stablerep.corpus.emoji import DATA, SKIN_TONES, concept_of, gender_of, manifest, read_emoji, read_svgs, split_of

HEXCODES = sorted(read_emoji()["emoji"])
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


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
    assert left_out.groupby("design").size().to_dict() == {"noto": 47, "noto-v1": 29, "twemoji": 44, "emojione": 27}
    assert set(left_out["design"]) <= set(DESIGNS)
    assert left_out["reason"].str.fullmatch(r"no CLDR label for [0-9A-F-]+|resvg: .+|draws nothing").all()
    assert left_out["icon"].ne("").all()


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
    ],
)
def test_concepts_in_closed_form(hexcode, concept):
    assert concept_of(hexcode) == concept
    assert concept_of(hexcode.lower()) == concept


@given(st.sampled_from(HEXCODES))
def test_a_concept_has_no_tone_gender_sign_or_selector_and_is_its_own(hexcode):
    concept = concept_of(hexcode)
    assert not set(concept.split("-")) & {*SKIN_TONES, "FE0F"} or hexcode in SKIN_TONES
    assert not re.search(r"200D-(2640|2642|27A1)", concept)
    assert concept_of(concept) == concept


@given(st.sampled_from(HEXCODES), st.sampled_from(SKIN_TONES), st.data())
def test_tone_and_selector_never_change_a_concept(hexcode, tone, data):
    parts = hexcode.split("-")
    place = data.draw(st.integers(1, len(parts)))
    for extra in (tone, "FE0F"):
        assert concept_of("-".join([*parts[:place], extra, *parts[place:]])) == concept_of(hexcode)


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
    assert not without["emoji"].str.count("|".join(SKIN_TONES)).eq(1).any()


# Splits


def test_splits_are_disjoint_by_concept_and_whole(emoji):
    parts = [set(emoji.split(name).table["concept"]) for name in SPLITS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == emoji.table["concept"].nunique()
    assert sum(len(emoji.split(name)) for name in SPLITS) == len(emoji)


@pytest.mark.parametrize("split", SPLITS)
def test_shares_of_concepts(emoji, split):
    concepts = emoji.table.drop_duplicates("concept")
    assert (concepts["split"] == split).mean() == pytest.approx(SHARES[split], abs=0.01)
    large = concepts.groupby("subgroup").filter(lambda part: len(part) >= 10)
    by_subgroup = (large["split"] == split).groupby(large["subgroup"]).mean()
    assert len(by_subgroup) > 30
    assert (by_subgroup - SHARES[split]).abs().max() < 0.1  # at most one concept off in the smallest


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
        for name, share in SHARES.items():
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
