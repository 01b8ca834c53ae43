"""Plans by hand, their costs, and that they compute nothing. That they list what a chapter then asks for is held where the chapters are
computed, by ``tests/study/book/test_whole.py``."""

from __future__ import annotations

import json
import math
from collections import Counter
from types import SimpleNamespace

import pytest
from torch.utils.benchmark import Timer

from stablerep.errors import InputError
from stablerep.methods import METHODS
from stablerep.study.chapters import corpus, resolve, schemas
from stablerep.study.chapters.compare import STRIP
from stablerep.study.experiments.arms import ARMS
from stablerep.study.experiments.steps import EVALUATION, PRETRAINING, RECONSTRUCTED, SYNTHESIS
from stablerep.study.notebooks.execution import NOTEBOOK
from stablerep.study.parameters.presets import PRESETS
from stablerep.study.plans import planning
from stablerep.study.plans.costs import Costs, duration, size
from stablerep.study.plans.planning import (
    ChapterPlan,
    PlanningStore,
    PlanningStudy,
    describe_plan,
    plan_chapters,
    preset_costs,
    summary,
    total,
)
from stablerep.study.plans.speed import NOMINAL, measure_speed
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs")


def steps_of(plan: ChapterPlan) -> list[str]:
    return [run.step for run in plan.runs]


def test_comparison_by_hand(store):
    p = resolve("compare", {
        "captions": 100, "images_per_caption": 4, "seeds": 2, "steps": 10, "views_per_step": 64, "arms": [one.name for one in ARMS],
    })  # fmt: skip
    (plan,) = plan_chapters([("compare", p)], store, speed=1.0)
    trained = [arm for arm in ARMS if arm.trained]
    runs = (
        2 * len(trained) - 2
    )  # at the first seed, redrawn images are those of SimCLR synthetic and of StableRep synthetic
    evaluations = runs + 2 + 2  # random weights at each seed, and two floors that have none
    count = {step: steps_of(plan).count(step) for step in set(steps_of(plan))}
    assert count == {
        "synthesis": 6, "reconstructed": 1, "pretraining": runs, "evaluation": evaluations, "strip": 1,
    }  # fmt: skip
    weights = {"clip": 2.4, "stablerep+": 1.35}  # captions are read: all of them, or one for each four images
    expected = (
        # at SimCLR's guidance scale and at that of all others: all images, and one of each caption; and one of each, and all, redrawn
        (2 * (400 + 100) + 100 + 400) * 2 * p.sampling_steps / SYNTHESIS.rate
        + 100 / RECONSTRUCTED.rate
        + (2 * sum(weights.get(arm.method, 1) for arm in trained) - 2) * 640 / PRETRAINING.rate
        + evaluations * EVALUATION.seconds
        + STRIP.seconds
        + count["synthesis"] * SYNTHESIS.seconds
        + runs * PRETRAINING.seconds
    )
    assert total([plan]).seconds == pytest.approx(expected + NOTEBOOK.seconds)


def test_bias_takes_the_encoders_of_the_comparison(store):
    given = {"preset": "laptop", "captions": 64, "views_per_step": 64}
    chapters = {"compare": {}, "bias_representation": {"real_shares": []}}
    compare, mine = plan_chapters([(name, resolve(name, given | own)) for name, own in chapters.items()], store)
    assert "pretraining" in steps_of(compare) and "pretraining" not in steps_of(mine)
    assert {"people"} == set(steps_of(mine))


def test_methods_share_their_encoders_with_the_comparison(store):
    given = {"captions": 64, "views_per_step": 64, "steps": 10}
    arms = {"arms": [f"{name} real designs" for name in ("SimCLR", "CLIP", "StableRep", "Supervised")]}
    plans = plan_chapters(
        [("compare", resolve("compare", given | arms)), ("methods", resolve("methods", given))], store
    )  # fmt: skip
    assert [steps_of(plan).count("pretraining") for plan in plans] == [4, len(METHODS) - 4]


def test_scaling_takes_its_largest_encoders_from_the_comparison(store):
    given = {"captions": 64, "views_per_step": 64}
    plans = plan_chapters(
        [("compare", resolve("compare", given)), ("scaling", resolve("scaling", given | {"caption_counts": [32, 64]}))],
        store,
    )
    # of the smaller set, two arms at as many views and two at half of them; their probes, and none of floors
    assert Counter(steps_of(plans[1])) == {"pretraining": 4, "evaluation": 4}


def test_a_book_from_stored_results_asks_for_nothing(store):
    wanted = [(name, resolve(name, {"preset": "reference", "live": False})) for name in schemas()]
    for plan in plan_chapters(wanted, store):
        assert plan.runs == [] and not plan.executed


def test_the_corpus_is_tables_and_drawings(store):
    (plan,) = plan_chapters([("corpus", resolve("corpus", {}))], store)
    assert plan.runs == [] and total([plan]).seconds == NOTEBOOK.seconds


ENCODER = ["transformers", "CLIPTextModel"]
SOUND = {
    "_class_name": "StableDiffusionPipeline",
    "text_encoder": ENCODER,
    "unet": ["diffusers", "UNet2DConditionModel"],
}


@pytest.mark.parametrize(("index", "said"), [
    (SOUND | {"_class_name": "StableDiffusionXLPipeline", "text_encoder_2": ENCODER}, "is a StableDiffusionXLPipeline with 2 text encoders"),
    (SOUND, "holds unet/diffusion_pytorch_model.bin and no safetensors"),
    (None, "has no model_index.json"),
])  # fmt: skip
def test_a_generator_that_cannot_serve_is_refused_before_anything_is_computed(tmp_path, monkeypatch, index, said):
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("STABLEREP_PATHS", str(tmp_path))
    (tmp_path / "g" / "unet").mkdir(parents=True)
    (tmp_path / "g" / "unet" / "diffusion_pytorch_model.bin").touch()
    if index:
        (tmp_path / "g" / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=f"^[^\n]*{said}[^\n]*$"):
        plan_chapters([("compare", resolve("compare", {"preset": "smoke", "generator": str(tmp_path / "g")}))])
    with pytest.raises(InputError, match="owner/name on the Hub"):
        plan_chapters([("compare", resolve("compare", {"preset": "smoke", "generator": "emojis"}))])
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["generator", "methods", "bias_representation"])
def test_too_many_captions_are_told_by_the_plan(name, store):
    with pytest.raises(ValueError, match="captions is 9999"):
        plan_chapters([(name, resolve(name, {"captions": 9999}))], store)


def test_text_of_a_plan(store):
    text = describe_plan("compare", resolve("compare", {"preset": "smoke", "guidance_scale": 4}), store)
    first, *_, counts, cost = text.splitlines()
    assert first == "compare at preset smoke: guidance_scale = 4.0 instead of 2.0"
    assert "192 images of 96 captions, w = 4, seed 0: compute, about" in text
    assert counts == "Of 35 runs 0 exist and 35 would be computed; 1 notebook would be executed."
    assert "of memory" in cost and "on disk, of which" in cost
    assert not store.root.exists()


def test_a_run_of_earlier_code_is_shown_by_the_key_that_it_has(store, monkeypatch):
    captions = {"corpus": "a"}
    old = store.obtain(Step("counting"), parameters={"n": 1}, inputs=captions, compute=lambda folder: {})
    monkeypatch.setenv("STABLEREP_ACCEPT", "counting")
    later = Step("counting", code=("stablerep.losses",))  # the same step, whose code is another

    def ask(p, study):
        assert study.store.obtain(later, parameters={"n": 1}, inputs=captions).key == old.key

    monkeypatch.setattr(corpus, "ask", ask)
    text = describe_plan("corpus", resolve("corpus", {}), store)
    assert f"{old.key[-16:]}  : exists, made by earlier code" in text and "Of 1 runs 1 exist" in text


def test_a_disk_that_is_too_small_is_said(store, monkeypatch):
    plans = plan_chapters([("compare", resolve("compare", {"preset": "smoke"}))], store)
    monkeypatch.setattr(planning.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    assert summary(plans, store).splitlines()[-1].startswith("That does not fit: free some space")


def test_executed_notebooks_leave_nothing_to_do(store):
    plan = ChapterPlan("compare", True, [])
    assert "nothing would be computed" in summary([plan], store)
    assert total([plan]).seconds == 0


# Costs


def obtain(store: RunStore, step: Step, parameters: dict, inputs: dict, content: bytes = b"x" * 1000):
    def compute(folder):
        (folder / "weights.bin").write_bytes(content)

    return store.obtain(step, parameters=parameters, inputs=inputs, compute=compute)


IMAGES = {"captions": 10, "images_per_caption": 4, "steps": 5, "guidance_scale": 2.0, "precision": "float32", "seed": 0}
ENCODER = {"name": "resnet10t", "stem": "full", "image_size": 32, "patch_size": 0, "depth": 0}
TRAINING = {"method": "simclr", "steps": 10, "views_per_step": 64, "seed": 0, "encoder": ENCODER}


@pytest.mark.parametrize(("w", "passes"), [(1.0, 200), (1.5, 400), (8.0, 400)])
def test_guidance_doubles_the_passes_of_a_step(w, passes):
    assert SYNTHESIS.amount(IMAGES | {"guidance_scale": w}) == passes


def test_an_interval_costs_a_second_pass_where_it_guides():
    limited = IMAGES | {"guidance_interval": [0.3, 5.0], "guided_steps": 2}
    assert SYNTHESIS.amount(limited) == 40 * (5 + 2)
    assert SYNTHESIS.describe(limited) == "40 images of 10 captions, w = 2 for noise of 0.3 to 5, seed 0"


def test_costs_come_from_earlier_runs_of_the_same_kind(store):
    run = obtain(store, PRETRAINING, TRAINING, {"images": "a"})
    costs = Costs(store)
    found = costs.of(PRETRAINING, TRAINING | {"steps": 20, "seed": 1}, {"images": "b"})
    assert found.seconds == pytest.approx(2 * run.info["provenance"]["seconds"])
    assert found.memory == run.info["provenance"]["peak_memory_bytes"] and found.disk == pytest.approx(1000)
    other = costs.of(PRETRAINING, TRAINING | {"method": "clip"}, {"images": "a"})
    assert other.seconds == pytest.approx(
        PRETRAINING.seconds + 2.4 * 640 / PRETRAINING.rate
    )  # captions have to be read
    assert Costs(None, speed=2.0).of(PRETRAINING, TRAINING, {}).seconds == pytest.approx(
        PRETRAINING.seconds / 2 + 320 / PRETRAINING.rate
    )


def test_a_few_steps_do_not_foretell_thousands(store):
    """Runs of smoke take most of their time to start: an hour was foretold for a chapter of three minutes."""
    obtain(store, PRETRAINING, TRAINING, {"images": "a"})
    costs, hundred = Costs(store, speed=1.0), TRAINING | {"steps": 1000}
    assert costs.of(PRETRAINING, hundred, {}).seconds == pytest.approx(PRETRAINING.estimate(hundred))
    assert costs.of(PRETRAINING, TRAINING | {"steps": 200}, {}).seconds != pytest.approx(
        20 * PRETRAINING.estimate(TRAINING)
    )


def test_the_machine_is_measured_where_a_run_is_long_and_new(monkeypatch):
    asked = []
    monkeypatch.setattr("stablerep.study.plans.costs.measure_speed", lambda threads: asked.append(threads) or 0.5)
    costs, long = Costs(threads=3), TRAINING | {"steps": 10_000}
    assert costs.of(PRETRAINING, TRAINING, {}).seconds == pytest.approx(PRETRAINING.estimate(TRAINING)) and not asked
    assert [costs.of(PRETRAINING, long, {}).seconds for _ in range(2)] == [2 * PRETRAINING.estimate(long)] * 2
    assert asked == [3]
    Costs(speed=2.0).of(PRETRAINING, long, {})
    assert asked == [3]


def test_speed_is_passes_a_second_against_those_of_the_rates(monkeypatch):
    assert math.isfinite(measured := measure_speed(0.01)) and measured > 0
    monkeypatch.setattr(Timer, "blocked_autorange", lambda self, min_run_time: SimpleNamespace(median=2.0))
    assert measure_speed.__wrapped__() == 1 / 2.0 / NOMINAL


def test_disk_of_a_set_goes_by_images(store):
    obtain(store, SYNTHESIS, IMAGES, {"generator": "g", "captions": "c"})
    found = Costs(store).of(SYNTHESIS, IMAGES | {"captions": 20, "steps": 50}, {"generator": "g"})
    assert found.disk == pytest.approx(2 * 1000)


def test_every_step_of_the_study_says_what_it_is_and_costs(store):
    plans = plan_chapters([(name, resolve(name, {"preset": "smoke"})) for name in schemas()], store)
    runs = [run for plan in plans for run in plan.runs]
    assert {run.step for run in runs} >= {
        "synthesis",
        "pretraining",
        "evaluation",
        "judgement",
        "reading",
        "people",
        "diagnostics",
    }
    assert all(run.what and run.cost.seconds > 0 and run.cost.disk > 0 for run in runs)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (12.4, "12 s"), (270, "4.5 min"), (11520, "3.2 h"), (8640000, "100 days")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_sizes():
    assert (size(2e5), size(1.44e9), size(4.5e13)) == ("0.2 MB", "1.4 GB", "45.0 TB")


def test_presets_cost_more_the_larger_they_are():
    costs = dict(preset_costs(1.0, 1))
    assert tuple(costs) == PRESETS and "not estimated" in costs["paper"]
    slow = dict(preset_costs(0.25, 1))
    two = dict(preset_costs(1.0, 2))
    for preset in PRESETS[:-1]:
        assert "about" in costs[preset]
        assert len({costs[preset], slow[preset], two[preset]}) == 3


def test_the_store_of_a_plan_says_what_is_not_there(store):
    planning_store, ran = PlanningStore(store.root), []
    for _ in range(2):
        run = planning_store.obtain(
            Step("people", describe=lambda p: "a probe on people"),
            parameters={},
            inputs={},
            needs=lambda: ran.append("needs"),
            compute=None,
        )
    assert ran == ["needs"] and run.table().empty
    (planned,) = planning_store.planned.values()
    assert planned.what == "a probe on people" and not planned.exists and not store.root.exists()


def test_of_a_corpus_that_a_plan_does_not_read_a_caption_may_have_any_number_of_images(store):
    study = PlanningStudy(PlanningStore(store.root))
    study.corpus = None  # which reading would need
    study.summary = SimpleNamespace(images=5_000_000)
    assert study.most_images() == 5_000_000


def test_a_chapter_that_computes_nothing_and_has_nothing_stored_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("stablerep.study.chapters.STORED", tmp_path / "results")
    wanted = [(name, resolve(name, {"live": name != "corpus"})) for name in ("photographs", "corpus")]
    plans = plan_chapters(wanted, RunStore(tmp_path / "runs"))
    assert all(plan.empty and not plan.waits and plan.runs == [] for plan in plans)
    assert total(plans).seconds == 0 and "nothing would be computed" in summary(plans, RunStore(tmp_path / "runs"))
