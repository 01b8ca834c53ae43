"""The transfer suite: sets open as they say, each is scored by its metric, and what is absent is named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from stablerep.corpus.on_demand import OnDemandImages
from stablerep.encoders import EncoderRecipe
from stablerep.probes import eleven_point_map, extraction
from stablerep.training import random_backbone
from stablerep.transfer import (
    TRANSFER_SETS,
    TransferSet,
    open_set,
    probe_set,
    transfer,
    transfer_average,
    transfer_scores,
)

DATA = Path(os.environ.get("STABLEREP_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


class Colours(torch.nn.Module):
    """An encoder without weights: the image at 4 x 4 pixels."""

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)


def photographs(folder: Path, n=(60, 0, 30), classes=("apple", "pear", "plum")):
    """A parquet set with a class label, whose images show their class by their colour."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    rng, folder = np.random.default_rng(0), Path(folder)
    folder.mkdir(parents=True)
    for part, count in zip(("train", "validation", "test"), n):
        if not count:
            continue
        labels, rows = rng.integers(0, len(classes), count), []
        for label in labels:
            pixels = rng.integers(0, 60, (8, 8, 3)) + 90 * np.eye(3, dtype=int)[label]
            buffer = io.BytesIO()
            Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
            rows.append({"bytes": buffer.getvalue(), "path": None})
        table = pa.table({"img": rows, "label": [classes[i] for i in labels]})
        pq.write_table(table, folder / f"{part}.parquet")


def test_the_registry_holds_the_sets_of_the_paper_with_metrics_of_their_own():
    eleven = {
        "CIFAR-10",
        "CIFAR-100",
        "Aircraft",
        "Cars",
        "DTD",
        "Flowers",
        "Pets",
        "SUN397",
        "Caltech-101",
        "Food-101",
        "VOC2007",
    }
    assert eleven | {"ImageNet"} <= set(TRANSFER_SETS)
    assert {TRANSFER_SETS[name].metric for name in ("Aircraft", "Flowers", "Pets", "Caltech-101")} == {"mean per class"}
    assert TRANSFER_SETS["VOC2007"].metric == "11-point mAP" and TRANSFER_SETS["Food-101"].metric == "top-1"
    with pytest.raises(ValueError, match="metric is 'F1'"):
        TransferSet("x", "F1", "embedded", "emoji")


@pytest.mark.parametrize("name", ["emoji group", "emoji keywords", "digits", "clip art"])
def test_embedded_sets_open_with_disjoint_parts(name):
    data = open_set(TRANSFER_SETS[name], 16)
    assert data.images.shape[1:] == (3, 16, 16) and data.images.dtype == torch.uint8
    assert len(data.images) == len(data.labels) == len(data.parts) == len(data.ids) == len(data.clusters)
    assert len(set(data.ids)) == len(data.ids)
    by_cluster = pd.DataFrame({"cluster": data.clusters, "part": data.parts}).groupby("cluster")["part"].nunique()
    assert by_cluster.max() == 1 and set(data.parts) == {"train", "validation", "test"}
    if data.classes:
        assert data.labels.dtype == bool and data.labels.shape[1] == len(data.classes) >= 10
        assert (
            data.labels[data.parts == "train"].sum(0).min() >= 60
            and data.labels[data.parts == "test"].sum(0).min() >= 1
        )
    else:
        assert set(data.labels[data.parts == "test"]) <= set(data.labels[data.parts != "test"])


def test_a_set_by_path_is_probed_and_the_absent_are_named(tmp_path, monkeypatch):
    photographs(tmp_path / "fruit")
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path))
    fruit = TransferSet("fruit", "mean per class", "path", "fruit", options={"captions": False})
    items = transfer(Colours(), [fruit, "CIFAR-10", "digits"], size=16)
    assert set(items["set"]) == {"fruit", "digits"} and list(items.attrs["skipped"]) == ["CIFAR-10"]
    assert "cifar10" in items.attrs["skipped"]["CIFAR-10"]
    scores = transfer_scores(items).set_index("set")
    assert (
        scores.loc["fruit", "value"] == 1
        and scores.loc["fruit", "items"] == 30
        and scores.loc["fruit", "n_train"] == 60
    )
    assert np.isnan(scores.loc["CIFAR-10", "value"]) and "cifar10" in scores.loc["CIFAR-10", "reason"]
    assert 0.6 < scores.loc["digits", "low"] < scores.loc["digits", "value"] < scores.loc["digits", "high"] <= 1
    monkeypatch.delenv("STABLEREP_DATA")
    assert "STABLEREP_DATA, which is not set" in transfer(Colours(), ["CIFAR-10"]).attrs["skipped"]["CIFAR-10"]


def test_the_paper_s_probe_is_asked_for_by_name_and_skips_what_it_cannot_do(tmp_path, monkeypatch):
    photographs(tmp_path / "fruit", n=(60, 30, 30))
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path))
    fruit = TransferSet("fruit", "top-1", "path", "fruit", options={"captions": False})
    items = transfer(Colours(), [fruit, "emoji keywords"], size=16, probe="paper")
    assert set(items["selected_on"]) == {"test"} and items["correct"].all() and set(items["n_train"]) == {90}
    assert items.attrs["skipped"] == {
        "emoji keywords": "images of emoji keywords have several labels each; the paper's probe needs one."
    }
    assert "selected_on" not in transfer(Colours(), [fruit], size=16)
    with pytest.raises(ValueError, match="probe is 'papers'; valid probes are linear, paper"):
        probe_set(Colours(), open_set(fruit, 16), fruit, probe="papers")


def test_images_are_decoded_batch_by_batch(monkeypatch):
    """No set is decoded as a whole: its images are asked for once each, a batch at a time."""
    asked, decode = [], OnDemandImages.__getitem__

    def noting(images, index):
        found = decode(images, index)
        asked.append(len(found))
        return found

    monkeypatch.setattr(extraction, "BATCH", 100)
    monkeypatch.setattr(OnDemandImages, "__getitem__", noting)
    transfer(Colours(), ["clip art"], size=8)
    assert max(asked) == 100 and sum(asked) == len(open_set(TRANSFER_SETS["clip art"], 8).images)


def test_a_long_transfer_shows_its_progress(monkeypatch, capsys):
    monkeypatch.setattr(extraction, "SILENT", 0.0)
    transfer(Colours(), ["digits", "clip art"], size=8, limit=40)
    said = capsys.readouterr().err
    assert "1/2" in said and "features of clip art" in said and "features of digits" in said and "penalties" in said


def test_a_short_transfer_says_nothing(capsys):
    transfer(Colours(), ["digits"], size=8, limit=40)
    assert capsys.readouterr().err == ""


def test_items_of_two_encoders_are_refused():
    items = items_of("s", "top-1", truth=["a"], correct=[True])
    with pytest.raises(ValueError, match="has items of s more than once; give the items of one encoder at a time"):
        transfer_scores(pd.concat([items, items]))


def test_a_limit_takes_the_same_images_for_everyone(tmp_path, monkeypatch):
    photographs(tmp_path / "fruit", (60, 20, 30))
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path))
    fruit = TransferSet("fruit", "top-1", "path", "fruit", options={"captions": False})
    first, second = (transfer(Colours(), [fruit], size=16, limit=15) for _ in range(2))
    assert len(first) == 15 and first["n_train"].unique().tolist() == [30] and first.equals(second)
    with pytest.raises(ValueError, match="limit is -1"):
        transfer(Colours(), [fruit], limit=-1)


def test_an_unknown_set_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="set is 'Flower'; did you mean 'Flowers'"):
        transfer(Colours(), ["Flower"])


def items_of(name, metric, **columns):
    n = len(next(iter(columns.values())))
    ids = columns.pop("id", [f"{i}" for i in range(n)])
    return pd.DataFrame({"set": name, "metric": metric, "id": ids, "cluster": ids, "n_train": 10} | columns)


def test_scores_follow_their_metrics():
    rng = np.random.default_rng(1)
    truth = rng.choice(["a", "b", "c"], 300, p=[0.7, 0.2, 0.1])
    said = np.where(rng.random(300) < 0.6, truth, "a")
    per_class = items_of("s", "mean per class", truth=truth, prediction=said, correct=truth == said)
    row = transfer_scores(per_class).iloc[0]
    assert (
        row["value"] == pytest.approx(balanced_accuracy_score(truth, said)) and row["low"] < row["value"] < row["high"]
    )
    top = transfer_scores(per_class.assign(metric="top-1")).iloc[0]
    assert top["value"] == pytest.approx((truth == said).mean()) and top["value"] != pytest.approx(row["value"])
    shows, scores = rng.random((50, 4)) < 0.4, rng.normal(size=(50, 4))
    several = items_of(
        "v",
        "11-point mAP",
        id=np.repeat(np.arange(50).astype(str), 4),
        truth=shows.ravel(),
        score=scores.ravel(),
        **{"class": list("wxyz") * 50},
    )
    row = transfer_scores(several).iloc[0]
    assert (
        row["value"] == pytest.approx(eleven_point_map(shows, scores))
        and row["items"] == 50
        and row["low"] < row["value"] < row["high"]
    )


def test_an_interval_of_a_mean_per_class_covers_the_truth():
    """200 simulated sets of three classes of unequal accuracy, 40 clusters of 5: about 95 % of the intervals hold the true mean."""
    rng, share, held = np.random.default_rng(2), np.array([0.9, 0.5, 0.2]), 0
    for _ in range(200):
        label = rng.integers(0, 3, 40).repeat(5)
        correct = rng.random(200) < share[label]
        items = items_of("s", "mean per class", truth=label.astype(str), correct=correct).assign(
            cluster=np.arange(40).repeat(5).astype(str)
        )
        row = transfer_scores(items, draws=300).iloc[0]
        held += row["low"] <= share.mean() <= row["high"]
    assert 0.88 <= held / 200 <= 0.99


def test_an_average_is_over_the_sets_that_all_have():
    first = pd.DataFrame({"set": ["a", "b", "c"], "value": [0.2, 0.4, 0.9]})
    second = pd.DataFrame({"set": ["a", "b", "c"], "value": [0.4, 0.6, np.nan]})
    table = transfer_average({"one": first, "two": second})
    assert table["average"].tolist() == pytest.approx([0.3, 0.5]) and table["sets"].tolist() == [2, 2]
    assert table["left_out"].tolist() == ["c", "c"]
    with pytest.raises(ValueError, match="no set was scored for all"):
        transfer_average({"one": first[:1], "two": second[1:]})
    with pytest.raises(ValueError, match="no scores"):
        transfer_average({})


def test_voc_is_read_as_torchvision_lays_it_out(tmp_path, monkeypatch):
    from PIL import Image

    base = tmp_path / "VOCdevkit" / "VOC2007"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (base / folder).mkdir(parents=True)
    thing = "<object><name>{}</name><difficult>{}</difficult></object>"
    for number, (split, objects) in enumerate(
        [("train", [("dog", 0), ("cat", 0)]), ("val", [("cat", 0)]), ("test", [("dog", 1), ("car", 0)])]
    ):
        name = f"{number:06d}"
        (base / "ImageSets/Main" / f"{split}.txt").write_text(name + "\n")
        text = "".join(thing.format(*o) for o in objects)
        (base / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename>{text}</annotation>"
        )
        Image.new("RGB", (20, 30), (number * 90, 0, 0)).save(base / "JPEGImages" / f"{name}.jpg")
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path))
    data = open_set(TRANSFER_SETS["VOC2007"], 16)
    assert data.classes == ("car", "cat", "dog") and data.parts.tolist() == ["train", "validation", "test"]
    assert data.labels.tolist() == [
        [False, True, True],
        [False, True, False],
        [True, False, False],
    ]  # a difficult one is left out
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path / "VOCdevkit"))
    with pytest.raises(ValueError, match="VOC2007 .* is not below STABLEREP_DATA"):
        open_set(TRANSFER_SETS["VOC2007"], 16)


@pytest.mark.parametrize(("name", "chance"), [("CIFAR-10", 0.1), ("FairFace gender", 0.5), ("FairFace race", 1 / 7)])
def test_real_photographs_are_probed_where_they_are_at_hand(name, chance, monkeypatch):
    if not (DATA / TRANSFER_SETS[name].source).is_dir():
        pytest.skip(f"no folder {TRANSFER_SETS[name].source} below STABLEREP_DATA or ../shared/data")
    monkeypatch.setenv("STABLEREP_DATA", str(DATA))
    backbone = random_backbone(EncoderRecipe(name="resnet10t", stem="published"), 0)
    row = transfer_scores(transfer(backbone, [name], limit=1000)).iloc[0]
    assert row["items"] == 1000 and row["n_train"] == 2000
    assert row["low"] > chance  # even an untrained encoder sees colour
