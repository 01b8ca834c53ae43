"""Parameters: presets fill what is not given, and every mistake is told at once, in sentences, before anything runs."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal, get_args, get_origin

import papermill
import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from stablerep.corpus.emoji import HELD_OUT
from stablerep.errors import InputError
from stablerep.study.chapters import chapter, chapter_names, preset_differences, resolve, schemas
from stablerep.study.commands.main import app
from stablerep.study.notebooks import execution
from stablerep.study.parameters import presets
from stablerep.study.parameters.base import Preset
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.parameters.paths import PATHS, allow_paths, anchor_paths, outside_path, published_paths
from stablerep.study.parameters.text_values import schema_value
from stablerep.study.root import PROJECT

ALL = [(preset, notebook) for preset in presets.PRESETS for notebook in schemas()]


def problems(notebook: str, **given) -> list[str]:
    with pytest.raises(ParameterError) as error:
        resolve(notebook, given)
    lines = str(error.value).splitlines()
    assert all(line.endswith((".", "?")) for line in lines), lines
    return lines


# Presets


def given_for(preset: str, name: str) -> dict:
    """The preset, and the corpus where the preset asks for one."""
    needs = preset == "paper" and "corpus" in schemas()[name].model_fields
    return {"preset": preset} | ({"corpus": "hub:owner/captions"} if needs else {})


@pytest.mark.parametrize(("preset", "notebook"), ALL)
def test_every_preset_fills_every_chapter(preset, notebook):
    resolved = resolve(notebook, given_for(preset, notebook))
    assert resolved.preset == preset and resolved.live is True and getattr(resolved, "seed", 0) == 0
    expected = presets.preset_values(schemas()[notebook], chapter(notebook).PRESETS, preset) | given_for(
        preset, notebook
    )
    assert resolved.model_dump() == expected  # nothing was converted on the way, and nothing is missing


@pytest.mark.parametrize("notebook", schemas())
def test_presets_override_names_that_exist(notebook):
    """A preset changes only names that the laptop has too: a misspelt override would be lost."""
    for values in chapter(notebook).PRESETS.values():
        assert set(values) <= set(chapter(notebook).PRESETS["laptop"])


def test_presets_are_those_of_the_schema():
    assert get_args(Preset) == presets.PRESETS
    assert all(set(chapter(name).PRESETS) <= set(presets.PRESETS) for name in schemas())


def test_the_paper_needs_captions_by_the_million(emoji):
    there = f"have {emoji.to_learn_from().table['caption'].nunique():,} captions to learn from"
    for name, schema in schemas().items():
        if "corpus" in schema.model_fields:
            (line,) = problems(name, preset="paper")
            assert line.startswith(f"the preset paper needs corpus, for {name} too: ") and there in line
            assert "needs corpus" not in problems(name, preset="paper", corpus="hub:owner/captions", seed=-1)[0]
        else:
            assert resolve(name, {"preset": "paper"}).preset == "paper"
    assert resolve("compare", {"preset": "paper", "corpus": "emoji"}).corpus == "emoji"  # who says so means it
    assert len(problems("compare", preset="paper", seeds=0, guidance_scael=4)) == 3  # told with all other mistakes


def test_laptop_is_the_default():
    assert resolve("compare", {}) == resolve("compare", {"preset": "laptop"})


def test_given_values_win_over_the_preset():
    resolved = resolve("compare", {"preset": "smoke", "guidance_scale": 4, "seeds": 2})
    smoke = resolve("compare", {"preset": "smoke"})
    assert (resolved.guidance_scale, resolved.seeds) == (4.0, 2)
    assert resolved == smoke.model_copy(update={"guidance_scale": 4.0, "seeds": 2})


def test_differences_from_the_preset():
    assert preset_differences("compare", resolve("compare", {"preset": "smoke"})) == {}
    changed = resolve("compare", {"preset": "smoke", "guidance_scale": 4, "seeds": 1, "live": False})
    assert preset_differences("compare", changed) == {"live": (False, True), "guidance_scale": (4.0, 2.0)}


def test_paper_preset_holds_the_papers_numbers():
    paper = resolve("compare", {"preset": "paper", "corpus": "hub:owner/captions"})
    assert paper.generator == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert (paper.sampler, paper.sampling_steps) == ("ddim", 50)
    assert (paper.images_per_caption, paper.positives) == (10, 6)
    assert (paper.guidance_scale, paper.simclr_guidance_scale, paper.clip_guidance_scale) == (2.0, 8.0, 2.0)
    rates = {paper.learning_rate, paper.simclr_learning_rate, paper.clip_learning_rate, paper.supervised_learning_rate}
    assert rates == {3.2e-3}  # the same for all methods
    assert (paper.encoder, paper.crop_min) == ("vit_base_patch16_224", 0.08)


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_presets_ask_for_results_on_scenes(preset):
    """Test concepts and scenes, whatever the preset; validation is for who chooses."""
    for name in ("compare", "scaling", "bias_representation", "methods"):
        p = resolve(name, given_for(preset, name))
        assert (p.camera, p.probe_part, p.one_per_concept) == (1.0, "test", False)
    assert resolve("compare", {"probe_part": "validation"}).probe_part == "validation"
    for wrong in ({"probe_part": "train"}, {"camera": 1.5}, {"caption_colour": -0.1}, {"one_per_concept": "perhaps"}):
        assert len(problems("compare", **wrong)) == 1


def test_smoke_probes_a_design_that_nothing_learns_from_and_one_that_all_do():
    assert set(resolve("compare", {"preset": "smoke"}).probe_designs) == {HELD_OUT, "noto"}


def test_none_counts_as_not_given():
    assert resolve("compare", {"guidance_scale": None, "preset": None}) == resolve("compare", {})


def test_values_as_a_command_line_gives_them():
    """YAML reads 1e-3 as text and 4 as an integer; both are numbers here."""
    resolved = resolve("compare", {"learning_rate": "1e-3", "guidance_scale": 4, "steps": 20.0})
    assert (resolved.learning_rate, resolved.guidance_scale, resolved.steps) == (0.001, 4.0, 20)
    assert isinstance(resolved.guidance_scale, float) and isinstance(resolved.steps, int)


def test_parameters_do_not_change_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        resolve("compare", {}).seeds = 3


# Mistakes


@pytest.mark.parametrize(
    ("notebook", "name", "nearest"),
    [
        ("compare", "guidance_scael", "guidance_scale"),
        ("compare", "step", "steps"),
        ("generator", "image_per_caption", "images_per_caption"),
        ("scaling", "caption_count", "caption_counts"),
        ("corpus", "flag", "flags"),
    ],
)
def test_unknown_name_suggests_the_nearest(notebook, name, nearest):
    assert problems(notebook, **{name: 4}) == [f"{notebook} has no parameter {name!r}; did you mean {nearest}?"]


def test_name_like_no_other_lists_all():
    (line,) = problems("corpus", zzz=1)
    assert line == "corpus has no parameter 'zzz'; it has preset, live, designs, flags, size."


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [
        ("compare", "seeds", "two"),
        ("compare", "seeds", 2.5),
        ("compare", "seeds", True),
        ("compare", "guidance_scale", "high"),
        ("compare", "guidance_scale", True),
        ("compare", "guidance_scale", [2.0]),
        ("compare", "encoder", 18),
        ("compare", "encoder", ""),
        ("compare", "sampler", "euler"),
        ("compare", "stem", True),
        ("compare", "live", "perhaps"),
        ("compare", "live", 2),
        ("compare", "generator", {}),
        ("scaling", "caption_counts", 512),
        ("scaling", "caption_counts", [512, "many"]),
        ("scaling", "caption_counts", [512, True]),
        ("corpus", "designs", ["openmoji"]),
        ("corpus", "designs", "noto"),
    ],
)
def test_wrong_type_names_parameter_and_value(notebook, name, value):
    lines = problems(notebook, **{name: value})
    assert len(lines) == 1
    assert lines[0].startswith(name)
    wrong = [v for v in value if isinstance(v, (bool, str))] if isinstance(value, list) else [value]
    assert repr(value) in lines[0] or any(repr(v) in lines[0] for v in wrong)


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [
        ("compare", "guidance_scale", 0.5),
        ("compare", "guidance_scale", 31),
        ("compare", "guidance_scale", math.nan),
        ("compare", "guidance_scale", math.inf),
        ("compare", "learning_rate", 0),
        ("compare", "learning_rate", math.nan),
        ("compare", "crop_min", 1.01),
        ("compare", "crop_min", -math.inf),
        ("compare", "seeds", 0),
        ("compare", "seed", -1),
        ("compare", "seed", 2**32),
        ("compare", "captions", -1),
        ("compare", "positives", 1),
        ("compare", "sampling_steps", 1),
        ("compare", "guidance_interval", [-0.1, 5]),
        ("compare", "guidance_interval", [0.3, math.inf]),
        ("compare", "guidance_interval", [0.1, 0.2, 0.3]),
        ("generator", "captions", 7),
        ("generator", "guidance_scales", []),
        ("generator", "guidance_scales", [1.0, 0.0]),
        ("scaling", "caption_counts", [512]),
        ("scaling", "caption_counts", [4, 512]),
        ("corpus", "size", 8),
        ("editing", "images_per_looked_caption", 0),
    ],
)
def test_value_out_of_range_is_told_with_its_limit(notebook, name, value):
    (line,) = problems(notebook, **{name: value})
    assert line.startswith(name)
    assert any(word in line for word in ("greater", "less", "at least", "at most", "finite"))


@pytest.mark.parametrize(
    ("notebook", "name", "value", "twice"),
    [
        ("guidance", "guidance_scales", [1, 2, 1.0], "1.0"),
        ("scaling", "caption_counts", [64, 256, 64], "64"),
        ("corpus", "designs", ["noto"] * 2, "noto"),
    ],
)
def test_nothing_is_asked_for_twice(notebook, name, value, twice):
    (line,) = problems(notebook, **{name: value})
    assert line.startswith(f"{name} is ") and line.endswith(f"{twice} appears twice.")


@pytest.mark.parametrize("value", [[0.3], [5.0, 0.3]])
def test_an_interval_has_two_ends_in_order(value):
    assert problems("generator", guidance_interval=value) == [
        f"guidance_interval is {value}: it takes two noise levels, the lower one first, or none."
    ]
    assert resolve("generator", {"guidance_interval": [0, 5]}).guidance_interval == [0.0, 5.0]


def test_views_must_fit_the_positives():
    assert problems("compare", views_per_step=250) == [
        "views_per_step is 250; it must be even and a multiple of positives, 4."
    ]  # fmt: skip
    assert "multiple of positives, 6" in problems("compare", positives=6)[0]
    assert problems("compare", views_per_step=4) == [
        "views_per_step is 4 with 4 positives; a step needs at least two captions, or it has no negatives."
    ]
    assert resolve("compare", {"positives": 8}).positives == 8
    assert problems("self_supervised", views_per_step=5) == ["views_per_step is 5; it must be even."]


def test_several_mistakes_are_told_together():
    lines = problems("compare", guidance_scael=4, seeds="two", guidance_scale=0.5)
    assert len(lines) == 3
    assert [line.split()[0] for line in sorted(lines)] == ["compare", "guidance_scale", "seeds"]


def test_names_that_are_no_text_are_told():
    with pytest.raises(ParameterError, match="^corpus has no parameter 1; it has preset"):
        resolve("corpus", {1: 2})


def test_unknown_notebook_and_preset():
    assert problems("comparison") == [f"there is no chapter 'comparison'; the book has {', '.join(chapter_names())}."]
    for preset in ("desktop", 3, ["laptop"], True):
        (line,) = problems("compare", preset=preset)
        assert line == f"preset is {preset!r}; valid presets are smoke, laptop, reference, workstation, paper."


def test_every_parameter_explains_itself():
    for schema in schemas().values():
        for name, field in schema.model_fields.items():
            assert field.description and not field.description.endswith("."), name
            assert set(field.json_schema_extra) == {"unit", "cost"}, name
            assert field.is_required(), name  # defaults live in the presets alone


# Paths


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A current folder with a pipeline in it, and one outside."""
    for folder in ("inside/pipeline", "outside/pipeline"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "inside")
    monkeypatch.setenv(PATHS, "")
    return tmp_path


OUTSIDE = "it lies outside the project and the current folder"


@pytest.mark.parametrize(
    "value",
    [
        "{0}/outside/pipeline",
        "../outside/pipeline",
        "pipeline/../../outside/pipeline",
        "/",
        "~",
        "~/models",
        "..",
        "./../outside",
    ],
)
def test_paths_do_not_leave_the_workspace(workspace, value):
    (line,) = problems("compare", generator=value.format(workspace))
    assert OUTSIDE in line and line.startswith("generator is ")


@pytest.mark.parametrize(
    "value", ["local-dir:{0}/outside/pipeline", "local-dir:../outside", "Local-Dir:../outside", "../outside/pipeline"]
)
def test_encoders_do_not_either(workspace, value):
    assert OUTSIDE in problems("compare", encoder=value.format(workspace))[0]


def test_links_count_by_what_they_point_to(workspace):
    link = workspace / "inside" / "link"
    link.symlink_to(workspace / "outside" / "pipeline")
    assert OUTSIDE in problems("compare", generator="link")[0]
    back = workspace / "outside" / "back"
    back.symlink_to(workspace / "inside" / "pipeline")
    assert resolve("compare", {"generator": str(back)}).generator == str(back)


@pytest.mark.parametrize(
    "value",
    [
        "emoji",
        "pipeline",
        "./pipeline",
        "{0}/inside/pipeline",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "owner/name",
    ],
)
def test_names_and_paths_inside_are_taken(workspace, value):
    assert resolve("compare", {"generator": value.format(workspace)}).generator == value.format(workspace)


@pytest.mark.parametrize("value", ["/" + "x" * 300, "/\0", "../" + "y/" * 3000])
def test_paths_that_no_system_has_are_refused_in_a_sentence(workspace, value):
    assert problems("compare", generator=value)[0].startswith("generator is ")


def test_links_in_a_circle_and_homes_of_nobody(workspace):
    (workspace / "inside" / "round").symlink_to("round")
    assert outside_path("round") is None and outside_path("../round") is not None
    assert outside_path("~nobody-of-this-name/../../models") is not None


def test_embedded_generator_is_no_path(workspace):
    (workspace / "inside" / "emoji").symlink_to(workspace / "outside")
    assert (
        resolve("compare", {"generator": "emoji"}).generator
        == "emoji"
        == anchor_paths({"generator": "emoji"})["generator"]
    )


def test_relative_folders_are_anchored(workspace):
    given = {"generator": "pipeline", "seeds": 2}
    anchored = anchor_paths(given)
    assert anchored == {"generator": f"{workspace}/inside/pipeline", "seeds": 2} and given["generator"] == "pipeline"
    assert os.environ[PATHS] == f"{workspace}/inside"
    assert anchor_paths({"generator": "owner/name"}) == {"generator": "owner/name"}
    assert anchor_paths({"generator": 3}) == {"generator": 3} and anchor_paths({}) == {}
    os.chdir(PROJECT)
    assert anchor_paths({"generator": "notebooks"}) == {"generator": "notebooks"}  # there it means the same


def test_records_name_no_folder_of_a_machine(workspace):
    """Within the project by the path from there, elsewhere by the last part."""
    given = {
        "cifar10_generator": f"{PROJECT}/generators/cifar10/pipeline",
        "generator": f"{workspace}/inside/mine",
        "encoder": "/a/b",
    }
    assert published_paths(given) == given | {"cifar10_generator": "generators/cifar10/pipeline", "generator": "mine"}
    same = {"generator": "generators/mine/pipeline", "corpus": "emoji", "fairface_generator": "", "seeds": 2}
    assert published_paths(same) == same and published_paths({"generator": "~/mine"}) == {"generator": "mine"}


def test_allowed_folders(workspace):
    allow_paths([Path("../outside")])
    assert resolve("compare", {"generator": "../outside/pipeline"}).generator == "../outside/pipeline"
    assert OUTSIDE in problems("compare", generator="..")[0]
    (workspace / "third").mkdir()
    allow_paths([workspace / "third"])  # the earlier one stays
    assert resolve("compare", {"generator": "../outside/pipeline", "encoder": f"local-dir:{workspace}/third"})
    allow_paths([])
    assert os.environ[PATHS].split(os.pathsep)[-1] == str(workspace / "third")


@pytest.mark.parametrize("name", ["run-10:30", "w:2", "[a]", "C# set"])
def test_folders_of_any_name_are_allowed(workspace, name, monkeypatch):
    """Also one that holds what separates folders in the environment, by which the notebooks of this process hear of it."""
    (workspace / name / "pipeline").mkdir(parents=True)
    allow_paths([Path("../outside"), workspace / name])
    if ":" in name:  # what stands before it is another folder
        assert OUTSIDE in problems("compare", generator=str(workspace / name.partition(":")[0]))[0]
    os.chdir(workspace / name)
    anchored = anchor_paths({"generator": "pipeline"})
    os.chdir(PROJECT)
    for path in (anchored["generator"], str(workspace / "outside" / "pipeline")):
        assert resolve("compare", {"generator": path}).generator == path


# Random parameters: this generator of valid ones reads the limits off the fields, the mistakes are made by rules of their own


def limits_of(kind, metadata):
    """The bare type, and its bounds as [(limit, open), (limit, open)], None where there is none."""
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        metadata = [*metadata, *(m for one in more for m in getattr(one, "metadata", ()))]
    low = high = None
    for m in metadata:
        low = (m.ge, False) if isinstance(m, Ge) else (m.gt, True) if isinstance(m, Gt) else low
        high = (m.le, False) if isinstance(m, Le) else (m.lt, True) if isinstance(m, Lt) else high
    return kind, low, high


def least_of(field) -> int:
    return max([0, *(m.min_length for m in field.metadata if isinstance(m, MinLen))])


def is_interval(field) -> bool:
    """Two ends in order: the only lists that have a greatest length."""
    return any(isinstance(m, MaxLen) for m in field.metadata)


def valid_values(field) -> st.SearchStrategy:
    """Values within the limits of a field."""
    if get_origin(field.annotation) is list:
        (inner,) = get_args(field.annotation)
        one = plain(*limits_of(inner, ()))
        if is_interval(field):
            return st.lists(one, min_size=2, max_size=2, unique=True).map(sorted)
        return st.lists(one, min_size=max(least_of(field), 1), max_size=6, unique=True)
    return plain(*limits_of(field.annotation, field.metadata))


def plain(kind, low, high) -> st.SearchStrategy:
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.sampled_from(["emoji", "resnet10t", "owner/name", "x"])
    (least, no_least), (most, no_most) = low or (-1000, False), high or (10**6, False)
    if kind is int:
        return st.integers(least + no_least, most - no_most)
    return st.floats(least, most, allow_nan=False, exclude_min=no_least, exclude_max=no_most)


def mistakes(field) -> list:
    """Values that break a field: another type, just beyond a limit, no choice, too few, one twice."""
    if get_origin(field.annotation) is list:
        inner, low, high = limits_of(*get_args(field.annotation), ())
        if inner is str:  # names of columns, any text
            return [{}, 5, "noto", [True], [[]], [5], ["race", "race"]]
        one = get_args(inner)[0] if get_origin(inner) is Literal else 9
        wrong = [{}, 5, "noto", [True], [[]], ["no such"], *([[one][: least_of(field) - 1]] if least_of(field) else [])]
        if get_origin(inner) is Literal:
            return [*wrong, [one, one], [*get_args(inner), "no such"]]
        return [
            *wrong,
            *([[9], [20, 9]] if is_interval(field) else []),
            [math.nan, 9],
            [20, 9, 20],
            *([low[0] - 1, 9, 10] for _ in [0] if low),
            *([high[0] + 1, 9, 10] for _ in [0] if high),
        ]
    kind, low, high = limits_of(field.annotation, field.metadata)
    wrong = [[], {}, [[1]]]
    if get_origin(kind) is Literal:
        return [*wrong, "no such", "", 3, True]
    if kind is bool:
        return [*wrong, "perhaps", 2, 0.5]
    if kind is str and not any(isinstance(limit, MinLen) for limit in field.metadata):  # the name of a column, or none
        return [*wrong, 5, True]
    if kind is str:
        return [*wrong, "", 5, True, "/", "../../..", "local-dir:/"]
    wrong += ["many", True, math.nan, math.inf, -math.inf, *([1.5] if kind is int else [])]
    for limit, step, towards in [(low, -1, -math.inf), (high, 1, math.inf)]:
        if limit:
            beyond = limit[0] if limit[1] else limit[0] + step if kind is int else math.nextafter(limit[0], towards)
            wrong += [beyond, limit[0] + 1000 * step]
    return wrong


def fitting(value) -> dict:
    """Views that fit these positives, so that a wrong number of positives is the only mistake."""
    return {"views_per_step": 2 * value} if type(value) is int and value > 0 else {}


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name in schemas() for field in schemas()[name].model_fields]
)
def test_each_mistake_alone_is_refused_and_each_limit_taken(name, field):
    about = schemas()[name].model_fields[field]
    for value in mistakes(about):
        with pytest.raises(ParameterError):
            resolve(name, (fitting(value) if field == "positives" else {}) | {field: value})
            pytest.fail(f"{field} = {value!r} was accepted")
    kind, low, high = limits_of(about.annotation, about.metadata)
    for limit, is_open in filter(None, (low, high) if kind in (int, float) and field != "views_per_step" else ()):
        if not is_open:
            assert (
                getattr(resolve(name, (fitting(limit) if field == "positives" else {}) | {field: limit}), field)
                == limit
            )


@st.composite
def parameter_sets(draw):
    """A chapter, a valid set of some of its parameters, and the same with mistakes."""
    name = draw(st.sampled_from(list(schemas())))
    fields = schemas()[name].model_fields
    chosen = draw(st.lists(st.sampled_from(list(fields)), unique=True))
    good = {field: draw(valid_values(fields[field])) for field in chosen}
    batched = {"views_per_step", "positives"} <= set(fields)
    if batched:
        good["positives"] = draw(st.integers(2, 100))
        good["views_per_step"] = good["positives"] * 2 * draw(st.integers(1, 50))
    elif "views_per_step" in good and "camera" in fields:
        good["views_per_step"] += good["views_per_step"] % 2
    if good.get("preset") == "paper" and "corpus" in fields:  # the paper's sizes need a corpus of the reader
        good.setdefault("corpus", "owner/name")
    bad = dict(good)
    kinds = draw(st.sets(st.sampled_from(["value", "name", *["batch"] * batched]), min_size=1))
    if "batch" in kinds:
        bad["views_per_step"] += 1  # odd
    if "value" in kinds:
        for field in draw(st.lists(st.sampled_from(list(fields)), unique=True, min_size=1, max_size=3)):
            bad[field] = draw(st.sampled_from(mistakes(fields[field])))
    if "name" in kinds:
        bad[draw(st.sampled_from(["guidance", "seedz", "", "a b", "_x"]))] = 1
    return name, good, bad


@given(parameter_sets())
@settings(max_examples=300, deadline=None)
def test_no_valid_set_is_refused_and_no_invalid_one_starts_a_kernel(sets):
    name, good, bad = sets
    resolved = resolve(name, good)
    assert all(getattr(resolved, key) == value for key, value in good.items())
    started = []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("STABLEREP_RUNS", f"{folder}/runs")
        patch.setattr(papermill, "execute_notebook", lambda *arguments, **options: started.append(arguments))
        with pytest.raises(ParameterError) as error:
            execution.execute_notebook(name, bad, log=None)
        assert not Path(folder, "runs").exists()
    assert started == []
    assert all(line.endswith((".", "?")) for line in str(error.value).splitlines())


def as_text(value) -> str:
    """A value as a reader writes it: text without quotes, numbers as YAML has them."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    if isinstance(value, list):
        return f"[{', '.join(map(as_text, value))}]"
    return json.dumps(value)


def as_read(name: str, values: dict) -> dict:
    """What the command line makes of these values; a mistake of type may become valid text there."""
    fields = schemas()[name].model_fields
    return {key: schema_value(fields[key], as_text(value)) if key in fields else value for key, value in values.items()}


def is_refused(name: str, values: dict) -> bool:
    try:
        resolve(name, as_read(name, values))
    except (ParameterError, InputError):
        return True
    return False


def command_line(name: str, values: dict, by_option: set[str]) -> list[str]:
    """``run CHAPTER`` with some of the values by their options, the rest by -p."""
    words = ["run", name]
    for key, value in values.items():
        words += (
            [f"--{key.replace('_', '-')}", as_text(value)] if key in by_option else ["-p", f"{key}={as_text(value)}"]
        )
    return words


@given(parameter_sets(), st.data())
@settings(max_examples=60, deadline=None)
def test_the_command_line_starts_the_valid_ones_and_none_else(sets, data):
    name, good, bad = sets
    fields = schemas()[name].model_fields
    possible = [
        key for key, field in fields.items() if field.annotation is not bool and key != "preset"
    ]  # flags take no value
    by_option = data.draw(st.sets(st.sampled_from(possible)))
    started = []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("STABLEREP_RUNS", f"{folder}/runs")
        patch.setattr(
            papermill, "execute_notebook", lambda *arguments, **options: started.append(options["parameters"]) or 1 / 0
        )
        patch.setattr("stablerep.study.commands.run.check_plan", lambda name, parameters: None)
        patch.setattr(
            "stablerep.corpus.summary.summarize", lambda *source, **options: SimpleNamespace(fingerprint="0" * 16)
        )  # these two open the corpus
        if is_refused(name, bad):
            result = CliRunner().invoke(app, command_line(name, bad, by_option))
            assert result.exit_code == 2 and result.stderr and "Traceback" not in result.stderr
            assert started == [] and not Path(folder, "runs").exists()
        result = CliRunner().invoke(app, command_line(name, good, by_option))
        assert isinstance(result.exception, ZeroDivisionError), result.output
    assert started == [resolve(name, good).model_dump()]
