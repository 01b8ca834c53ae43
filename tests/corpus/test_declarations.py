"""What a corpus declares: labels, clusters, designs, people; and how clusters, labels and templates shape splits and captions."""

from __future__ import annotations

import collections
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stablerep.corpus import DESIGNS, SPLITS, load_corpus
from stablerep.corpus.templates import ONE_LABEL

RED = b"never decoded"


def write(path, *, classes=(), **columns):
    """A parquet file whose images are not looked at; ``classes`` maps a column to names of its codes."""
    rows = len(next(iter(columns.values())))
    table = pa.table({"image": [RED] * rows, **columns})
    features = {name: {"_type": "ClassLabel", "names": names} for name, names in dict(classes).items()}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    return str(path)


def declared(corpus):
    return corpus.labels, corpus.cluster, corpus.designs, corpus.people


def test_emoji_declare_what_they_have(emoji):
    expected = (("group", "subgroup"), "concept", DESIGNS, ("tone", "gender"))
    assert declared(emoji) == expected and emoji.notes == () and emoji.drawings
    parts = (
        emoji.where(np.arange(len(emoji)) < 9),
        emoji.split("train"),
        emoji.to_learn_from(),
        emoji.one_per_caption(),
    )
    for part in parts:
        assert declared(part) == expected and part.drawings
    assert load_corpus(designs=["noto"]).designs == ("noto",)
    words = emoji.table.groupby("skin_tone")["tone"].unique().map(list).tolist()
    assert words == [["none"], ["light"], ["medium-light"], ["medium"], ["medium-dark"], ["dark"], ["mixed"]]
    assert emoji.table["held_out"].dtype == bool


def test_fingerprints_of_the_embedded_corpora_stay(emoji):
    assert emoji.fingerprint == "7038a67054733909" and emoji.split("train").fingerprint == "ca603b151e0acd31"
    assert emoji.to_learn_from().fingerprint == "462b5d5ee9148851"
    assert load_corpus("clip-art").fingerprint == "1c378e603853246f"


def test_clip_art_declares_what_it_has():
    corpus = load_corpus("clip-art")
    assert declared(corpus) == (("label",), "stem", (), ()) and corpus.drawings
    assert corpus.to_learn_from().table.equals(corpus.split("train").table)  # nothing of it is held out
    assert corpus.table.groupby("stem")["split"].nunique().max() == 1
    assert load_corpus("clip-art", part="test").table["split"].eq("test").all()


def test_a_cluster_is_wholly_on_one_side_and_is_kept(tmp_path):
    people = [f"person {i % 40}" for i in range(200)]
    path = write(
        tmp_path / "x.parquet", text=[f"caption {i}" for i in range(200)], who=people, mood=[i % 3 for i in range(200)]
    )
    corpus = load_corpus(path, cluster="who", labels="mood", people=["mood"])
    assert declared(corpus) == (("mood",), "who", (), ("mood",)) and not corpus.drawings
    table = corpus.table
    assert table.groupby("who")["split"].nunique().max() == 1
    assert table.groupby("split")["who"].nunique().to_dict() == {"train": 28, "validation": 4, "test": 8}
    assert "each who wholly on one side" in corpus.notes[-1]
    assert corpus.fingerprint != load_corpus(path, labels="mood", people=["mood"]).fingerprint


def test_a_label_that_is_probed_is_in_every_part(tmp_path):
    classes = ["owl", "tit", "jay", "wren"]
    codes = [i % 4 for i in range(160)]
    path = write(tmp_path / "x.parquet", kind=codes, classes={"kind": classes})
    corpus = load_corpus(path)
    assert declared(corpus) == (("kind",), "kind", (), ())
    assert (
        corpus.table.groupby(["kind", "split"], observed=True).size().unstack()[list(SPLITS)].to_numpy().tolist()
        == [[28, 4, 8]] * 4
    )
    with_captions = write(
        tmp_path / "y.parquet", text=[f"a {i // 2}" for i in range(160)], kind=codes, classes={"kind": classes}
    )
    table = load_corpus(with_captions).table
    assert table.groupby("caption")["split"].nunique().max() == 1
    assert (table.groupby(["kind", "split"], observed=True).size().unstack() > 0).all(axis=None)


def test_classes_too_small_for_three_parts_are_ranked_together(tmp_path):
    path = write(
        tmp_path / "x.parquet", kind=[i // 2 for i in range(60)], classes={"kind": [f"k{i}" for i in range(30)]}
    )
    assert load_corpus(path).table["split"].value_counts().to_dict() == {"train": 42, "test": 12, "validation": 6}


def test_without_captions_and_labels_images_are_the_clusters(tmp_path):
    path = write(tmp_path / "x.parquet", age=list(range(20)))
    assert declared(load_corpus(path, captions=False)) == ((), "id", (), ())
    with pytest.raises(ValueError, match="cluster is 'caption', but x.parquet has no captions of its own"):
        load_corpus(path, captions=False, cluster="caption")


def test_a_split_is_read_from_the_column_that_is_named(tmp_path):
    names = ["train"] * 20 + ["VAL"] * 3 + ["testing"] * 2
    path = write(tmp_path / "x.parquet", text=[f"c {i}" for i in range(25)], where=names)
    corpus = load_corpus(path, split="where")
    assert corpus.table["split"].value_counts().to_dict() == {"train": 20, "validation": 3, "test": 2}
    assert corpus.table["where"].tolist() == names and corpus.notes == ()
    bad = write(tmp_path / "bad.parquet", text=["a", "b"], where=["train", "holdout"])
    with pytest.raises(ValueError, match="^bad.parquet, row 2: where is 'holdout'; valid are train"):
        load_corpus(bad, split="where")
    with pytest.raises(ValueError, match="split is 'wher', but x.parquet has the columns text, where"):
        load_corpus(path, split="wher")
    with pytest.raises(ValueError, match="although resplit is True"):
        load_corpus(path, split="where", resplit=True)


def test_a_missing_validation_part_is_a_tenth_of_train(tmp_path):
    (tmp_path / "d").mkdir()
    write(tmp_path / "d/train.parquet", text=[f"c {i // 3}" for i in range(300)])
    write(tmp_path / "d/test.parquet", text=[f"t {i}" for i in range(30)])
    corpus = load_corpus(tmp_path / "d")
    assert corpus.table["split"].value_counts().to_dict() == {"train": 270, "validation": 30, "test": 30}
    assert corpus.table.groupby("caption")["split"].nunique().max() == 1
    assert corpus.notes == (
        "The source has no validation part; a tenth of its training part (30 images) serves, chosen by hash.",
    )


def test_captions_from_one_label(tmp_path):
    codes = [i % 2 for i in range(100)]
    path = write(tmp_path / "x.parquet", kind=codes, classes={"kind": ["maple_tree", "owl"]})
    table = load_corpus(path).table
    named = {"maple_tree": "maple tree", "owl": "owl"}
    for kind, captions in table.groupby("kind", observed=True)["caption"]:
        counts = collections.Counter(captions)
        assert len(counts) == len(ONE_LABEL) and all(named[kind] in caption for caption in counts)
    assert "a photo of an owl" in set(table["caption"]) and "a photo of a maple tree" in set(table["caption"])
    shuffled = load_corpus(path).table
    assert shuffled["caption"].tolist() == table["caption"].tolist()
    own = load_corpus(path, templates=["one {}", "the {kind}."]).table
    assert set(own["caption"]) == {"one owl", "the owl.", "one maple tree", "the maple tree."}


def test_captions_from_several_labels(tmp_path):
    path = write(
        tmp_path / "x.parquet", race=[0, 1] * 20, gender=[0, 0, 1, 1] * 10,
        classes={"race": ["Black", "White"], "gender": ["Male", "Female"]},
    )  # fmt: skip
    first = load_corpus(path).table["caption"]
    assert set(first) <= {
        f"a photo: {', '.join(pair)}"
        for a in ("Black", "White")
        for b in ("Male", "Female")
        for pair in ((a, b), (b, a))
    }
    assert first.nunique() == 8
    told = load_corpus(path, people=["race", "gender"]).table["caption"]
    assert told.str.startswith("a photo of a person: ").all()
    assert load_corpus(path, templates="{gender} of {race}").table["caption"][1] == "Male of White"


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ([], "templates is empty"),
        (["a bird"], "template 'a bird' has no place for a class; write {} or {kind}"),
        (["{x}"], "template '{x}' names 'x'; the labels of the source are kind"),
        (["{0.__class__}"], "names '0.__class__'"),
        ([3], r"templates is \[3\]; give a list of texts"),
        (["{}", "{}"], "give each once"),
    ],
)
def test_bad_templates(tmp_path, templates, message):
    path = write(tmp_path / "x.parquet", kind=[0, 1], classes={"kind": ["owl", "tit"]})
    with pytest.raises(ValueError, match=message):
        load_corpus(path, templates=templates)


def test_templates_need_labels_with_names_and_no_captions(tmp_path):
    with pytest.raises(
        ValueError, match="templates make captions from labels, but x.parquet has captions in its column 'text'"
    ):
        load_corpus(write(tmp_path / "x.parquet", text=["a"]), templates="{}")
    with pytest.raises(ValueError, match="templates need labels with names; label has none"):
        load_corpus(write(tmp_path / "y.parquet", label=[1, 2]), templates="{}")


def test_an_id_is_no_label(tmp_path):
    path = write(tmp_path / "x.parquet", text=["a"], id=["b"])
    with pytest.raises(ValueError, match="labels is 'id', which says which image this is"):
        load_corpus(path, labels="id")
    assert load_corpus(path, cluster="id").cluster == "id"


@pytest.mark.parametrize("options", [{"labels": ["x"]}, {"cluster": "x"}, {"people": ["x"]}])
def test_columns_that_do_not_exist_are_named(tmp_path, options):
    path = write(tmp_path / "x.parquet", text=["a"])
    with pytest.raises(ValueError, match=f"{next(iter(options))} is 'x', but x.parquet has the columns text"):
        load_corpus(path, **options)
    with pytest.raises(ValueError, match=f"unknown option for the emoji corpus: {next(iter(options))}"):
        load_corpus("emoji", **options)


def test_whole_numbers_with_gaps_stay_whole(tmp_path):
    path = write(tmp_path / "x.parquet", text=["a", "b", "c"], id=pa.array([1, None, 3]), age=pa.array([7, None, 9]))
    with pytest.raises(ValueError, match="^x.parquet, row 2: the id is missing"):
        load_corpus(path)
    path = write(tmp_path / "y.parquet", text=["a", "b"], age=pa.array([7, None]))
    assert load_corpus(path).table["age"].tolist() == [7, None]
