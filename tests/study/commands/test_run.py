"""``stablerep run CHAPTER``: options from the schema, one way of checking, completion."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from stablerep.errors import InputError, MissingError
from stablerep.study.chapters import chapter_names, resolve, schemas
from stablerep.study.commands.given import chapter_fields, given_parameters
from stablerep.study.commands.main import app
from stablerep.study.notebooks import execution
from stablerep.study.parameters.description import describe_schema
from stablerep.study.root import project_root


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What would be executed, with what."""
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    found = []

    def execute(name, given):
        found.append(resolve(name, given))
        raise RuntimeError("stopped by the test")

    monkeypatch.setattr(execution, "execute_notebook", execute)
    return found


def call(*arguments: str):
    return CliRunner().invoke(app, ["run", *arguments])


@pytest.mark.parametrize("name", schemas())
def test_every_parameter_is_an_option_with_what_a_reader_needs(name):
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["run", name, "--help"])
    assert result.exit_code == 0
    text = re.sub(r"\s", "", result.stdout)  # lines break after hyphens too
    for row in describe_schema(schemas()[name]):
        assert f"--{row.name.replace('_', '-')}" in text
        if row.name not in ("preset", "live"):
            assert row.help.replace(" ", "") in text and row.valid.replace(" ", "") in text
    assert "--dry-run" in text and "laptop:" in text


def test_options_pairs_and_files_say_the_same(asked, tmp_path):
    (tmp_path / "p.yml").write_text("guidance_scale: 4\nprobe_designs: [noto, twemoji]\n")
    call("compare", "--preset", "smoke", "--guidance-scale", "4", "--probe-designs", "noto,twemoji")
    call("compare", "-p", "preset=smoke", "-p", "guidance_scale=4.0", "-p", "probe_designs=[noto, twemoji]")
    call("compare", "--preset", "smoke", "-f", str(tmp_path / "p.yml"))
    call(
        "compare",
        "--preset",
        "smoke",
        "-f",
        str(tmp_path / "p.yml"),
        "--guidance-scale",
        "4",
        "-p",
        "guidance_scale=4.0",
    )
    assert len(asked) == 4 and asked.count(asked[0]) == 4
    assert asked[0] == resolve(
        "compare", {"preset": "smoke", "guidance_scale": 4, "probe_designs": ["noto", "twemoji"]}
    )


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_stored_results_that_are_not_there_are_told_before_anything_starts(asked, monkeypatch, tmp_path, more):
    monkeypatch.setattr("stablerep.study.chapters.STORED", tmp_path / "results")
    result = call("corpus", "--no-live", *more)
    assert result.exit_code == 2 and asked == []
    assert result.stderr == "results/corpus holds no stored results; `stablerep reference corpus` makes them.\n"


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_what_is_lacking_is_told_before_anything_starts(asked, monkeypatch, tmp_path, more):
    """Where there are stored results, the page is drawn from them."""
    monkeypatch.setattr("stablerep.study.chapters.STORED", tmp_path / "results")
    result = call("photographs", *more)
    assert result.exit_code == 2 and asked == []
    assert (
        result.stderr.startswith("This chapter needs photographs, and a generator") and result.stderr.count("\n") == 1
    )
    (tmp_path / "results" / "photographs").mkdir(parents=True)
    (tmp_path / "results" / "photographs" / "record.json").write_text("{}")
    result = call("photographs", *more)
    assert len(asked) == (not more) and "The page is drawn from stored results.\n" in result.stderr


def test_options_win_over_the_file(asked, tmp_path):
    (tmp_path / "p.yml").write_text("preset: laptop\nguidance_scale: 4\nseeds: 2\n")
    call("compare", "-f", str(tmp_path / "p.yml"), "--preset", "smoke", "--guidance-scale", "3", "-p", "seeds=5")
    assert asked == [resolve("compare", {"preset": "smoke", "guidance_scale": 3, "seeds": 5})]


def test_truth_values_and_lists(asked):
    call("corpus", "--flags", "--designs", "noto", "--no-live")
    call("scaling", "--caption-counts", "[32, 64]")
    assert (asked[0].flags, asked[0].designs, asked[0].live, asked[1].caption_counts) == (
        True,
        ["noto"],
        False,
        [32, 64],
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--guidance-scale", "0.5"], "guidance_scale is 0.5: input should be greater than or equal to 1."),
        (
            ["compare", "--guidance-scale", "4", "-p", "guidance_scale=2"],
            "guidance_scale is given twice, as 2 and as 4; give it once.",
        ),
        (
            ["compare", "--preset", "smoke", "-p", "preset=laptop"],
            "preset is given twice, as laptop and as smoke; give it once.",
        ),
        (["compare", "-p", "seeds=1", "-p", "seeds=2"], "seeds is given twice, as 1 and as 2; give it once."),
        (
            ["scaling", "--caption-counts", "32"],
            "caption_counts is [32]: list should have at least 2 items after validation, not 1.",
        ),
        (
            ["scaling", "--caption-counts", "[32, 64"],
            "the value of caption_counts, '[32, 64' could not be read as a list; write a,b or [a, b].",
        ),
        (
            ["comparison"],
            f"there is no chapter 'comparison'; the book has {', '.join(chapter_names())}.",
        ),
    ],
)
def test_mistakes_are_the_same_sentences(asked, arguments, said):
    result = call(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{said}\n")
    assert asked == []


def test_a_plan_computes_nothing(asked, tmp_path):
    result = call("corpus", "--preset", "smoke", "--dry-run")
    assert result.exit_code == 0 and result.stdout.startswith("corpus at preset smoke, no parameter changed\nOf 0 runs")
    assert asked == [] and not (tmp_path / "runs").exists()


def pipeline(folder) -> None:
    """What a plan looks at in a generator's folder."""
    folder.mkdir(parents=True)
    encoder = ["transformers", "CLIPTextModel"]
    index = {"_class_name": "StableDiffusionPipeline", "text_encoder": encoder}
    (folder / "model_index.json").write_text(json.dumps(index))


def test_allowed_paths_reach_the_parameters(asked, tmp_path, monkeypatch):
    monkeypatch.delenv("STABLEREP_PATHS", raising=False)
    monkeypatch.setenv("STABLEREP_PATHS", "")  # restored afterwards
    folder = tmp_path / "pipeline"
    pipeline(folder)
    refused = call("compare", "--generator", str(folder))
    assert "it lies outside the project and the current folder; --allow-path" in refused.stderr and asked == []
    call("compare", "--generator", str(folder), "--allow-path", str(tmp_path))
    assert asked[0].generator == str(folder)


def test_folders_keep_their_meaning_where_the_notebook_is_executed(asked, tmp_path, monkeypatch):
    """Notebooks are executed in the project's folder, whatever folder the command was given in."""
    monkeypatch.setenv("STABLEREP_PATHS", "")
    pipeline(tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    call("compare", "--generator", "owner/name", "--preset", "smoke")
    monkeypatch.chdir(project_root())
    assert asked[0].generator == str(tmp_path / "owner" / "name")
    assert (
        resolve("compare", {"preset": "smoke", "generator": asked[0].generator}) == asked[0]
    )  # as the kernel checks it


# Completion, as the shell asks for it


def completed(line: str) -> list[str]:
    words = line.split(" ")
    environment = {"_STABLEREP_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(app, [], env=environment, prog_name="stablerep")
    return [word.removeprefix("plain,") for word in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stablerep run co", {"corpus", "compare", "composition", "copies"}),
        ("stablerep run compare --guid", {"--guidance-scale", "--guidance-interval"}),
        ("stablerep run compare --sampler d", {"dpm++", "ddim"}),
        ("stablerep run compare --preset s", {"smoke"}),
        ("stablerep run compare -p see", {"seed=", "seeds="}),
        ("stablerep run compare -p sampler=d", {"sampler=dpm++", "sampler=ddim"}),
    ],
)
def test_the_shell_completes(line, expected):
    assert set(completed(line)) == expected


# Pairs and files


def given(pairs, file=None, chapter="compare"):
    return given_parameters(pairs, file, fields=chapter_fields(chapter) if chapter else {})


def test_pairs_are_read_as_the_schema_says():
    pairs = [
        "guidance_scale=4",
        "learning_rate=1e-3",
        "sampler=ddim",
        "live=false",
        "encoder=NO",
        "seed=",
        "generator=a=b",
    ]
    assert given([*pairs, "probe_designs=[noto, twemoji]"]) == {
        "guidance_scale": 4, "learning_rate": 0.001, "sampler": "ddim", "live": False, "encoder": "NO", "seed": None,
        "generator": "a=b", "probe_designs": ["noto", "twemoji"],
    }  # fmt: skip


def test_without_a_schema_pairs_are_read_as_papermill_reads_them():
    pairs = ["day=2024-03-01", "lr=1e-3", "time=16:9", "answer=NO", "tag=#tag", "n=3", "on=True", "x=[1, 2]"]
    found = given(pairs, chapter=None)
    assert found == {
        "day": "2024-03-01", "lr": 0.001, "time": "16:9", "answer": "NO", "tag": "#tag", "n": 3, "on": True, "x": "[1, 2]",
    }  # fmt: skip


def test_a_date_in_a_file_stays_what_was_written(tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xef\xbb\xbfday: 2024-03-01\r\nn: 2\r\n")
    assert given([], tmp_path / "run.yaml", chapter=None) == {"day": "2024-03-01", "n": 2}


def test_pairs_win_over_the_file(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("seeds: 2\nguidance_scale: 3\n")
    assert given(["seeds=5"], file) == {"seeds": 5, "guidance_scale": 3}
    file.write_text("")
    assert given([], file) == {}


@pytest.mark.parametrize("pair", ["guidance_scale", "=4", "guidance_scale 4"])
def test_pair_without_equals_sign(pair):
    with pytest.raises(InputError, match="is not name=value"):
        given([pair])


def test_unreadable_values_and_files(tmp_path):
    assert call("compare", "-p", "seeds=[1").stderr.startswith("seeds is '[1': input should be a valid integer")
    file = tmp_path / "run.yaml"
    with pytest.raises(MissingError, match="there is no file .*run.yaml"):
        given([], file)
    with pytest.raises(InputError, match="cannot be read: is a directory"):
        given([], tmp_path)
    file.write_bytes(b"encoder: \xe9")
    with pytest.raises(InputError, match="^run.yaml, line 1: byte 0xe9 is not UTF-8; save the file as UTF-8"):
        given([], file)
    file.write_text("seed: 1\n", encoding="utf-16")
    with pytest.raises(InputError, match="^run.yaml, line 1: the file is in UTF-16; save it as UTF-8"):
        given([], file)
    file.write_text("a: [1")
    with pytest.raises(InputError, match="could not be read as YAML") as error:
        given([], file)
    assert "\n" not in str(error.value)
    file.write_text("1: 2")
    assert call("corpus", "-f", str(file)).stderr.startswith("corpus has no parameter 1; it has preset")
    file.write_text("- 1")
    with pytest.raises(InputError, match="holds a list; it must map"):
        given([], file)
