"""Tables on whole captions from images whose outcomes are known, and from none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.readers import CANNOT_TELL
from stablerep.audits.whole_caption_tables import image_tables, joined, knowledge, of_sources, score_means
from stablerep.audits.whole_captions import CONCEPT, TOLD, WHOLE
from stablerep.statistics.arms import Pair

COUNT = 24
CAPTIONS = [f"c{k}" for k in range(COUNT)]
ASKED = pd.DataFrame({
    "concept": [f"k{k // 2}" for k in range(COUNT)], "group": "people", "words": [1 + k % 4 for k in range(COUNT)], "frequency": [2 ** (1 + k // 8) for k in range(COUNT)],
    "tone": "dark", "gender": "", "readable": [k != 0 for k in range(COUNT)],
}, index=CAPTIONS)  # fmt: skip


def looked(sources, seeds: int = 2, share: float = 0.5, images: int = 4) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What judges find and readers read: of every second image the concept is right, of every fourth the tone cannot be told."""
    rows = [
        {"source": source, "guidance_scale": w, "caption": caption, "image": image, "seed": seed, "captions": "unseen", "gallery": "g", "chance": 0.1,
         "right": image < share * images}
        for source, w in sources for seed in range(seeds) for caption in CAPTIONS for image in range(images)
    ]  # fmt: skip
    judged = pd.DataFrame(rows)
    read = judged[judged["seed"] == 0].drop(columns=["seed", "captions", "gallery", "chance", "right"])
    read["tone"] = np.where(read["image"] % 4 == 1, CANNOT_TELL, "dark")
    return judged, read.assign(gender="")


SOURCES = (("real", np.nan), ("generated", 1.0), ("generated", 2.0))


def test_tables_of_images_by_hand():
    judged, read = looked(SOURCES)
    images = joined(judged, read[read["caption"] != "c0"])  # what is not asked need not be read
    asked = ASKED.assign(tone=["", *["dark"] * (COUNT - 1)])
    tables = image_tables(images, asked, {"tone": 6, "gender": 3}, "C10", 2.0, "unseen")
    shares = tables["shares"].set_index(["measure", "source"])
    assert shares.loc[(CONCEPT, "real"), "mean"] == 0.5 and shares.loc[("tone", "real"), "mean"] == 0.75
    assert shares.loc[(WHOLE, "real"), "mean"] == 0.25 and shares.loc[(WHOLE + TOLD, "real"), "mean"] == pytest.approx(
        1 / 3
    )
    assert "group" not in shares and (tables["shares"]["high"].dropna() <= 1).all()
    claimed = tables["differences"].query("claim == 'C10'")
    assert claimed[["measure", "captions", "second", "difference"]].to_numpy().tolist() == [
        [WHOLE, "unseen", "generated, w = 2", 0.0]
    ]
    assert tables["asked"].iloc[0].to_dict() == {
        "group": "unseen", "captions": COUNT, "concepts": COUNT // 2, "tone": COUNT - 1, "gender": 0, "left_out": 1,
    }  # fmt: skip
    assert set(tables["properties"]["part"]) == {CONCEPT, WHOLE} and set(tables["slopes"]["source"]) == {
        "real",
        "generated",
    }


def test_images_of_other_sources_are_put_aside():
    judged, read = looked((*SOURCES, ("fresh", np.nan)))
    images = joined(judged, read)
    assert len(images) == len(judged) and set(of_sources(images)["source"]) == {"real", "generated"}
    assert set(of_sources(images, ("fresh",))["source"]) == {"fresh"}
    with pytest.raises(pd.errors.MergeError):
        joined(judged, pd.concat([read, read]))


def closeness(
    knowing: float, seeds: int = 3, arms=("StableRep+ synthetic", "Random weights"), sources=("fresh",)
) -> pd.DataFrame:
    """The first arm sees what is right, with noise; the others see nothing."""
    rng, parts = np.random.default_rng(0), []
    for arm in arms:
        for seed in range(seeds):
            for source in sources:
                table = pd.DataFrame(
                    [(caption, image) for caption in CAPTIONS for image in range(8)], columns=["caption", "image"]
                )
                right = (table["image"] < 4).astype(float)
                parts.append(
                    table.assign(
                        arm=arm,
                        seed=seed,
                        source=source,
                        score=rng.normal(size=len(table)) + knowing * right * (arm == arms[0]),
                    )
                )
    return pd.concat(parts, ignore_index=True)


PAIRS = (Pair("untrained", "StableRep+ synthetic", "Random weights"),)


def test_an_encoder_that_knows_is_told_from_one_that_does_not():
    judged, read = looked((("fresh", np.nan),), images=8)
    images = joined(judged, read.assign(tone="dark"))
    found = knowledge(closeness(5.0), images, ASKED, PAIRS)
    means = found["knows"].set_index("arm")
    assert means.loc["StableRep+ synthetic", "mean"] > 0.98 and means.loc["Random weights", "mean"] == pytest.approx(
        0.5, abs=0.06
    )
    assert means.loc["Random weights", "low"] < 0.5 < means.loc["Random weights", "high"]
    assert (means["captions"] == COUNT - 1).all() and (
        means["concepts"] == COUNT // 2
    ).all()  # of one caption nobody reads what it names
    more = found["knows_more"].iloc[0]
    assert more["low"] > 0.3 and more["probe"] == "fresh" and more["seeds"] == 3
    assert found["truth"].to_numpy().tolist() == [["fresh", 8 * COUNT, 4 * (COUNT - 1), 4 * (COUNT - 1)]]


def test_images_of_which_nothing_can_be_told_count_as_neither():
    judged, read = looked((("fresh", np.nan),), images=8)
    found = knowledge(closeness(5.0), joined(judged, read.assign(tone=CANNOT_TELL)), ASKED, PAIRS)
    assert found["truth"][["right", "wrong"]].to_numpy().tolist() == [[0, 4 * (COUNT - 1)]]
    assert found["knows"].empty and found["knows_more"].empty


def test_without_images_nobody_is_asked():
    judged, read = looked(SOURCES)
    found = knowledge(closeness(1.0)[:0], of_sources(joined(judged, read), ("fresh",)), ASKED, PAIRS)
    assert all(table.empty for table in found.values()) and {"mean", "low"} <= set(found["knows"])


def test_scores_by_hand():
    rows = [("unseen", source, w, caption, seed, value) for seed in (0, 1) for source, w, value in (("real", np.nan, 1.0), ("generated", 2.0, 0.5))
            for caption in ("c0", "c1", "c2")]  # fmt: skip
    scores = pd.DataFrame(rows, columns=["captions", "source", "guidance_scale", "caption", "seed", "score"])
    scores.loc[(scores["caption"] == "c2") & (scores["source"] == "real"), "score"] = 0.0
    found = score_means(scores, ASKED["concept"]).set_index("source")
    assert found.loc["real", "mean"] == 0.5 and found.loc["generated", "mean"] == 0.5  # c0 and c1 are of one concept
    assert (found["concepts"] == 2).all() and (found["seeds"] == 2).all()
    one = score_means(scores[scores["caption"] == "c0"], ASKED["concept"])
    assert one["low"].isna().all() or (one["low"] == one["mean"]).all()


def test_where_all_are_wrong_the_interval_is_that_of_so_many_concepts():
    """Of n concepts none: up to 1 - 0.05^(1/n)."""
    judged, read = looked(SOURCES, share=0.0)
    tables = image_tables(joined(judged, read), ASKED, {"tone": 6, "gender": 3}, "C10", 2.0, "unseen")
    row = tables["shares"].query("measure == 'concept' and source == 'real'").iloc[0]
    assert (row["mean"], row["low"]) == (0, 0) and row["high"] == pytest.approx(1 - 0.05 ** (2 / COUNT))
    bins = tables["properties"].query("part == 'concept' and source == 'real'")
    assert bins["high"].to_numpy() == pytest.approx(1 - 0.05 ** (1 / bins["concepts"].to_numpy()))
    assert tables["shares"].query("measure == 'tone'")["high"].max() < 1
