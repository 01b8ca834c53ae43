"""Parameters: presets fill what is not given, and every mistake is told at once, in sentences, before anything runs."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

import papermill
import pytest
from annotated_types import Ge, Gt, Le, Lt, MinLen
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from stablerep.study import execution, presets
from stablerep.study.commands import app
from stablerep.study.parameters import PATHS, SCHEMAS, ParameterError, Preset, allow_paths, resolve

ALL = [(preset, notebook) for preset in presets.PRESETS for notebook in SCHEMAS]


def problems(notebook: str, **given) -> list[str]:
    with pytest.raises(ParameterError) as error:
        resolve(notebook, given)
    lines = str(error.value).splitlines()
    assert all(line.endswith((".", "?")) for line in lines), lines
    return lines


# Presets


@pytest.mark.parametrize(("preset", "notebook"), ALL)
def test_every_preset_fills_every_notebook(preset, notebook):
    resolved = resolve(notebook, {"preset": preset})
    assert resolved.preset == preset and resolved.live is True and resolved.seed == 0
    expected = presets.preset_values(preset, notebook)
    assert resolved.model_dump(include=set(expected)) == expected  # nothing was converted on the way
    assert set(expected) == set(SCHEMAS[notebook].model_fields) - {"preset", "live", "seed"}


@pytest.mark.parametrize(("preset", "notebook"), ALL)
def test_presets_override_names_that_exist(preset, notebook):
    """A preset changes only names that the laptop has too: a misspelt override would be lost."""
    override = presets._OVERRIDES[preset].get(notebook, {})
    assert set(override) <= set(presets.LAPTOP[notebook])


def test_presets_are_those_of_the_schema():
    assert get_args(Preset) == presets.PRESETS == tuple(sorted(presets._OVERRIDES, key=presets.PRESETS.index))


def test_laptop_is_the_default():
    assert resolve("compare", {}) == resolve("compare", {"preset": "laptop"})


def test_given_values_win_over_the_preset():
    resolved = resolve("compare", {"preset": "smoke", "guidance_scale": 4, "seeds": 2})
    smoke = resolve("compare", {"preset": "smoke"})
    assert (resolved.guidance_scale, resolved.seeds) == (4.0, 2)
    assert resolved == smoke.model_copy(update={"guidance_scale": 4.0, "seeds": 2})


def test_paper_preset_holds_the_papers_numbers():
    paper = resolve("compare", {"preset": "paper"})
    assert paper.generator == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert (paper.sampler, paper.sampling_steps) == ("ddim", 50)
    assert (paper.images_per_caption, paper.positives, paper.guidance_scale) == (10, 6, 2.0)
    assert (paper.encoder, paper.crop_min) == ("vit_base_patch16_224", 0.08)


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
        ("generator", "guidance_scale", "guidance_scales"),
        ("scaling", "caption_count", "caption_counts"),
        ("corpus", "flag", "flags"),
    ],
)
def test_unknown_name_suggests_the_nearest(notebook, name, nearest):
    assert problems(notebook, **{name: 4}) == [f"{notebook} has no parameter {name!r}; did you mean {nearest}?"]


def test_name_like_no_other_lists_all():
    (line,) = problems("corpus", zzz=1)
    assert line == "corpus has no parameter 'zzz'; it has preset, live, seed, designs, flags, size."


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
        ("generator", "held_out_design", "apple"),
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
        ("generator", "captions", 7),
        ("generator", "guidance_scales", []),
        ("generator", "guidance_scales", [1.0, 0.0]),
        ("scaling", "caption_counts", [512]),
        ("scaling", "caption_counts", [4, 512]),
        ("corpus", "size", 8),
        ("bias", "images_per_neutral_caption", 0),
    ],
)
def test_value_out_of_range_is_told_with_its_limit(notebook, name, value):
    (line,) = problems(notebook, **{name: value})
    assert line.startswith(name)
    assert any(word in line for word in ("greater", "less", "at least", "finite"))


@pytest.mark.parametrize(
    ("notebook", "name", "value", "twice"),
    [("bias", "guidance_scales", [1, 2, 1.0], "1.0"), ("scaling", "caption_counts", [64, 256, 64], "64"), ("corpus", "designs", ["noto"] * 2, "noto")],
)
def test_nothing_is_asked_for_twice(notebook, name, value, twice):
    (line,) = problems(notebook, **{name: value})
    assert line.startswith(f"{name} is ") and line.endswith(f"{twice} stands there twice.")


def test_views_must_fit_the_positives():
    assert problems("compare", views_per_step=250) == [
        "views_per_step is 250; it must be even and a multiple of positives, 4."
    ]  # fmt: skip
    assert "multiple of positives, 6" in problems("compare", positives=6)[0]
    assert resolve("compare", {"positives": 8}).positives == 8


def test_several_mistakes_are_told_together():
    lines = problems("compare", guidance_scael=4, seeds="two", guidance_scale=0.5)
    assert len(lines) == 3
    assert [line.split()[0] for line in sorted(lines)] == ["compare", "guidance_scale", "seeds"]


def test_unknown_notebook_and_preset():
    assert problems("comparison") == ["notebook is 'comparison'; the book has corpus, generator, methods, compare, scaling, bias."]
    for preset in ("desktop", 3, ["laptop"], True):
        (line,) = problems("compare", preset=preset)
        assert line == f"preset is {preset!r}; valid presets are smoke, laptop, reference, workstation, paper."


def test_every_parameter_explains_itself():
    for schema in SCHEMAS.values():
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


@pytest.mark.parametrize("value", ["{0}/outside/pipeline", "../outside/pipeline", "pipeline/../../outside/pipeline", "/", "~", "~/models", "..", "./../outside"])
def test_paths_do_not_leave_the_workspace(workspace, value):
    (line,) = problems("compare", generator=value.format(workspace))
    assert OUTSIDE in line and line.startswith("generator is ")


@pytest.mark.parametrize("value", ["local-dir:{0}/outside/pipeline", "local-dir:../outside", "../outside/pipeline"])
def test_encoders_do_not_either(workspace, value):
    assert OUTSIDE in problems("compare", encoder=value.format(workspace))[0]


def test_links_count_by_what_they_point_to(workspace):
    link = workspace / "inside" / "link"
    link.symlink_to(workspace / "outside" / "pipeline")
    assert OUTSIDE in problems("compare", generator="link")[0]
    back = workspace / "outside" / "back"
    back.symlink_to(workspace / "inside" / "pipeline")
    assert resolve("compare", {"generator": str(back)}).generator == str(back)


@pytest.mark.parametrize("value", ["emoji", "pipeline", "./pipeline", "{0}/inside/pipeline", "stable-diffusion-v1-5/stable-diffusion-v1-5", "owner/name"])
def test_names_and_paths_inside_are_taken(workspace, value):
    assert resolve("compare", {"generator": value.format(workspace)}).generator == value.format(workspace)


def test_allowed_folders(workspace):
    allow_paths([Path("../outside")])
    assert resolve("compare", {"generator": "../outside/pipeline"}).generator == "../outside/pipeline"
    assert OUTSIDE in problems("compare", generator="..")[0]
    (workspace / "third").mkdir()
    allow_paths([workspace / "third"])  # the earlier one stays
    assert resolve("compare", {"generator": "../outside/pipeline", "encoder": f"local-dir:{workspace}/third"})
    allow_paths([])
    assert os.environ[PATHS].split(os.pathsep)[-1] == str(workspace / "third")


# Random parameters: this generator of valid ones reads the limits off the fields, the mistakes are made by rules of their own


def valid_value(field, draw) -> object:
    """A value within the limits of a field."""
    kind = field.annotation
    if get_origin(kind) is list:
        least = max([0, *(m.min_length for m in field.metadata if isinstance(m, MinLen))])
        (inner,) = get_args(kind)
        return draw(st.lists(plain(inner, (), draw), min_size=max(least, 1), max_size=6, unique=True))
    return draw(plain(kind, field.metadata, draw))


def plain(kind, limits, draw):
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        limits = [*limits, *(m for one in more for m in getattr(one, "metadata", ()))]
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if kind is bool:
        return st.booleans()
    if kind is str:
        return st.sampled_from(["emoji", "resnet10t", "owner/name", "x"])
    low = next((m.ge for m in limits if isinstance(m, Ge)), next((m.gt for m in limits if isinstance(m, Gt)), -1000))
    high = next((m.le for m in limits if isinstance(m, Le)), next((m.lt for m in limits if isinstance(m, Lt)), 10**6))
    if kind is int:
        return st.integers(low, high)
    open_ends = {"exclude_min": any(isinstance(m, Gt) for m in limits), "exclude_max": any(isinstance(m, Lt) for m in limits)}
    return st.floats(low, high, allow_nan=False, **open_ends)


def mistake(field, name, draw) -> object:
    """A value that breaks a field, by what it is."""
    kind = field.annotation
    inner = get_args(kind)[0] if get_origin(kind) is list else kind
    wrong = [{}, object()] if get_origin(kind) is list else [[], {}, [[1]]]
    if get_origin(inner) is Annotated:
        inner = get_args(inner)[0]
    if inner in (int, float):
        wrong += [["x"], [math.nan], [True]] if get_origin(kind) is list else ["many", True, math.nan, math.inf, -1 if name != "x" else 0, 10**12]
    elif get_origin(kind) is list:
        wrong += [["no such"], [], ["noto", "noto"]]
    elif get_origin(inner) is Literal:
        wrong += ["no such", 3, True]
    elif inner is str:
        wrong += ["", 5, True, "/"]
    elif inner is bool:
        wrong += ["perhaps", 2, 0.5]
    if inner is int and get_origin(kind) is not list:
        wrong += [1.5]
    return draw(st.sampled_from(wrong))


UNBOUNDED = {"captions", "steps", "neutral_captions", "views_per_step"}  # 10**12 is much, but not wrong


@st.composite
def parameter_sets(draw):
    """A chapter, a valid set of some of its parameters, and the same with mistakes."""
    name = draw(st.sampled_from(list(SCHEMAS)))
    fields = SCHEMAS[name].model_fields
    chosen = draw(st.lists(st.sampled_from(list(fields)), unique=True))
    good = {field: valid_value(fields[field], draw) for field in chosen}
    if "views_per_step" in fields and "positives" in fields:
        good["positives"] = draw(st.integers(2, 100))
        good["views_per_step"] = good["positives"] * 2 * draw(st.integers(1, 50))
    bad = dict(good)
    for field in draw(st.lists(st.sampled_from(list(fields)), unique=True, min_size=1, max_size=3)):
        value = mistake(fields[field], field, draw)
        if value == 10**12 and field in UNBOUNDED:
            value = -1
        bad[field] = value
    if draw(st.booleans()):
        bad[draw(st.sampled_from(["guidance", "seedz", "", "a b", "_x"]))] = 1
    return name, good, bad


@given(parameter_sets())
@settings(max_examples=300)
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


@given(parameter_sets())
@settings(max_examples=60)
def test_the_command_line_starts_none_either(sets):
    """The same by ``stablerep run CHAPTER -p NAME=VALUE ...``, for what text can say."""
    name, _, bad = sets
    pairs = []
    for key, value in bad.items():
        try:
            pairs += ["-p", f"{key}={json.dumps(value, allow_nan=False)}"]
        except (TypeError, ValueError):
            pairs += ["-p", f"{key}=.nan"]
    started = []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("STABLEREP_RUNS", f"{folder}/runs")
        patch.setattr(execution, "execute_notebook", lambda *arguments, **options: started.append(arguments))
        result = CliRunner().invoke(app, ["run", name, *pairs])
    assert result.exit_code == 2 and result.stderr and "Traceback" not in result.stderr
    assert started == []
