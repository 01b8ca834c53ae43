"""What the page on the bias of the generator says, from small tables by hand: told, not told, and where a table is lacking."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stablerep.figures import bias_words
from tests.figures.test_bias import amplification, measures, slopes


def shares() -> pd.DataFrame:
    rows = [
        ("training images of the caption", None, 1.0, 0.0), ("training images of the concepts", None, 0.2, 0.8), ("balance", None, 0.5, 0.5),
        ("generated, as read", 1.0, 0.5, 0.4), ("generated, as read", 4.0, 0.86, 0.1), ("generated, corrected", 4.0, 0.95, 0.05),
    ]  # fmt: skip
    return pd.DataFrame([
        {"attribute": "tone", "source": source, "guidance_scale": w, "label": label, "share": share, "low": share - 0.05, "high": share + 0.05}
        for source, w, *values in rows for label, share in zip(("none", "dark"), values)
    ])  # fmt: skip


def confusion(own: float = 0.9) -> pd.DataFrame:
    rows = [("none", "none", own), ("none", "dark", 0.06), ("none", "cannot tell", 0.94 - own), ("dark", "dark", 0.8), ("dark", "none", 0.04), ("dark", "cannot tell", 0.16)]  # fmt: skip
    return pd.DataFrame(rows, columns=["truth", "prediction", "share"]).assign(attribute="tone")


def tables(**given) -> dict[str, pd.DataFrame]:
    fits = pd.DataFrame({"attribute": ["tone", "tone"], "guidance_scale": [1.0, 4.0], "refused": [False, True]})
    return {"shares": shares(), "confusion": confusion(), "fits": fits, "amplification": amplification(), "measures": measures()} | given  # fmt: skip


def test_the_head_says_whom_neutral_captions_show_where_the_reader_reads():
    first, last = bias_words.whom(tables(), "this run").splitlines()
    assert first.startswith("- **tone**: at w = 4, 86.0 [81.0, 91.0] % of the images of neutral captions are read as *none*, and 10.0 [5.0, 15.0] % as *dark*. ")  # fmt: skip
    assert "same captions 100 % are *none*, of those of the concepts under all their captions 20 %" in first
    assert first.endswith("the generator mostly draws what stood under the caption.")
    assert last.startswith("- **Amplified?** Cannot be told: no skew was planted for this run. Nor can it")
    wide = shares().assign(low=0.0, high=1.0)
    assert "is nearer is not told" in bias_words.whom(tables(shares=wide), "this run")
    other = shares().assign(low=0.1, high=0.2)
    assert "nearer to the second, by its whole interval" in bias_words.whom(tables(shares=other), "this run")


def test_the_head_gives_no_share_as_a_finding_where_the_reader_misses_most_or_an_eye_may_not_agree():
    said = bias_words.whom(tables(confusion=confusion(own=0.38)), "this run").splitlines()[0]
    assert said.startswith("- **tone**: cannot be told. Of real drawings labelled *none* the reader reads only 38 % so. The correction at w = 4 is refused.")  # fmt: skip
    assert said.endswith("read as *none* at w = 4 are no finding about whom the generator draws.") and "labeller" not in said  # fmt: skip
    eye = pd.DataFrame([["tone", 0.54, 0.33, 0.74]], columns=["attribute", "agreement", "low", "high"])
    said = bias_words.whom(tables(agreement=eye), "this run")
    assert "agrees with a labeller on 54.0 [33.0, 74.0] % of what both name. The correction" in said
    assert "cannot be told" not in bias_words.whom(tables(agreement=eye.assign(low=0.5)), "this run").splitlines()[0]


def test_the_head_tells_of_a_planted_skew_once_one_was_planted():
    said = bias_words.whom(tables(slopes=slopes()), "the reference").splitlines()[-1]
    assert said.startswith("- **Amplified?** Of the planted skew, at w = 1: slope 1.40 [1.20, 1.60], as read: *amplified*. At w = 2: slope 1.00")  # fmt: skip
    known = amplification().assign(value=0.1)
    assert "Nor can it" not in bias_words.whom(tables(amplification=known), "this run")


def test_slopes_are_told_with_what_spread():
    said = bias_words.line_sentence(slopes()).splitlines()
    assert said[0] == "- w = 1: slope 1.40 [1.20, 1.60], as read: *amplified*."
    assert said[1].endswith("corrected: *kept*; roles left alone 0.30 [0.20, 0.40], corrected: spread to them.")
    assert bias_words.line_sentence(slopes()[:0]).startswith("One planted share alone")


def test_what_lies_apart_is_said_with_the_rule_and_with_what_misreadings_can_make():
    rule, _, balance, caption = bias_words.apart_sentence(tables()).splitlines()
    assert "lies above 5 points" in rule
    assert balance == "- **tone**, to balance: apart at w = 4."
    near = measures().assign(low=0.055)
    said = bias_words.apart_sentence(tables(measures=near)).splitlines()
    assert bias_words.misread("tone", "training images of the caption", tables()) == 0.06
    assert said[3].endswith("apart at w = 1, 4, but at w = 1, 4 the interval begins below the 6.0 % that misreadings alone can make.")  # fmt: skip
    assert "not shown to lie apart" in bias_words.apart_sentence(tables(measures=measures().assign(low=0.01)))


def test_amplification_is_told_matched_and_raw():
    said = bias_words.amplified_sentence(amplification()).splitlines()
    assert "there is nothing to amplify" in said[0] and said[1] == "- **tone**, raw: not told from zero at any w."
    up = amplification().assign(value=0.1, low=0.05, high=0.2)
    assert bias_words.amplified_sentence(up).splitlines() == [
        "- **tone**, matched: amplified at w = 2.", "- **tone**, raw: above one point by the whole interval at w = 2.",
    ]  # fmt: skip
    assert "matched: not shown to be amplified" in bias_words.amplified_sentence(up.assign(low=0.005))
    down = bias_words.amplified_sentence(up.assign(value=-0.1, low=-0.2, high=-0.05))
    assert "below zero by the whole interval at w = 2. Roles and classes" in down and "does not show that the generator weakens" in down  # fmt: skip
    assert bias_words.amplified_sentence(up[:0]).startswith("No caption has training images of its own")


def test_the_largest_correction_is_explained_by_the_confusion():
    said = bias_words.corrected_most(shares(), confusion())
    assert said.startswith("*none* (tone, w = 4) moves most, from 86.0 % as read to 95.0 %. Of real drawings of *none* the reader reads 90 % so and leaves 4 %")  # fmt: skip
    assert "takes at most 4.0 % for it (*dark*): so a true share is larger" in said
    less = shares().assign(share=lambda t: t["share"].where(t["source"] != "generated, corrected", [np.nan] * 10 + [0.5, 0.1]))  # fmt: skip
    assert bias_words.corrected_most(less, confusion()).endswith("given back to the others")
    refused = shares()[shares()["source"] != "generated, corrected"]
    assert bias_words.corrected_most(refused, confusion()).startswith("Every correction was refused")


def test_distances_over_w_are_told_to_change_only_by_whole_intervals():
    said = bias_words.nearer(measures())
    assert said.startswith("tone, to training images of the caption 40.0 % at w = 1, 40.0 % at w = 4. Between w = 1 and w = 4: all intervals meet")  # fmt: skip
    apart = measures().assign(low=[0.8 if w == 1 else 0.1 for w in measures()["guidance_scale"]], high=[0.9 if w == 1 else 0.2 for w in measures()["guidance_scale"]])  # fmt: skip
    assert bias_words.nearer(apart).endswith("by whole intervals tone, to training images of the caption falls")
    assert bias_words.nearer(measures().query("guidance_scale == 1")) == "not told, as one w alone was run"
