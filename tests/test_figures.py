"""Figures: from small tables, drawn to the end, with the right contents and the tables left as they were."""

from __future__ import annotations

import io
import re
from contextlib import nullcontext
from itertools import product

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from stablerep import figures
from stablerep.camera import Camera
from stablerep.figures.canvas import GREY, PAGE, PHONE, canvas, filled, for_phones, in_lines, name_vertical
from stablerep.figures.shown import FIGURE, Drawing
from stablerep.published import figure_6
from stablerep.study.book.figure_files import _THEMED
from stablerep.study.experiments.arms import ARMS as STUDY_ARMS

ARMS = [
    "Random initialization",
    "SimCLR real",
    "SimCLR synthetic",
    "CLIP real",
    "StableRep synthetic",
    "StableRep+ synthetic",
]
CAPTIONS = ["training captions", "unseen combinations", "test concepts"]
PROBES = ["linear subgroup", "one-shot"]
GENDERS = ("woman", "man", "person")
TONES = ("none", "light", "medium-light", "medium", "medium-dark", "dark")
UNREAD = "cannot tell"
SCALES = (1.0, 4.0, 8.0)
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def with_interval(rows, name="accuracy"):
    table = pd.DataFrame(rows)
    table[name] = rng.uniform(0.2, 0.8, len(table))
    return table.assign(low=table[name] - 0.05, high=table[name] + 0.04)


def arms_table(seeds=1):
    table = with_interval([{"arm": a, "probe": p} for p in PROBES for a in ARMS])
    return table.assign(items=100, seeds=seeds, seed_low=np.nan, seed_high=np.nan, views=1000)


def scaling_table():
    names, floors = ("StableRep+ synthetic", "StableRep synthetic", "CLIP real"), ("Raw pixels", "Oriented gradients")
    sizes = [(a, n) for a in names for n in (400, 100, 200, 800)] + [(floor, 0) for floor in floors]
    return with_interval(
        [{"panel": panel, "arm": a, "probe": p, "captions": n} for panel in "xy" for p in PROBES for a, n in sizes]
    )


def scaling_lines():
    """Of one arm in one panel."""
    line = pd.DataFrame({"size": [100.0, 300.0, 800.0], "error": [0.6, 0.4, 0.3]})
    return line.assign(low=line["error"] - 0.1, high=line["error"] + 0.2, panel="y", arm="CLIP real")


def over_scales(groups=CAPTIONS, real=True):
    rows = [{"captions": g, "source": "real", "guidance_scale": np.nan} for g in groups] if real else []
    rows += [{"captions": g, "source": "generated", "guidance_scale": w} for g in groups for w in reversed(SCALES)]
    return with_interval(rows, "mean").assign(chance=0.125)


def shares_table():
    rows = []
    for attribute, labels in (("gender", GENDERS), ("tone", TONES)):
        for label in labels:
            for source in ("training images of the caption", "training images of the concepts", "balance"):
                rows.append({"attribute": attribute, "source": source, "guidance_scale": np.nan, "label": label})
            for source in ("generated, as read", "generated, corrected"):
                rows += [
                    {"attribute": attribute, "source": source, "guidance_scale": w, "label": label} for w in SCALES
                ]
        rows += [
            {"attribute": attribute, "source": "generated, as read", "guidance_scale": w, "label": UNREAD}
            for w in SCALES
        ]
    table = with_interval(rows, "share")
    refused = (table["source"] == "generated, corrected") & (table["guidance_scale"] == SCALES[1])
    table.loc[refused, ["share", "low", "high"]] = np.nan
    table.loc[table["guidance_scale"].isna(), ["low", "high"]] = np.nan
    return table


def confusion_table():
    return pd.DataFrame([
        {"attribute": a, "truth": t, "prediction": p, "share": float(t == p)}
        for a, labels in (("gender", GENDERS), ("tone", TONES)) for t in labels for p in (*labels, UNREAD)
    ])  # fmt: skip


def contrasts_table():
    pairs = (("SimCLR synthetic", "SimCLR real"), ("StableRep synthetic", "SimCLR real"))
    rows = [
        {"first": a, "second": b, "attribute": n, "label": label}
        for a, b in pairs for n, labels in (("gender", GENDERS), ("tone", TONES)) for label in labels
    ]  # fmt: skip
    return with_interval(rows, "difference")


def groups_table():
    table = with_interval([{"arm": a, "attribute": "gender", "label": g} for a in ARMS[1:4] for g in GENDERS])
    return table.assign(items=20)


def sweep_table():
    rows = [{"guidance_scale": w, "arm": a, "probe": p} for w in SCALES for a in ARMS[:3] for p in PROBES]
    return with_interval(rows, "value")


def sets_table():
    rows = [
        {"source": source, "guidance_scale": w, "metric": metric}
        for source, scales in (("real, other concepts", [np.nan]), ("generated", SCALES)) for w in scales
        for metric in ("kid", "precision", "recall", "density", "coverage")
    ]  # fmt: skip
    return with_interval(rows, "value")


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def grid_table():
    return pd.DataFrame([
        {"captions": "test concepts", "caption": c, "guidance_scale": w, "index": i, "png": png((40 * k, int(20 * w), 100 * i))}
        for k, c in enumerate(("red heart", "owl", "pizza")) for w in SCALES for i in range(2)
    ])  # fmt: skip


def retrieved_table():
    """Images whose red is the caption's number, whose green the kind's, and whose blue the place; the second caption has fewer real ones."""
    rows = []
    for c, caption in enumerate(("red heart", "owl")):
        for k, kind in enumerate(("real images", "synthetic images", "by words, own left out")):
            for i in range(1 if (c, k) == (1, 0) else 2):
                file = io.BytesIO()
                Image.new("RGB", (16, 16) if k == 1 else (8, 8), (40 * c, 20 * k, 100 * i)).save(file, "PNG")
                shows = "heart suit" if k == 2 else caption
                rows.append({"caption": caption, "kind": kind, "index": i, "shows": shows, "png": file.getvalue()})
    return pd.DataFrame(rows)


def strip_table():
    return retrieved_table().replace(
        {"kind": {"real images": "real", "synthetic images": "generated", "by words, own left out": "found"}}
    )


def qualities_table():
    return pd.DataFrame([
        {"caption": c, "kind": kind, "quality": quality, "png": png((40 * k, 100 * j, 20 * i))}
        for i, quality in enumerate(("real", "reconstructed", "8 pixels")) for j, kind in enumerate(("drawing", "scene"))
        for k, c in enumerate(("red heart", "owl"))
    ])  # fmt: skip


def gaps_table():
    parts = {
        "real − synthetic": 0.05,
        "quality: real − reconstructed": 0.01,
        "content: reconstructed − synthetic": 0.04,
    }
    return pd.DataFrame([
        {"method": method, "claim": claim, "probe": probe, "first": f"{method} real", "second": f"{method} synthetic", "difference": sign * value,
         "low": sign * value - 0.02, "high": sign * value + 0.02, "seeds": 3}
        for probe in PROBES for method, sign in (("StableRep", 1), ("SimCLR", -1)) for claim, value in parts.items()
    ])  # fmt: skip


def generations_table():
    ways = ("replaced", "mixed", "accumulated", "filtered", "only real")
    rows = [
        {"way": way, "generation": t, "probe": probe, "arm": f"StableRep, {way}, generation {t}"}
        for way in ways for t in range(3) for probe in PROBES
    ]  # fmt: skip
    return with_interval(rows).assign(seeds=1)


def generation_sets():
    about = [("real, other concepts", "", np.nan), ("generated", "", 0.0)]
    about += [
        ("generated", way, t)
        for way in ("replaced", "mixed", "accumulated", "filtered", "only real")
        for t in (1.0, 2.0)
    ]
    return with_interval(
        [dict(zip(("source", "way", "generation"), one), metric=m) for one in about for m in ("kid", "coverage")],
        "value",
    )


def generation_shares():
    rows = generation_sets().query("metric == 'coverage'").drop(columns="metric")
    shares = rows.rename(columns={"value": "mean"}).assign(
        source=rows["source"].replace("real, other concepts", "real")
    )
    return pd.concat(
        [shares.assign(measure=name, group=group) for name in ("top1", "tone") for group in ("all", "food")]
    )


def generation_pictures():
    table = grid_table().rename(columns={"guidance_scale": "generation"})
    return table.assign(
        way=["" if t == SCALES[0] else "replaced" for t in table["generation"]],
        generation=table["generation"] - SCALES[0],
    )


def people_table():
    kinds = [(t, g) for t in range(6) for g in GENDERS[: 3 - t % 2]]
    return pd.DataFrame([{"skin_tone": t, "gender": g, "captions": 10 * t + len(g)} for t, g in kinds])


def splits_table():
    parts = [(s, g) for s in ("train", "validation", "test") for g in ("people-body", "objects", "food-drink")]
    return pd.DataFrame(
        [{"split": s, "group": g, "images": 60, "concepts": 10 + k} for k, (s, g) in enumerate(parts[:-1])]
    )


def guidance_table():
    rows = [
        {"arm": a, "probe": p, "guidance_scale": w}
        for a in ("SimCLR synthetic", "StableRep synthetic")
        for p in PROBES
        for w in (8.0, 1.0, 2.0)
    ]
    return with_interval(rows)


def counted_table():
    rows = [{"panel": f"{n}, images", "number": v, "arm": f"StableRep synthetic, {n} = {v}", "probe": p, "captions": 64 // v}
            for n in "lm" for p in PROBES for v in (4, 1, 2)]  # fmt: skip
    return with_interval(rows)


def slopes():
    return pd.DataFrame(
        {"panel": ["l, images", "m, images"], "difference": [0.01, -0.02], "low": [0.0, -0.03], "high": [0.02, -0.01]}
    )


def guidance_peaks():
    return pd.DataFrame({"arm": ["SimCLR synthetic"], "best": [4.0], "low": [2.5], "high": [8.0]})


LENGTHS, ENCODERS = (300, 600, 1200), {"resnet18": 11_200_000, "test_resnet": 400_000}


def grown_table():
    points = [("length of training", steps, "test_resnet") for steps in LENGTHS]
    points += [("encoder", 600, encoder) for encoder in ENCODERS]
    rows = [
        {"panel": panel, "arm": arm, "probe": probe, "steps": count, "encoder": encoder, "weights": ENCODERS[encoder]}
        for probe in PROBES for panel, steps, encoder in points
        for arm, count in (("StableRep synthetic", steps), ("CLIP real", steps), ("Raw pixels", 0))
        if count or steps == 600
    ]  # fmt: skip
    return with_interval(rows)


def leads():
    rows = [("length of training", steps, "test_resnet") for steps in LENGTHS] + [("encoder", 600, e) for e in ENCODERS]
    return pd.DataFrame([
        {"panel": panel, "steps": steps, "encoder": encoder, "weights": ENCODERS[encoder], "probe": "one-shot",
         "first": f"StableRep synthetic, {steps} {encoder}", "second": f"CLIP real, {steps} {encoder}", "difference": 0.01 * k,
         "low": 0.0, "high": 0.1}
        for k, (panel, steps, encoder) in enumerate(rows)
    ])  # fmt: skip


def transfer_leads():
    rows = [(measure, other, name) for measure in ("linear probe", "few-shot") for other in ("CLIP real", "SimCLR real")
            for name in ("digits", "clip art", "all sets")]  # fmt: skip
    return pd.DataFrame([
        {"measure": measure, "first": "StableRep synthetic", "second": other, "set": name, "difference": 0.01 * k, "low": 0.01 * k - 0.02,
         "high": 0.01 * k + 0.02}
        for k, (measure, other, name) in enumerate(rows)
    ])  # fmt: skip


def whole_shares():
    rows = [
        {"captions": g, "source": source, "guidance_scale": w, "measure": m}
        for g in CAPTIONS for source, w in (("real", np.nan), ("generated", 2.0), ("generated", 8.0))
        for m in ("concept", "tone", "gender", "whole caption", "whole caption, where told", "tone, cannot tell")
    ]  # fmt: skip
    return with_interval(rows, "mean").assign(chance=0.1)


def property_shares():
    rows = [
        {"captions": CAPTIONS[0], "part": "concept", "property": name, "source": source, "guidance_scale": w, "bin": text, "middle": middle}
        for name in ("training images of the concept", "words of the caption")
        for source, w in (("real", np.nan), ("generated", 2.0), ("generated", 8.0)) for middle, text in ((9, "8 to 10"), (2, "1 to 3"))
    ]  # fmt: skip
    return with_interval(rows, "mean")


def extremes_table():
    png = grid_table()["png"].iloc[0]
    rows = [
        {"captions": CAPTIONS[0], "kind": kind, "caption": f"woman health worker: dark skin tone {k}", "found": "pie", "lead": lead - 0.01 * k}
        for kind, lead in (("surest", 0.4), ("furthest", -0.3)) for k in range(5)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(png=png, png_named=png, png_found=png)


def ranks_table():
    rows = [
        ("StableRep+ synthetic", "learned from"),
        ("StableRep+ synthetic", "fresh"),
        ("CLIP real", "fresh"),
        ("Pixels", "learned from"),
        ("Pixels", "fresh"),
    ]
    return with_interval([dict(zip(("arm", "source"), one)) for one in rows], "mean").assign(
        concepts=9, captions=12, seeds=1
    )


CASES = {
    "leads": figures.leads,
    "gaps": lambda t: figures.gaps(t, "one-shot"),
    "qualities": figures.qualities,
    "grown": lambda t: figures.grown(t, leads(), "one-shot"),
    "counted": lambda t: figures.counted(t, arms_table(), slopes(), "one-shot"),
    "guidance": lambda t: figures.guidance(t, arms_table(), guidance_peaks(), "one-shot"),
    "scaled": lambda t, real=arms_table(): figures.scaled(t, real, "one-shot"),
    "comparison": lambda t: figures.comparison(t, PROBES, "one-shot", "this run"),
    "scaling": lambda t: figures.scaling(t, scaling_lines(), figure_6(), "one-shot"),
    "faithfulness": figures.faithfulness,
    "set_measures": figures.set_measures,
    "diversity": figures.diversity,
    "sample_grid": figures.sample_grid,
    "retrieved": figures.retrieved,
    "strip": figures.strip,
    "generations": lambda t, shares=generation_shares(), sets=generation_sets(), arms=arms_table(): figures.generations(
        t, shares, sets, arms, "one-shot"
    ),
    "generation_grid": figures.generation_grid,
    "shares": lambda t: figures.shares(t, "tone"),
    "confusion": lambda t: figures.confusion(t, "tone"),
    "groups": lambda t: figures.groups(t, "gender"),
    "contrasts": figures.contrasts,
    "people": lambda t: figures.people(t, TONES),
    "splits": figures.splits,
    "sweep": lambda t: figures.sweep(t, "guidance_scale", ["arm", "probe"], "accuracy"),
    "parts_of_captions": lambda t: figures.parts_of_captions(t, 2.0),
    "properties": lambda t: figures.properties(t, CAPTIONS[0], "concept", 2.0),
    "extremes": lambda t: figures.extremes(t, CAPTIONS[0]),
    "ranks": figures.ranks,
}
TABLES = {
    "leads": transfer_leads, "gaps": gaps_table, "qualities": qualities_table, "grown": grown_table, "counted": counted_table, "guidance": guidance_table, "scaled": guidance_table,
    "comparison": arms_table, "scaling": scaling_table, "shares": shares_table, "confusion": confusion_table,
    "groups": groups_table, "contrasts": contrasts_table, "sample_grid": grid_table, "retrieved": retrieved_table, "strip": strip_table, "people": people_table, "splits": splits_table,
    "faithfulness": over_scales, "diversity": over_scales,
    "set_measures": sets_table, "sweep": sweep_table, "generations": generations_table, "generation_grid": generation_pictures,
    "parts_of_captions": whole_shares, "properties": property_shares, "extremes": extremes_table, "ranks": ranks_table,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_figure_is_drawn_to_the_end_and_leaves_its_table_alone(name):
    table = TABLES[name]()
    before = table.copy(deep=True)
    figure = CASES[name](table)
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    pd.testing.assert_frame_equal(table, before)
    assert all(axis.has_data() for axis in figure.axes)
    width, height = figure.get_size_inches()
    assert width == PAGE and smallest_text(figure) >= 8.25  # points: 11 pixels
    numbers = re.findall(r"\d+(?:\.\d+)?", figure.get_label())
    assert figure.get_label().endswith(".") and numbers  # the alt text says a number
    with figures.for_phones():
        stacked = CASES[name](table)
    stacked.canvas.draw()
    assert stacked.get_size_inches()[0] == PHONE and len(stacked.axes) == len(figure.axes)
    assert stacked.get_label() == figure.get_label()
    if len(figure.axes) > 1:
        starts = {round(axis.get_position().x0, 1) for axis in stacked.axes}
        assert len(starts) <= 2 and stacked.get_size_inches()[1] > height


def smallest_text(figure):
    """Of all text that is seen, in points."""
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return min(text.get_fontsize() for text in found)


def points(container):
    """Places of the markers of an error bar."""
    return container.lines[0].get_xydata()


def test_the_comparison_shows_each_arm_at_its_accuracy_with_its_interval():
    table = arms_table(3)
    figure = figures.comparison(table, PROBES, "one-shot", "the reference")
    assert [axis.get_title() for axis in figure.axes] == ["linear subgroup", "one-shot, primary"]
    for axis, probe in zip(figure.axes, PROBES):
        part = table[table["probe"] == probe]
        shown = np.array([points(c)[0] for c in axis.containers])
        np.testing.assert_allclose(shown[:, 0], 100 * part["accuracy"])
        ends = [c.lines[2][0].get_segments()[0][:, 0] for c in axis.containers]
        np.testing.assert_allclose(ends, 100 * part[["low", "high"]].to_numpy())
        assert [t.get_text() for t in axis.get_yticklabels()] == ARMS
        assert [c.lines[0].get_markerfacecolor() == "white" for c in axis.containers] == [
            "synthetic" not in a for a in ARMS
        ]
        assert [c.lines[0].get_color() for c in axis.containers] == [figures.colour_of(a) for a in ARMS]
    best = table[table["probe"] == "one-shot"].set_index("arm")["accuracy"]
    assert (
        f"the best is {best.idxmax()}, {100 * best.max():.1f} [" in figure.get_label()
        and "3 seeds" in figure.get_label()
    )


def test_scaling_shows_the_points_of_each_panel_in_order_beside_those_of_the_paper():
    table, paper = scaling_table(), figure_6()
    *ours, theirs = figures.scaling(table, scaling_lines(), paper, "one-shot").axes
    for axis, panel in zip(ours, "xy", strict=True):
        assert axis.get_title() == f"{panel}: one-shot" and axis.get_xscale() == "log" and len(axis.containers) == 3
        mine = table[(table["panel"] == panel) & (table["probe"] == "one-shot")]
        for container in axis.containers:
            part = mine[mine["arm"] == container.get_label()].sort_values("captions")
            np.testing.assert_allclose(points(container), part[["captions", "accuracy"]] * [1, 100])
        levels = {line.get_label(): line.get_ydata()[0] for line in axis.lines}
        for floor in mine[mine["captions"] == 0].itertuples():
            assert levels[floor.arm] == pytest.approx(100 * floor.accuracy)
        assert [t.get_text() for t in axis.get_xticklabels()] == ["100", "200", "400", "800"]
    lines = {line.get_label(): line.get_xydata() for line in theirs.lines}
    for method, part in paper.groupby("method"):
        np.testing.assert_allclose(lines[method], part[["captions", "accuracy"]])
    assert theirs.get_xscale() == "log"


def test_more_images_of_a_caption_are_a_panel_of_their_own():
    rows = [("one-shot", 4, 0.5), ("one-shot", 1, 0.4), ("linear", 1, 0.9)]
    images = pd.DataFrame(rows, columns=["probe", "images", "accuracy"]).assign(arm="StableRep synthetic")
    images = images.assign(low=images["accuracy"] - 0.1, high=images["accuracy"] + 0.1)
    axes = figures.scaling(scaling_table(), scaling_lines(), figure_6(), "one-shot", images).axes
    assert len(axes) == 4
    (container,) = axes[-1].containers
    np.testing.assert_allclose(points(container), [[1, 40], [4, 50]])
    assert axes[-1].get_xlabel() == "images of a caption" and [t.get_text() for t in axes[-1].get_xticklabels()] == [
        "1",
        "4",
    ]


def test_a_power_law_is_drawn_with_its_band_where_there_is_one():
    lines = scaling_lines()
    first, second, _ = figures.scaling(scaling_table(), lines, figure_6(), "one-shot").axes

    def laws(axis):
        return [line for line in axis.lines if line.get_linestyle() == "--" and line.get_label().startswith("_")]

    assert not laws(first)
    assert not [one for one in first.collections if isinstance(one, PolyCollection)]
    (law,) = laws(second)
    np.testing.assert_allclose(law.get_xydata(), np.c_[lines["size"], 100 * (1 - lines["error"])])
    (band,) = [one for one in second.collections if isinstance(one, PolyCollection)]
    corners = {(round(x), round(y)) for x, y in band.get_paths()[0].vertices}
    assert {(100, 20), (100, 50), (800, 50), (800, 80)} <= corners
    assert law.get_color() == figures.colour_of("CLIP real")


@pytest.mark.parametrize(
    ("draw", "scale", "real"),
    [(figures.faithfulness, 100, "real images"), (figures.diversity, 1, "between real images")],
)
def test_guidance_scales_are_in_order_beside_real_images(draw, scale, real):
    table = over_scales()
    for axis, name in zip(draw(table).axes, CAPTIONS, strict=True):
        part = table[table["captions"] == name].set_index("guidance_scale")
        assert axis.get_title() == name
        np.testing.assert_allclose(points(axis.containers[0]), [[w, scale * part["mean"][w]] for w in SCALES])
        lines = {line.get_label(): line.get_ydata() for line in axis.lines}
        np.testing.assert_allclose(lines[real], scale * part["mean"][part.index.isna()].item())
        assert np.all(lines["chance"] == np.float64(12.5)) if scale == 100 else "chance" not in lines


def test_captions_of_one_group_and_without_several_real_images_are_drawn():
    """As of photographs."""
    figure = figures.diversity(over_scales(CAPTIONS[:1], real=False))
    assert figure.axes[0].get_legend_handles_labels()[1] == ["generated images"]


def test_sets_that_were_too_small_leave_their_panels_empty():
    figure = figures.set_measures(sets_table()[:0])
    assert [axis.texts[0].get_text() for axis in figure.axes] == ["too few images"] * 3


def test_each_measure_of_sets_is_drawn_at_its_value_beside_real_images():
    table = sets_table()
    drawn = {}
    for axis in figures.set_measures(table).axes:
        dashed = {line.get_color(): line for line in axis.lines if line.get_linestyle() == "--"}
        assert len(dashed) == len(axis.containers)
        for container in axis.containers:
            metric = container.get_label()
            drawn[metric] = points(container)
            real = table[(table["metric"] == metric) & (table["source"] != "generated")]["value"].item()
            np.testing.assert_allclose(dashed[container.lines[0].get_color()].get_ydata(), real)
    assert set(drawn) == set(table["metric"])
    for metric, shown in drawn.items():
        made = table[(table["metric"] == metric) & (table["source"] == "generated")].sort_values("guidance_scale")
        np.testing.assert_allclose(shown, made[["guidance_scale", "value"]])


def test_guidance_has_the_points_of_each_method_its_real_images_and_the_best_scale():
    table, real = (
        guidance_table(),
        arms_table().assign(views=lambda t: t["arm"].map(lambda a: 0 if a == ARMS[0] else 100)),
    )
    figure = figures.guidance(table, real, guidance_peaks(), "one-shot")
    assert [axis.get_title() for axis in figure.axes] == ["SimCLR", "StableRep"]
    for axis, name in zip(figure.axes, ("SimCLR synthetic", "StableRep synthetic")):
        part = table[(table["probe"] == "one-shot") & (table["arm"] == name)].sort_values("guidance_scale")
        (container,) = axis.containers
        np.testing.assert_allclose(points(container), np.stack([part["guidance_scale"], 100 * part["accuracy"]], 1))
    beside = real[(real["probe"] == "one-shot") & (real["arm"] == "SimCLR real")]["accuracy"].item()
    dashed = [line.get_ydata() for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert any(np.allclose(heights, 100 * beside) for heights in dashed)
    best = [
        [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axis.patches if to_hex(patch.get_facecolor()) == GREY.lower()]
        for axis in figure.axes
    ]  # fmt: skip
    assert best == [[(2.5, 8.0)], []]  # one peak is given
    assert "SimCLR synthetic is best at w = 4.0 [2.5, 8.0]" in figure.get_label()


def test_each_way_is_a_line_over_generations_that_begins_at_the_same_set():
    table, shares, sets = generations_table(), generation_shares(), generation_sets()
    floors = arms_table().assign(views=[0 if arm == "Random initialization" else 1000 for arm in arms_table()["arm"]])
    figure = figures.generations(table, shares, sets, floors, "one-shot")
    accuracy, faithful, coverage = figure.axes
    assert len(accuracy.containers) == len(faithful.containers) == len(coverage.containers) == 5
    covered = sets[sets["metric"] == "coverage"]
    first = shares[(shares["measure"] == "top1") & (shares["group"] == "all")]
    for way, middle in zip(dict.fromkeys(table["way"]), faithful.containers):
        made = first[(first["way"] == way) | (first["generation"] == 0)]
        assert np.allclose(points(middle)[:, 1], 100 * made["mean"]) and len(made) == 3
    (line,) = [line for line in faithful.lines if line.get_linestyle() == "--"]
    assert np.allclose(line.get_ydata(), 100 * first[first["generation"].isna()]["mean"].item())
    for way, left, right in zip(dict.fromkeys(table["way"]), accuracy.containers, coverage.containers):
        mine = table[(table["way"] == way) & (table["probe"] == "one-shot")]
        assert np.allclose(points(left)[:, 1], 100 * mine["accuracy"]) and left.get_label() == way
        made = covered[(covered["way"] == way) | (covered["generation"] == 0)]
        assert np.allclose(points(right)[:, 1], made["value"]) and len(made) == 3
    (named,) = figure.legends
    texts = [text.get_text() for text in named.get_texts()]
    assert sorted(texts) == sorted([*dict.fromkeys(table["way"]), "best floor", "real images"])
    last = covered[covered["generation"] == 2].set_index("way")["value"]
    said = ", ".join(f"{way} {last[way]:.2f}" for way in dict.fromkeys(table["way"]))
    assert figure.get_label().endswith(f"; coverage: {said}.")
    none = figures.generations(table, shares[:0], sets[:0], floors, "one-shot")
    assert "last generation" not in none.get_label() and "coverage:" not in none.get_label()
    assert [axis.texts[0].get_text() for axis in none.axes[1:]] == ["nothing to look up", "too few images"]
    none.canvas.draw()


def test_images_of_every_generation_are_synthetic_and_their_marks_filled():
    names = ["StableRep, only real, generation 2", "SimCLR all synthetic", "StableRep real designs", "StableRep 4 real"]
    assert [filled(name) for name in names] == [True, True, False, False]
    assert filled("StableRep 2 real + 2 synthetic") and filled("StableRep real + synthetic")


def test_pictures_are_those_of_the_first_and_the_last_generation():
    figure = figures.generation_grid(generation_pictures())
    titles = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert titles == ["generation 0", "", "replaced", ""]
    assert "by generation 7 of replaced: red heart; owl; pizza" in figure.get_label()


def test_scales_stand_beside_real_images_and_chance():
    chance = pd.DataFrame([{"probe": "one-shot", "chance": 0.02}])
    figure = figures.scaled(table := guidance_table(), real := arms_table(), "one-shot", chance)
    names = table["arm"].drop_duplicates().tolist()
    assert len(figure.axes) == len(names)
    for axis, name in zip(figure.axes, names):
        beside = real[(real["probe"] == "one-shot") & (real["arm"].map(figures.colour_of) == figures.colour_of(name))]
        levels = {round(line.get_ydata()[0], 6) for line in axis.lines if len(set(line.get_ydata())) == 1}
        assert {2.0, *(round(100 * one, 6) for one in beside["accuracy"])} <= levels


def test_numbers_that_were_varied_have_a_panel_each():
    table = counted_table()
    figure = figures.counted(table, arms_table(), slopes(), "one-shot")
    assert [axis.get_title() for axis in figure.axes] == ["images"] * 2
    for axis, name in zip(figure.axes, ("l, images", "m, images")):
        part = table[(table["probe"] == "one-shot") & (table["panel"] == name)].sort_values("number")
        shown = np.concatenate([points(container) for container in axis.containers])
        np.testing.assert_allclose(shown, np.stack([part["number"], 100 * part["accuracy"]], 1))
        assert axis.get_xlabel() == f"{name[0]} (64 to 16 captions)"
    assert "a doubling of l, images: +1.0 [+0.0, +2.0] points" in figure.get_label()


def test_lengths_and_encoders_have_a_panel_each_and_floors_a_line():
    table = grown_table()
    figure = figures.grown(table, leads(), "one-shot")
    assert [axis.get_title() for axis in figure.axes] == ["length of training", "encoder"]
    for axis, x in zip(figure.axes, ("steps", "weights")):
        part = table[(table["probe"] == "one-shot") & (table["panel"] == axis.get_title())].sort_values(x)
        for container, arm in zip(axis.containers, ("StableRep synthetic", "CLIP real"), strict=True):
            mine = part[part["arm"] == arm]
            np.testing.assert_allclose(points(container), np.stack([mine[x], 100 * mine["accuracy"]], 1))
        floors = part[part["arm"] == "Raw pixels"].groupby("encoder")["accuracy"].max()
        (dotted,) = [line.get_ydata() for line in axis.lines if line.get_linestyle() == ":"]
        np.testing.assert_allclose(sorted(set(dotted)), sorted(100 * floors))
    assert [text.get_text() for text in figure.axes[1].get_xticklabels()] == ["test_resnet\n0.4 M", "resnet18\n11.2 M"]
    last = "StableRep synthetic, 1200 test_resnet minus CLIP real, 1200 test_resnet: +2.0"
    assert last in figure.get_label() and "600 resnet18 minus CLIP real, 600 resnet18: +3.0" in figure.get_label()
    assert figure.get_label().count("minus") == 2


def test_leads_have_a_sign_for_each_set_and_an_interval_over_all():
    table = transfer_leads()
    figure = figures.leads(table)
    for axis, measure in zip(figure.axes, ("linear probe", "few-shot"), strict=True):
        mine = table[table["measure"] == measure]
        for name in ("digits", "clip art"):
            (line,) = [line for line in axis.lines if line.get_label() == name]
            np.testing.assert_allclose(line.get_xdata(), 100 * mine[mine["set"] == name]["difference"])
            assert list(line.get_ydata()) == [0, 1]
        over_all = [points(container)[0].tolist() for container in axis.containers]
        assert np.allclose(
            over_all, [[100 * d, k] for k, d in enumerate(mine[mine["set"] == "all sets"]["difference"])]
        )
    assert "few-shot, minus SimCLR real +11.0 [+9.0, +13.0] points" in figure.get_label()


@pytest.mark.parametrize("phone", [False, True])
def test_titles_of_leads_do_not_meet(phone):
    table = transfer_leads().replace(
        {"few-shot": "few-shot recognition", "StableRep+ synthetic": "StableRep synthetic"}
    )
    with figures.for_phones() if phone else nullcontext():
        figure = figures.leads(table)
    assert not overlapping([axis.title for axis in figure.axes])


def test_names_of_few_arms_and_pairs_do_not_meet_on_a_phone():
    differences, arms, seeds = evidence_tables()
    with figures.for_phones():
        figure = figures.evidence(differences.iloc[:1], arms, seeds, {"C2": "not testable at this scale"}, "one-shot")
    for axis in figure.axes:
        assert not overlapping(axis.get_yticklabels())


@pytest.mark.parametrize("phone", [False, True])
def test_names_of_tones_do_not_meet_and_nothing_lies_on_the_bars(phone):
    with figures.for_phones() if phone else nullcontext():
        figure = figures.people(people_table(), [*TONES, "mixed"])
    assert not overlapping(figure.axes[0].get_xticklabels()) and figure.axes[0].get_legend() is None


def overlapping(texts):
    """Pairs of texts of a figure that lie on each other as it is drawn."""
    texts = list(texts)
    texts[0].figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in texts]
    return [(a, b) for k, (a, one) in enumerate(boxes) for b, other in boxes[k + 1 :] if one.overlaps(other)]


def test_panels_share_their_axis_on_a_phone_too_and_each_has_its_numbers():
    with for_phones():
        figure, axes = canvas(2, height=2.0, sharex=True, sharey=True)
    axes[0, 0].set_xlim(0, 7)
    assert axes[0, 1].get_xlim() == (0, 7) and all(one.get_visible() for one in axes[0, 0].get_xticklabels())


def test_gaps_have_a_panel_for_each_method_and_a_row_for_each_part():
    table = gaps_table()
    figure = figures.gaps(table, "one-shot")
    assert [axis.get_title() for axis in figure.axes] == ["StableRep, 3 seeds", "SimCLR, 3 seeds"]
    for axis, method in zip(figure.axes, ("StableRep", "SimCLR")):
        mine = table[(table["method"] == method) & (table["probe"] == "one-shot")]
        shown = np.array([points(container)[0] for container in axis.containers])
        np.testing.assert_allclose(shown, np.stack([100 * mine["difference"], [0, 1, 2]], 1))
        assert [c.lines[0].get_color() for c in axis.containers] == [figures.colour_of(method)] * 3
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == mine["claim"].tolist()
    assert "StableRep, real − synthetic +5.0 [+3.0, +7.0]" in figure.get_label()
    assert "SimCLR, content: reconstructed − synthetic -4.0 [-6.0, -2.0]" in figure.get_label()


def test_a_sweep_shows_each_arm_over_what_was_swept_side_by_side():
    table = sweep_table()
    for axis, probe in zip(figures.sweep(table, "guidance_scale", ["arm", "probe"], "accuracy").axes, PROBES):
        assert axis.get_title() == probe and axis.get_xlabel() == "guidance_scale"
        for container, arm in zip(axis.containers, ARMS[:3], strict=True):
            part = table[(table["probe"] == probe) & (table["arm"] == arm)].sort_values("guidance_scale")
            np.testing.assert_allclose(points(container)[:, 1], 100 * part["value"])
            assert container.get_label() == arm
            assert (
                np.abs(points(container)[:, 0] - part["guidance_scale"]).max() <= 0.15 * np.diff(sorted(SCALES)).min()
            )
        assert len({points(container)[0, 0] for container in axis.containers}) == 3
    counts = figures.sweep(
        table.drop(columns="probe").drop_duplicates(["guidance_scale", "arm"]), "guidance_scale", ["arm"], "captions"
    )
    assert counts.axes[0].get_ylabel() == "captions"


def test_shares_stand_beside_labels_and_balance_for_every_class():
    table = shares_table()
    figure = figures.shares(table, "gender")
    assert [axis.get_title() for axis in figure.axes] == [*GENDERS, UNREAD]
    for axis in figure.axes:
        mine = table[(table["attribute"] == "gender") & (table["label"] == axis.get_title())]
        for container in axis.containers:
            shown = mine[mine["source"] == container.get_label()].dropna(
                subset=["share"]
            )  # what was refused has no mark
            np.testing.assert_allclose(points(container)[:, 1], 100 * shown["share"])
            np.testing.assert_allclose(
                points(container)[:, 0], [SCALES.index(w) for w in shown["guidance_scale"]], atol=0.1
            )
        levels = {round(line.get_ydata()[0], 6) for line in axis.lines if line.get_linestyle() in ("--", ":", "-.")}
        assert levels == {round(100 * s, 6) for s in mine[mine["guidance_scale"].isna()]["share"]}
    assert len(figure.legends[0].get_texts()) == 5


def test_the_confusion_has_labels_in_rows_and_readings_in_columns():
    table = confusion_table()
    table.loc[(table["truth"] == "woman") & (table["prediction"] == "man"), "share"] = 0.25
    axis = figures.confusion(table, "gender").axes[0]
    shown = np.array([t.get_text() for t in axis.texts]).reshape(3, 4)
    assert shown.tolist() == [["100", "25", "0", "0"], ["0", "100", "0", "0"], ["0", "0", "100", "0"]]
    assert [t.get_text() for t in axis.get_yticklabels()] == list(GENDERS)
    assert [t.get_text() for t in axis.get_xticklabels()] == [*GENDERS, "cannot\ntell"]


def test_contrasts_show_each_group_of_each_pair_in_points():
    table = contrasts_table()
    figure = figures.contrasts(table)
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert names[0] == "woman (gender)" and names[-1] == "dark (tone)"
    for axis, (_, part) in zip(figure.axes, table.groupby(["first", "second"], sort=False), strict=True):
        shown = {names[int(y)]: x for container in axis.containers for x, y in points(container)}
        expected = {f"{row.label} ({row.attribute})": 100 * row.difference for row in part.itertuples()}
        assert shown == pytest.approx(expected)
    figures.contrasts(table[:0]).canvas.draw()  # of a corpus in which no concept shows two groups


def test_groups_show_each_encoder_at_its_accuracies_where_it_has_them():
    table = groups_table().iloc[:-1]  # one group has too few people for the last encoder
    axis = figures.groups(table, "gender").axes[0]
    for container in axis.containers:
        part = table[table["arm"] == container.get_label()]
        np.testing.assert_allclose(points(container)[:, 0], 100 * part["accuracy"])
        assert np.round(points(container)[:, 1]).tolist() == [GENDERS.index(label) for label in part["label"]]


def heights(axis):
    return {c.get_label(): [bar.get_height() for bar in c] for c in axis.containers}


def test_what_a_count_lacks_is_drawn_as_zero():
    people = people_table()
    shown = heights(figures.people(people, TONES).axes[0])
    for gender in GENDERS:
        found = people[people["gender"] == gender].set_index("skin_tone")["captions"]
        assert shown[gender] == [found.get(t, 0) for t in range(6)]
    splits = splits_table()
    shown = heights(figures.splits(splits).axes[0])
    for split in ("train", "validation", "test"):
        found = splits[splits["split"] == split].set_index("group")["concepts"]
        assert shown[split] == [found.get(g, 0) for g in sorted(set(splits["group"]))]


def tiles(figure, rows, columns, side):
    """The images of a grid, [rows, columns, side, side, 3], cut out of what is drawn."""
    (axis,) = figure.axes
    drawn = np.asarray(axis.images[0].get_array())
    opaque = drawn[..., 3] == 255
    assert opaque.sum() == rows * columns * side * side  # what lies between is clear
    return drawn[opaque][:, :3].reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4)


@pytest.mark.parametrize("phone", [False, True])
def test_an_image_grid_shows_each_image_in_its_place(phone):
    images = rng.integers(0, 256, (2, 3, 4, 4, 3), dtype=np.uint8)
    with figures.for_phones() if phone else nullcontext():
        figure = figures.image_grid(images, ["one", "two"], ["a", "b", "c"])
    assert np.array_equal(tiles(figure, 2, 3, 4), images)
    (axis,) = figure.axes
    assert [t.get_text() for t in axis.get_xticklabels()] == ["a", "b", "c"]
    rows = [t.get_text() for t in (axis.texts if phone else axis.get_yticklabels())]
    assert rows == ["one", "two"]


@pytest.mark.parametrize("per_scale", [1, 2])
def test_samples_have_a_row_for_each_caption_and_columns_for_each_scale(per_scale):
    table = grid_table().sample(frac=1, random_state=0)  # the order of rows must not matter within a caption
    figure = figures.sample_grid(table, per_scale=per_scale)
    captions = list(dict.fromkeys(table["caption"]))
    asked = [(c, w, i) for c in captions for w in SCALES for i in range(per_scale)]
    known = ["red heart", "owl", "pizza"]
    shown = tiles(figure, 3, len(SCALES) * per_scale, 8).reshape(-1, 8, 8, 3)
    for tile, (caption, w, i) in zip(shown, asked, strict=True):
        assert tile[3, 3].tolist() == [40 * known.index(caption), int(20 * w), 100 * i]


@pytest.mark.parametrize("phone", [False, True])
def test_a_word_with_a_hyphen_stays_whole_in_a_label(phone):
    """On a phone the lines of a label are joined: a word that was broken would have a space within."""
    caption = "man mountain biking: medium-dark skin tone"
    table = grid_table().assign(caption=caption).drop_duplicates(["caption", "guidance_scale", "index"])
    with for_phones() if phone else nullcontext():
        (axis,) = figures.sample_grid(table, per_scale=1).axes
    (label,) = [t.get_text() for t in (axis.texts if phone else axis.get_yticklabels())]
    assert label.split()[-6:] == caption.split() and ("\n" in label) == (len(label) > 52 or not phone)


def test_labels_in_several_lines_begin_at_one_place_within_the_figure():
    """Of eight columns of images and captions as long as those of two people."""
    table = grid_table().assign(index=0)
    table = pd.concat([table.assign(guidance_scale=w) for w in range(1, 9)]).drop_duplicates(
        ["caption", "guidance_scale"]
    )
    table = table.assign(caption=table["caption"] + " in manual wheelchair: medium-light skin tone, facing right")
    figure = figures.sample_grid(table, per_scale=1)
    figure.canvas.draw()
    labels = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert min(one.x0 for one in labels) >= 0 and np.ptp([one.x0 for one in labels]) < 0.1
    assert max(one.x1 for one in labels) <= figure.axes[0].get_window_extent().x0


@pytest.mark.parametrize(("draw", "table", "title"), [
    (figures.retrieved, retrieved_table, "by words,\nown left out"), (figures.strip, strip_table, "found most alike"),
])  # fmt: skip
def test_kinds_of_images_stand_side_by_side_and_gaps_are_clear(draw, table, title):
    figure = draw(table())
    (axis,) = figure.axes
    drawn = np.asarray(axis.images[0].get_array())
    clear = drawn[..., 3] == 0
    tops, lefts = (
        np.flatnonzero(np.diff(edge.all(of).astype(int), prepend=1) < 0) for edge, of in ((clear, 1), (clear, 0))
    )
    for (c, k, i), (top, left) in zip(np.ndindex(2, 3, 2), ((top, left) for top in tops for left in lefts)):
        tile = drawn[top : top + 16, left : left + 16]  # all as large as the largest
        if (c, k, i) == (1, 0, 1):
            assert not tile[..., 3].any()
        else:
            assert (tile == [40 * c, 20 * k, 100 * i, 255]).all()
    assert len(tops) * len(lefts) == 12 and (~clear).sum() == 11 * 16 * 16
    assert [t.get_text() for t in axis.get_yticklabels()] == ["red heart", "owl"]
    assert [t.get_text() for t in axis.get_xticklabels()][-1] == title
    starts = np.flatnonzero(
        np.diff(axis.images[0].get_array()[8, :, 3].astype(int)) > 0
    )  # where images begin but the first
    near, far = np.diff(starts)[:2].tolist()
    assert near > far and len(axis.get_xticks()) == 3  # pairs of a kind stand closer
    assert figure.get_label().startswith("2 captions with real ") and "heart suit" in figure.get_label()


@pytest.mark.parametrize("phone", [False, True])
def test_qualities_have_a_column_each_and_captions_a_row_for_drawings_and_for_scenes(phone):
    with figures.for_phones() if phone else nullcontext():
        figure = figures.qualities(
            qualities_table().sample(frac=1, random_state=0).sort_values("quality", kind="stable")
        )
    shown = tiles(figure, 4, 3, 8)[:, :, 3, 3]
    assert len({tuple(tile) for tile in shown.reshape(-1, 3)}) == 12
    for row, name in zip(
        shown, [t.get_text() for t in (figure.axes[0].texts if phone else figure.axes[0].get_yticklabels())]
    ):
        caption, kind = name.replace("\n", " ").split(": ")
        place = [40 * (caption == "owl"), 100 * (kind == "scene")]
        assert row.tolist() == [[*place, 20 * i] for i in (2, 0, 1)]  # 8 pixels, real, reconstructed
    titles = [t.get_text().replace("\n", "") for t in figure.axes[0].get_xticklabels()]
    assert titles == ["8 pixels", "real", "recon-structed"]
    said = figure.get_label()
    assert (
        said.endswith("in 3 qualities: 8 pixels, real, reconstructed.") and "as drawing" in said and "as scene" in said
    )


def contrast(one: str, other: str) -> float:
    """By the guidelines for accessible content (WCAG 2.2, 1.4.3)."""

    def luminance(colour: str) -> float:
        parts = np.array(to_rgb(colour))
        return float(
            np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        )

    low, high = sorted(luminance(colour) + 0.05 for colour in (one, other))
    return high / low


def test_the_vertical_axis_is_named_once_a_row_and_at_each_panel_of_a_phone():
    def named() -> list[str]:
        _, axes = canvas(2, 2, panels=3)
        name_vertical(axes, "loss")
        return [axis.get_ylabel() for axis in axes.flat if axis is not None]

    assert named() == ["loss", "", "loss"]
    with for_phones():
        assert named() == ["loss", "loss", "loss"]


def test_places_that_no_panel_takes_leave_no_room_on_a_phone():
    figure, axes = canvas(2, 2, panels=3, height=2.0)
    assert len(figure.axes) == 3 and axes.shape == (2, 2) and axes[1, 1] is None and figure.get_figheight() == 4
    with for_phones():
        figure, axes = canvas(2, 2, panels=3, height=2.0)
    assert len(figure.axes) == 3 and list(axes.flat) == [*figure.axes, None] and figure.get_figheight() == 6


def test_contrast_by_hand():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.01
    )


def test_numbers_of_the_confusion_are_read_on_their_cells_and_do_not_change_with_the_page():
    table = confusion_table()
    table["share"] = np.linspace(0, 1, len(table))
    axis = figures.confusion(table, "gender").axes[0]
    axis.collections[0].update_scalarmappable()  # as drawing does
    grounds = axis.collections[0].get_facecolors()
    assert len(grounds) == len(axis.texts) == 12
    for text, ground in zip(axis.texts, grounds):
        assert contrast(text.get_color(), to_hex(ground)) >= 4.5, text.get_text()
        assert to_hex(text.get_color()) not in [drawn for drawn, _ in _THEMED]


@pytest.mark.parametrize("ground", ["#ffffff", "#14181e"])
def test_methods_stand_out_from_both_grounds(ground):
    for title, colour in figures.METHOD_COLOURS.items():
        assert contrast(colour, ground) >= 3, title


def test_an_arm_has_the_colour_of_its_method_and_floors_are_grey():
    colours = {arm.name: figures.colour_of(arm.name) for arm in STUDY_ARMS}
    assert colours["SimCLR all synthetic"] == colours["SimCLR real"] == figures.METHOD_COLOURS["SimCLR"]
    assert colours["StableRep+ synthetic"] == figures.METHOD_COLOURS["StableRep+"] != colours["StableRep synthetic"]
    assert {colours[arm.name] for arm in STUDY_ARMS if not arm.trained} == {GREY}
    assert GREY not in figures.METHOD_COLOURS.values()


def test_positives_are_green_where_ids_agree_and_the_diagonal_is_empty():
    images = rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    figure = figures.positives(images, {"pairs": [0, 0, 1, 1], "nobody": [0, 1, 2, 3]}, ["cat", "cat", "dog", "dog"])
    assert [axis.get_title() for axis in figure.axes] == ["pairs", "nobody", "CLIP: each view with its caption"]
    kinds = [axis.images[0].get_array().data.tolist() for axis in figure.axes]
    assert kinds[0] == [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 1], [0, 0, 1, 2]]
    assert kinds[1] == (2 * np.eye(4, dtype=int)).tolist()
    assert kinds[2] == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert [t.get_text() for t in figure.axes[2].get_xticklabels()] == ["cat", "dog"]
    sides = [box.offsetbox.get_data() for box in figure.axes[0].artists]
    assert len(sides) == 8 and all(any(np.array_equal(side, image) for side in sides) for image in images)
    figure.canvas.draw()


def test_curves_give_every_method_its_panel():
    table = pd.DataFrame(
        {"arm": ["A"] * 3 + ["CLIP"] * 3, "step": [0, 1, 2] * 2, "loss": [3.0, 2.0, 1.0, 9.0, 8.0, 8.5]}
    )
    figure = figures.curves(table)
    assert [axis.get_title() for axis in figure.axes] == ["A", "CLIP"]
    assert [axis.lines[0].get_color() for axis in figure.axes] == [GREY, figures.METHOD_COLOURS["CLIP"]]
    assert figure.axes[1].lines[0].get_ydata().tolist() == [9.0, 8.0, 8.5]
    figure.canvas.draw()


def test_the_example_batch_shows_what_each_scheme_takes_for_positives():
    from stablerep.figures.examples import example_batch

    views, schemes, captions = example_batch()
    assert views.shape == (12, 32, 32, 3) and views.dtype == np.uint8
    assert captions == ["cat face"] * 4 + ["dog face"] * 4 + ["pie"] * 4
    simclr, stablerep, supcon = (list(ids) for ids in schemes.values())
    assert simclr == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5] and stablerep == [0] * 4 + [1] * 4 + [2] * 4
    assert supcon == [0] * 8 + [1] * 4  # cats and dogs are of one subgroup
    assert len({view.tobytes() for view in views}) == 12


def test_designs_of_a_caption_stand_side_by_side_and_gaps_are_clear(emoji):
    part = emoji.where(
        emoji.table["caption"].isin(["red heart", "pizza"]) & emoji.table["design"].isin(["noto", "twemoji"])
    )
    part = part.where(
        part.table["id"]
        != part.table["id"][(part.table["caption"] == "pizza") & (part.table["design"] == "noto")].item()
    )
    figure = figures.designs_of(part, ["pizza", "red heart"], ["twemoji", "noto"], 16)
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    pixels = {
        (row.caption, row.design): image
        for row, image in zip(part.table.itertuples(), part.images(16).permute(0, 2, 3, 1).numpy())
    }
    for (i, caption), (j, design) in product(enumerate(["pizza", "red heart"]), enumerate(["twemoji", "noto"])):
        tile = drawn[17 * i + 1 : 17 * i + 17, 17 * j : 17 * j + 16]  # a pixel between two of them
        if (caption, design) in pixels:
            assert (tile[..., 3] == 255).all() and np.array_equal(tile[..., :3], pixels[caption, design])
        else:
            assert not tile[..., 3].any()
    assert ("pizza", "noto") not in pixels


def test_scenes_stand_below_their_drawings_a_strength_in_a_row(emoji):
    part = emoji.where(emoji.table["caption"].isin(["red heart", "pizza"]) & (emoji.table["design"] == "noto"))
    strengths = [0, 0.5, 1]
    figure = figures.scenes_of(part, strengths, 16)
    shown = tiles(figure, 3, 2, 16)
    drawings = part.images(16)
    for row, strength in zip(shown, strengths):
        scenes = Camera.of_strength(strength).scenes(drawings, part.table["id"].tolist())
        assert np.array_equal(row, scenes.permute(0, 2, 3, 1).numpy())  # of an image, its own scene
    assert np.array_equal(shown[0], drawings.permute(0, 2, 3, 1).numpy()) and not np.array_equal(shown[1], shown[2])
    labels = [" ".join(t.get_text().split()) for t in figure.axes[0].get_yticklabels()]
    assert labels == ["drawings", "scenes, strength 0.5", "scenes, strength 1"]
    figure.canvas.draw()


def evidence_tables():
    rows = [
        ("StableRep synthetic", 0.4, 800),
        ("CLIP real", 0.3, 800),
        ("Raw pixels", 0.1, 0),
        ("Oriented gradients", 0.2, 0),
    ]
    arms = pd.DataFrame(rows, columns=["arm", "accuracy", "views"]).assign(probe="one-shot", seeds=2)
    arms = pd.concat([arms, arms.assign(probe="linear", accuracy=0.9)]).assign(low=0.05, high=0.5)
    differences = pd.DataFrame({
        "claim": ["C2", "control"], "probe": "one-shot", "first": "StableRep synthetic", "second": ["CLIP real", "Raw pixels"],
        "difference": [0.1, 0.3], "low": [0.05, 0.2], "high": [0.15, 0.4],
    })  # fmt: skip
    seeds = pd.DataFrame([
        {"arm": name, "probe": "one-shot", "seed": seed, "accuracy": accuracy + seed * (name == "CLIP real") / 100}
        for name, accuracy, _ in rows for seed in (0, 1)
    ])  # fmt: skip
    return differences, arms, seeds


def test_the_evidence_shows_arms_above_floors_and_differences_with_their_words():
    differences, arms, seeds = evidence_tables()
    figure = figures.evidence(differences, arms, seeds, {"C2": "undecided"}, "one-shot")
    upper, lower = figure.axes
    assert [t.get_text() for t in upper.get_yticklabels()] == [
        "StableRep synthetic",
        "CLIP real",
        "Oriented gradients",
        "Raw pixels",
    ]
    marks = [line for line in upper.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in marks] == pytest.approx([40, 30, 20, 10])
    assert [line.get_markerfacecolor() == "white" for line in marks] == [False, True, True, True]
    (floor,) = [line for line in upper.lines if line.get_linestyle() == ":"]
    assert floor.get_xdata()[0] == pytest.approx(20) and upper.get_xlabel().endswith(
        "the best floor, oriented gradients"
    )
    names = [label.get_text() for label in lower.get_yticklabels()]
    assert names[0].startswith("C2, undecided:") and names[1].startswith("control:")
    intervals = [list(c.lines[2][0].get_segments()[0][:, 0]) for c in lower.containers]
    assert intervals == [pytest.approx([5, 15]), pytest.approx([20, 40])]
    dots = [line.get_xdata().tolist() for line in lower.lines if line.get_marker() == "."]
    assert dots == [pytest.approx([10, 9]), pytest.approx([30, 30])]  # of each seed
    said = figure.get_label()
    assert "StableRep synthetic minus CLIP real +10.0 [+5.0, +15.0] points" in said
    assert "the best arm is StableRep synthetic, 40.0 [5.0, 50.0] %" in said


def test_of_a_figure_for_one_method_the_others_are_left_out_and_the_floors_kept():
    differences, arms, _ = evidence_tables()
    other = differences.assign(first="CLIP real", claim="language")
    pairs, shown = figures.of_first_method(pd.concat([other, differences]), arms)
    assert pairs["claim"].tolist() == ["C2", "control"]
    assert shown["arm"].unique().tolist() == ["StableRep synthetic", "Raw pixels", "Oriented gradients"]


def test_a_drawing_keeps_both_widths_alt_text_and_files():
    differences, arms, seeds = evidence_tables()
    kept = Drawing(figures.evidence, differences, arms, seeds, {}, "one-shot")._repr_mimebundle_()
    about = kept[FIGURE]
    assert kept["image/svg+xml"].lstrip().startswith("<?xml") and "<text" in kept["image/svg+xml"]  # text stays text
    assert about["alt"] == kept["text/plain"] and "+10.0" in about["alt"]
    assert about["csv"].splitlines()[0].startswith("claim,probe,first,second,difference")
    widths = [
        float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1]) for svg in (kept["image/svg+xml"], about["narrow"])
    ]
    assert widths == pytest.approx([72 * PAGE, 72 * PHONE])
    again = Drawing(figures.evidence, differences, arms, seeds, {}, "one-shot")._repr_mimebundle_()
    assert again == kept  # byte for byte
    assert not plt.get_fignums()


def test_a_table_with_pictures_is_kept_without_them():
    about = Drawing(figures.sample_grid, grid_table())._repr_mimebundle_()[FIGURE]
    assert about["csv"].splitlines()[0] == "captions,caption,guidance_scale,index"


def test_mixtures_have_a_line_for_each_method_over_the_images_that_are_to_be_real():
    rows = [(method, real, probe) for method in ("StableRep", "SimCLR") for real in (4, 0, 2) for probe in PROBES]
    table = with_interval([dict(zip(("method", "real", "probe"), row)) for row in rows]).assign(total=4)
    arms = pd.DataFrame(
        {"arm": ["Raw pixels", "StableRep real"], "probe": PROBES[0], "views": [0, 9], "accuracy": [0.05, 0.9]}
    )
    figure = figures.mixtures(table, arms, PROBES[0])
    (axis,) = figure.axes
    mine = table[table["probe"] == PROBES[0]].sort_values("real")
    for method, line in zip(("StableRep", "SimCLR"), axis.containers):
        part = mine[mine["method"] == method]
        assert line.get_label() == method and line.lines[0].get_xdata().tolist() == [0, 2, 4]
        assert np.allclose(line.lines[0].get_ydata(), 100 * part["accuracy"])
        assert line.lines[0].get_markerfacecolor() != "white"
    (floor,) = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert floor.get_ydata()[0] == pytest.approx(5)
    assert axis.get_xlabel() == "real images asked for, of the 4 of a caption"
    assert "StableRep" in figure.get_label() and "with 4" in figure.get_label()


def test_each_part_of_captions_is_drawn_at_its_share_real_images_hollow():
    table = whole_shares()
    figure = figures.parts_of_captions(table, 2.0)
    names = ["concept", "tone", "gender", "whole caption", "whole caption, where told"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == names
    for axis, group in zip(figure.axes, CAPTIONS, strict=True):
        mine = table[(table["captions"] == group) & table["measure"].isin(names) & (table["guidance_scale"] != 8)]
        assert axis.get_title() == group and len(axis.containers) == len(mine) == 10
        for container, row in zip(axis.containers, mine.itertuples()):
            x, y = points(container)[0]
            assert x == pytest.approx(100 * row.mean) and round(y) == names.index(row.measure)
            assert (container.lines[0].get_markerfacecolor() == "white") == (row.source == "real")


def test_bins_are_in_the_order_of_their_values():
    table = property_shares()
    for axis, name in zip(
        figures.properties(table, CAPTIONS[0], "concept", 2.0).axes, dict.fromkeys(table["property"]), strict=True
    ):
        assert [text.get_text() for text in axis.get_xticklabels()] == [
            "1 to 3",
            "8 to 10",
        ] and axis.get_xlabel() == name
        assert [container.get_label() for container in axis.containers] == ["real images", "generated images"]
        made = table[(table["property"] == name) & (table["guidance_scale"] == 2)].sort_values("middle")
        np.testing.assert_allclose(points(axis.containers[1])[:, 1], 100 * made["mean"])


def test_an_encoder_that_was_not_asked_leaves_its_row_free():
    learned, fresh = figures.ranks(ranks_table()).axes
    assert len(learned.containers) == 2 and len(fresh.containers) == 3
    assert [text.get_text() for text in learned.get_yticklabels()] == ["StableRep+ synthetic", "CLIP real", "Pixels"]
    none = figures.ranks(ranks_table()[:0])
    assert none.axes[0].texts[0].get_text() == "no caption with right and wrong images"


def test_a_word_with_hyphens_breaks_at_them_where_a_line_has_no_room_for_it():
    assert in_lines("medium-dark skin tone", 12) == "medium-dark\nskin tone"
    assert in_lines("medium-dark-skinned man", 18) == "medium-dark-\nskinned man"
