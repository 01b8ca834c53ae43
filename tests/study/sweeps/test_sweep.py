"""Sweeps: with workers that only pretend, and one that is real, killed in the middle and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from typer.testing import CliRunner

from stablerep.errors import MissingError
from stablerep.study.chapters import chapter_names, compare, resolve
from stablerep.study.commands.given import chapter_fields, given_parameters
from stablerep.study.commands.main import app
from stablerep.study.notebooks.execution import notebook_identity
from stablerep.study.store.runs import RunStore
from stablerep.study.sweeps import sweep as module
from stablerep.study.sweeps.combinations import combinations, resolve_all
from stablerep.study.sweeps.page import over_seeds_of, write_results
from stablerep.study.sweeps.sweep import begin_sweep, run_sweep, sweep_key
from stablerep.study.sweeps.task import Finished
from tests.study.sweeps.programs import wait_for


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return RunStore()


def prepared(grid: list[str], notebook: str = "compare", **options):
    swept = combinations(grid)
    return begin_sweep(
        notebook,
        swept,
        resolve_all(notebook, swept, {"preset": "smoke"}),
        folder=options.pop("folder", None),
        resume=options.pop("resume", False),
    )


def executed(store: RunStore, notebook: str, parameters, value: float) -> None:
    """What a worker leaves: a notebook run with headline numbers, here a value and two arms."""
    rows = [
        {"arm": arm, "probe": "linear group", "value": value + place, "low": value - 1, "high": None}
        for place, arm in enumerate(("A", "B"))
    ]
    about = {"headline": {"keys": ["arm", "probe"], "value": "accuracy", "unit": "accuracy", "rows": rows}}

    def compute(folder: Path) -> None:
        (folder / f"{notebook}.ipynb").write_text(json.dumps({"cells": [], "metadata": {"stablerep": about}}))

    store.obtain(**notebook_identity(notebook, parameters), compute=compute)


def given_by(task) -> dict:
    """The parameters that a combination's command reads from its arguments."""
    assert task.arguments[0] == "run" and set(task.arguments[2::2]) == {"-p"}
    return given_parameters(list(task.arguments[3::2]), fields=chapter_fields(task.arguments[1]))


@pytest.fixture
def pretended(monkeypatch, store):
    """Workers that succeed, but for the combinations with guidance_scale 4; lists what was asked for."""
    asked = []

    def run(tasks, *, workers, cluster, on_event):
        for task in tasks:
            on_event("started", task)
            given = given_by(task)
            asked.append(given)
            if given["guidance_scale"] == 4:
                yield Finished(task, "failed", 1.0, 2, "Traceback\nno images", "")
            else:
                p = resolve("compare", given)
                executed(store, "compare", p, p.guidance_scale / 10)
                yield Finished(task, "done", 2.0, 1, "", "")

    monkeypatch.setattr(module, "run_tasks", run)
    return asked


def test_a_sweep_by_hand(pretended, store):
    said = []
    sweep = run_sweep(prepared(["guidance_scale=1,2,4", "seed=0,1"]), workers=2, log=said.append)
    write_results(sweep)
    assert [row["status"] for row in sweep.rows] == ["done"] * 4 + ["failed"] * 2
    table = pd.read_csv(sweep.folder / "table.csv")
    assert table["combination"].tolist() == [1, 2, 3, 4, 5, 6] and table["guidance_scale"].tolist() == [
        1,
        1,
        2,
        2,
        4,
        4,
    ]
    assert table["error"].tolist()[4] == "Traceback\nno images" and table["attempts"].tolist() == [1] * 4 + [2] * 2
    assert (store.root / table["path"][0]).is_file()
    assert said[-1] == "[6/6] guidance_scale = 4, seed = 1: failed in 1 s: no images"
    results = pd.read_csv(sweep.folder / "results.csv")
    assert results.columns.tolist() == ["combination", "guidance_scale", "seed", "arm", "probe", "value", "low", "high"]
    assert len(results) == 4 * 2 and results["value"].tolist()[:2] == [0.1, 1.1]
    pd.testing.assert_frame_equal(results, sweep.results(), check_dtype=False)


@pytest.mark.parametrize("name", chapter_names())
def test_a_command_has_exactly_the_parameters_of_its_combination(store, monkeypatch, name):
    asked = []
    monkeypatch.setattr(module, "run_tasks", lambda tasks, **options: asked.extend(tasks) or iter(()))
    swept = [{"preset": preset} for preset in ("smoke", "laptop", "reference", "workstation")]
    sweep = begin_sweep(name, swept, resolve_all(name, swept, {}), folder=None, resume=False)
    run_sweep(sweep, workers=1, log=print)
    assert [resolve(name, given_by(task)) for task in asked] == sweep.parameters


def test_the_same_sweep_goes_on_only_when_told(pretended, store):
    run_sweep(prepared(["guidance_scale=1,2,4"]), workers=1, log=lambda line: None)
    before = len(pretended)
    with pytest.raises(
        ValueError,
        match=r"begun before \(2 of 3 combinations are executed\); add --resume to continue it: sweeps/compare-",
    ):
        prepared(["guidance_scale=1,2,4"])
    again = run_sweep(prepared(["guidance_scale=1,2,4"], resume=True), workers=1, log=lambda line: None)
    assert [row["status"] for row in again.rows] == ["found", "found", "failed"]
    assert len(pretended) == before + 1  # only the one that had failed
    write_results(again)
    pd.testing.assert_frame_equal(again.results(), pd.read_csv(again.folder / "results.csv"), check_dtype=False)


def test_what_another_sweep_executed_is_found(pretended):
    run_sweep(prepared(["guidance_scale=1,2"]), workers=1, log=lambda line: None)
    count = len(pretended)
    wider = run_sweep(prepared(["guidance_scale=1,2,3"]), workers=1, log=lambda line: None)
    assert [row["status"] for row in wider.rows] == ["found", "found", "done"] and len(pretended) == count + 1


def test_a_folder_of_another_sweep_is_refused(pretended, tmp_path):
    prepared(["guidance_scale=1,2"], folder=tmp_path / "mine")
    with pytest.raises(ValueError, match="holds another sweep, of compare with 2 combinations"):
        prepared(["guidance_scale=1,3"], folder=tmp_path / "mine", resume=True)


def test_an_interruption_is_written_down(store, monkeypatch):
    def interrupted(tasks, *, workers, cluster, on_event):
        on_event("started", tasks[0])
        yield Finished(tasks[0], "failed", 1.0, 1, "x", "")
        on_event("started", tasks[1])
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_tasks", interrupted)
    result = CliRunner().invoke(app, ["sweep", "compare", "-g", "guidance_scale=1,2,4", "--preset", "smoke"])
    assert result.exit_code == 130
    assert "Stopped with 3 of 3 combinations to go; the same command with --resume does the rest." in result.stderr
    (table,) = Path("sweeps").glob("*/table.csv")
    assert pd.read_csv(table)["status"].tolist() == ["failed", "stopped", "stopped"]


def test_summary_page(pretended, store):
    sweep = run_sweep(prepared(["guidance_scale=1,2,4", "seed=0,1"]), workers=2, log=lambda line: None)
    text = write_results(sweep).read_text()
    assert text.startswith("# Sweep of compare: guidance_scale, seed\n") and "6 combinations: 4 done, 2 failed." in text
    assert ":::{figure} summary.png" in text and (sweep.folder / "summary.png").read_bytes()[:4] == b"\x89PNG"
    assert "| 1 | A | linear group | 2 | 10.0 % [10.0, 10.0] |" in text  # both seeds alike
    assert text.count("no images") == 2


def test_only_shares_are_shown_in_percent(pretended, store, monkeypatch):
    monkeypatch.setattr(compare, "HEADLINE", replace(compare.HEADLINE, unit="colourfulness"))
    sweep = run_sweep(prepared(["guidance_scale=1,2", "seed=0,1"]), workers=1, log=lambda line: None)
    text = write_results(sweep).read_text()
    assert "| 1 | A | linear group | 2 | 0.1 [0.1, 0.1] |" in text


@pytest.mark.parametrize("name", ["file:x", "http:x", "run-10:30", "a?b #"])
def test_a_sweep_in_a_folder_of_any_name(pretended, store, name):
    """A relative folder is never an address, for which pandas would take some of these."""
    sweep = run_sweep(prepared(["guidance_scale=1,2"], folder=Path(name)), workers=1, log=lambda line: None)
    write_results(sweep)
    folder = Path.cwd() / name
    assert len(pd.read_csv(folder / "table.csv")) == 2 and len(pd.read_csv(folder / "results.csv")) == 4


def test_lists_can_be_swept(pretended, store):
    sweep = run_sweep(
        prepared(["probe_designs=[noto,emojione],[noto,twemoji]", "seed=0,1"]), workers=1, log=lambda line: None
    )
    assert "| ['noto', 'twemoji'] | A | linear group | 2 |" in write_results(sweep).read_text()
    assert pd.read_csv(sweep.folder / "results.csv")["probe_designs"].tolist()[0] == "['noto', 'emojione']"


def test_means_over_seeds():
    results = pd.DataFrame(
        {
            "guidance_scale": [1, 1, 2],
            "seed": [0, 1, 0],
            "arm": "A",
            "value": [0.2, 0.4, 0.9],
            "low": [0.1, 0.3, 0.8],
            "high": 1.0,
        }
    )
    first, second = over_seeds_of(results, ["guidance_scale", "seed"], ["arm"]).itertuples(index=False)
    half = 12.706204736 * 0.1  # Student's t of one degree of freedom times the standard error, 0.2 / sqrt(2) / sqrt(2)
    assert (first.value, first.seeds, second.value, second.low, second.seeds) == (pytest.approx(0.3), 2, 0.9, 0.8, 1)
    assert (first.low, first.high) == (pytest.approx(0.3 - half), pytest.approx(0.3 + half))


def test_a_page_can_be_added_to_the_book(pretended, tmp_path):
    from stablerep.study.book.build import build_book
    from tests.study.book.test_build import project

    sweep = run_sweep(prepared(["guidance_scale=1,2"]), workers=1, log=lambda line: None)
    html = build_book(project(tmp_path / "project"), tmp_path / "html", pages=[write_results(sweep)]).parent
    page = BeautifulSoup((html / "book" / "added" / "1" / "summary.html").read_text(), "html.parser")
    assert page.find("h1").get_text().startswith("Sweep of compare: guidance_scale")
    assert page.find("figure").find("img")["alt"].startswith("Accuracy against guidance_scale")
    assert "Added" in page.find("nav", class_="bd-links").get_text()
    with pytest.raises(MissingError, match="there is no file .*absent.md"):
        build_book(tmp_path / "project", tmp_path / "html", pages=[tmp_path / "absent.md"])


def test_a_plan_computes_nothing(store):
    result = CliRunner().invoke(
        app, ["sweep", "compare", "-g", "guidance_scale=1,2", "-p", "preset=smoke", "--dry-run"]
    )
    assert result.exit_code == 0, result.output
    first, second, counts, _ = result.stdout.splitlines()
    # that scale is StableRep's and StableRep+'s: of the second, a training and an evaluation of each, and the strip; its set is CLIP's too
    assert first.startswith("[1/2] guidance_scale = 1: 36 runs of its own") and second.startswith(
        "[2/2] guidance_scale = 2: 5 runs of its own"
    )
    assert counts == "Of 41 runs 0 exist and 41 would be computed; 2 notebooks would be executed."
    assert not store.root.exists() and not Path("sweeps").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare"], "the sweep has nothing to combine; give -g name=values or --list FILE."),
        (
            ["compare", "-g", "guidance_scael=1,2"],
            "compare has no parameter 'guidance_scael'; did you mean guidance_scale?",
        ),
        (
            ["comparison", "-g", "seed=1,2"],
            f"there is no chapter 'comparison'; the book has {', '.join(chapter_names())}.",
        ),
    ],
)
def test_mistakes_start_nothing(store, arguments, said):
    result = CliRunner().invoke(app, ["sweep", *arguments])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{said}\n")
    assert not Path("sweeps").exists()


def test_the_key_depends_on_what_is_asked():
    def key(*grid):
        swept = combinations(list(grid))
        return sweep_key("compare", resolve_all("compare", swept, {}))

    assert key("seed=0..3") == key("seed=0,1,2,3") != key("seed=3,2,1,0")


@pytest.mark.slow
def test_a_real_sweep_killed_in_the_middle_is_resumed_and_computes_nothing_twice(store, tmp_path):
    """Three notebooks by two workers; the sweep is killed without a word when the first has ended."""
    grid = ("-g", "size=32,48,64", "--preset", "smoke", "--workers", "2")
    command = [sys.executable, "-m", "stablerep.study.commands", "sweep", "corpus", *grid]
    process = subprocess.Popen(command, start_new_session=True)
    wait_for(lambda: process.poll() is not None or any(map(Path.is_dir, store.root.glob("notebook-*"))), 300)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    created = {run["key"]: run["created"] for run in store.list().query("complete").to_dict("records")}
    assert 1 <= len(created) < 3
    refused = CliRunner().invoke(app, command[3:])
    assert refused.exit_code == 2 and "add --resume to continue it" in refused.stderr
    done = CliRunner().invoke(app, [*command[3:], "--resume"])
    assert done.exit_code == 0, done.output
    after = store.list()
    assert len(after) == 3 and after["complete"].all()
    assert created.items() <= dict(zip(after["key"], after["created"])).items()
    (folder,) = Path("sweeps").iterdir()
    table = pd.read_csv(folder / "table.csv")
    assert sorted(table["status"].unique()) == ["done", "found"] and (table["status"] == "found").sum() >= len(created)
    assert len(pd.read_csv(folder / "results.csv")) == 3 * 2  # two designs each
