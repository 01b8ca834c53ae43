"""The corpus: its tables count what is there, and it tests no claim."""

from __future__ import annotations

from stablerep.corpus import SPLITS
from stablerep.corpus.emoji import TONES
from stablerep.study.chapters import corpus, resolve


def tables_of(**given):
    p = resolve("corpus", given)
    return corpus.compute(p, corpus.ask(p, None))


def test_corpus_tables_count_the_corpus(emoji):
    tables = tables_of()
    assert tables["designs"]["images"].sum() == len(emoji) == tables["splits"]["images"].sum()
    captions = emoji.table.groupby("design")["caption"].nunique()
    assert tables["designs"].set_index("design")["captions"].to_dict() == captions.to_dict()
    assert tables["splits"]["concepts"].sum() == emoji.table["concept"].nunique()  # a concept is in one part
    assert list(dict.fromkeys(tables["splits"]["split"])) == list(SPLITS)
    per = tables["images_per_caption"]
    assert (per["images"] * per["captions"]).sum() == len(emoji) and per["images"].max() <= 6
    named = emoji.table.drop_duplicates("caption")
    assert tables["people"]["captions"].sum() == (named["gender"] != "").sum()
    assert set(zip(tables["people"]["skin_tone"], tables["people"]["tone"])) == set(enumerate(TONES))


def test_corpus_tables_follow_parameters():
    tables = tables_of(designs=["noto"], flags=True)
    assert tables["designs"]["design"].tolist() == ["noto"]
    assert "flags" in set(tables["splits"]["group"])


def test_no_claim_is_answered():
    assert corpus.CLAIMS == () and corpus.verdict({}) == []
