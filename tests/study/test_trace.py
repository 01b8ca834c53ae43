"""Chains, on a small store whose links are known."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from stablerep.study import trace as module
from stablerep.study.commands import app
from stablerep.study.runs import RunStore
from stablerep.study.trace import chapter_of, describe_chain, figure_names, trace
from tests.study.traced import executed_chapter, small_store


@pytest.fixture
def world(tmp_path):
    store, runs = small_store(tmp_path / "runs")
    asked = [runs[name].key for name in ("untrained", "set 0", "trained 0", "probed 0", "set 1", "trained 1", "probed 1")]
    return store, runs, executed_chapter(tmp_path / "chapters", store, asked), tmp_path / "chapters"


def test_links_by_hand(world):
    store, runs, key, folder = world
    chain = trace("compare", store, folder)
    assert chain.about["key"] == key and set(chain.links) == {run.key for run in runs.values()}
    for seed in (0, 1):
        assert chain.links[runs[f"probed {seed}"].key].needs == [runs[f"trained {seed}"].key]
        trained = chain.links[runs[f"trained {seed}"].key]
        assert trained.needs == [runs[f"set {seed}"].key] and trained.inputs == {}
        assert chain.links[runs[f"set {seed}"].key].inputs == {"captions": f"plan{seed}", "generator": "gen"}
    assert chain.links[runs["untrained"].key].inputs == {"encoder": "random-resnet10t-0", "corpus": "emoji"}
    assert chain.first == [runs[name].key for name in ("untrained", "probed 0", "probed 1")]


def test_figures_and_tables_lead_to_their_chapter(world):
    store, _, key, folder = world
    figures = figure_names(module.project_root())
    assert figures["fig-generator-sets"] == "generator" and len(figures) > 10
    mine = next(name for name, chapter in figures.items() if chapter == "compare")
    for what in (mine, "compare/arms", "compare/differences"):
        assert trace(what, store, folder).about["key"] == key
    assert chapter_of("bias") == "bias"


def test_a_run_has_a_chain_of_its_own(world):
    store, runs, _, _ = world
    chain = trace(runs["probed 1"].key[:-6], store)
    assert chain.first == [runs["probed 1"].key] and len(chain.links) == 3 and chain.about == {}


def test_runs_within_runs_are_links(tmp_path):
    """What a computation asks of the store is written down; so is what it names before."""
    store = RunStore(tmp_path)

    def inner(name):
        return store.obtain("inner", version=1, parameters={"name": name}, inputs={}, compute=lambda folder: None)

    outer = store.obtain("outer", version=1, parameters={}, inputs={}, needs=lambda: inner("a"), compute=lambda folder: inner("b") and None)
    assert outer.info["provenance"]["uses"] == sorted([inner("a").key, inner("b").key])
    assert inner("a").info["provenance"]["uses"] == []
    assert set(trace(outer.key, store).links) == {outer.key, inner("a").key, inner("b").key}


def test_runs_that_are_gone_are_named(world):
    store, runs, _, folder = world
    store.remove(runs["set 0"].key)
    store.remove(runs["probed 1"].key)
    chain = trace("compare", store, folder)
    assert chain.links[runs["probed 1"].key].missing
    assert chain.links[runs["trained 0"].key].inputs == {"images": "plan0-gen-float32-first1"}
    assert "evaluation, no longer in the store:" in describe_chain(chain)


def test_seeds_share_a_line(world):
    store, runs, key, folder = world
    text = describe_chain(trace("compare", store, folder))
    assert text.startswith(f"compare\nnotebook {key}: preset smoke\n")
    lines = [line.strip() for line in text.splitlines()]
    (line,) = [line for line in lines if "pretraining" in line]
    assert line.startswith("2 x pretraining: simclr") and ", seeds 0, 1  " in line
    assert runs["trained 0"].key[-16:] in line and runs["trained 1"].key[-16:] in line
    assert any(line.startswith("computed by stablerep") for line in lines)
    assert len([line for line in lines if line.startswith("2 x evaluation")]) == 1


def test_stored_results_end_the_chain(tmp_path, monkeypatch):
    store, _ = small_store(tmp_path / "runs")
    executed_chapter(tmp_path / "chapters", store, [], live=False)
    chain = trace("compare", store, tmp_path / "chapters")
    assert chain.links == {} and chain.stored["notebook"] == "compare" and chain.wrong == []
    assert "stored results of" in describe_chain(chain)
    monkeypatch.setattr(module, "hash_file", lambda path: "0" * 64)
    assert trace("compare", store, tmp_path / "chapters").wrong[0].endswith("is not the file that its record names.")


@pytest.mark.parametrize(
    ("what", "said"),
    [("fig-compare-arm", "the nearest is fig-compare"), ("compare/arm", "the nearest is compare/arms"), ("zzzz", "chapters are corpus,")],
)
def test_unknown_names(world, what, said):
    with pytest.raises(ValueError, match="^[^\n]+$") as error:
        trace(what, world[0], world[3])
    assert said in str(error.value)


def test_a_chapter_that_was_not_executed(tmp_path):
    with pytest.raises(ValueError, match="compare was not executed yet, or not by `stablerep`"):
        trace("compare", RunStore(tmp_path), tmp_path)


def test_by_command(world, monkeypatch):
    store, runs, key, folder = world
    monkeypatch.setenv("STABLEREP_RUNS", str(store.root))
    result = CliRunner().invoke(app, ["trace", "compare/arms", "--book", str(folder), "--json"])
    assert result.exit_code == 0, result.stderr
    chain = json.loads(result.stdout)
    assert chain["about"]["key"] == key and set(chain["links"]) == {run.key for run in runs.values()}
    assert "of the chapter compare" in CliRunner().invoke(app, ["trace", "compare/arms", "--book", str(folder)]).stdout
