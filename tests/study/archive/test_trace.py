"""Chains, on a small store whose links are known."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

from stablerep.study.archive import trace as module
from stablerep.study.archive.trace import executed_notebook, figure_names, trace
from stablerep.study.archive.trace_text import describe_chain
from stablerep.study.commands.main import app
from stablerep.study.notebooks import execution
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step
from tests.study.archive.traced import GENERATOR, TRAINED, executed_chapter, plan_hash, small_store


@pytest.fixture
def world(tmp_path):
    store, runs = small_store(tmp_path / "runs")
    asked = [
        runs[name].key for name in ("untrained", "set 0", "trained 0", "probed 0", "set 1", "trained 1", "probed 1")
    ]
    return store, runs, executed_chapter(tmp_path / "chapters", store, asked), tmp_path / "chapters"


@pytest.fixture
def results(tmp_path, monkeypatch, stored):
    """A copy of the stored results, in their place."""
    shutil.copytree(stored, tmp_path / "results" / "compare")
    for place in (module, execution):
        monkeypatch.setattr(place, "STORED", tmp_path / "results")
    return tmp_path / "results" / "compare"


def lines_of(chain) -> list[str]:
    return [line.strip() for line in describe_chain(chain).splitlines()]


# Links


def test_links_by_hand(world):
    store, runs, key, folder = world
    chain = trace("compare", store, folder)
    assert chain.about["key"] == key == chain.execution.key and set(chain.links) == {run.key for run in runs.values()}
    for seed in (0, 1):
        assert chain.links[runs[f"probed {seed}"].key].needs == {runs[f"trained {seed}"].key: "encoder"}
        trained = chain.links[runs[f"trained {seed}"].key]
        assert trained.needs == {runs[f"set {seed}"].key: "images (first1)"} and trained.inputs == {}
        assert chain.links[runs[f"set {seed}"].key].inputs == {"captions": plan_hash(seed), "generator": GENERATOR}
    assert chain.links[runs["untrained"].key].inputs == {"encoder": "random-resnet10t-0", "corpus": "emoji"}
    assert chain.first == [runs[name].key for name in ("untrained", "probed 0", "probed 1")]
    assert chain.execution.inputs == execution.current_inputs(
        "compare", execution.resolve("compare", {"preset": "smoke"})
    )


def test_figures_and_tables_lead_to_their_chapter(world):
    store, _, key, folder = world
    figures = figure_names(module.project_root())
    assert figures["fig-generator-sets"] == "generator" and len(figures) > 10
    mine = next(name for name, chapter in figures.items() if chapter == "compare")
    for what in (mine, "compare/arms", "compare/differences"):
        chain = trace(what, store, folder)
        assert (chain.what, chain.chapter, chain.about["key"]) == (what, "compare", key)


def test_a_run_has_a_chain_of_its_own(world):
    store, runs, _, _ = world
    chain = trace(runs["probed 1"].key[:-6], store)
    assert (
        chain.first == [runs["probed 1"].key]
        and len(chain.links) == 3
        and chain.about == {}
        and chain.execution is None
    )


def test_an_executed_notebook_has_the_chain_of_its_chapter(world):
    store, runs, key, folder = world
    chain = trace(key[:-4], store)
    assert (chain.chapter, chain.about["key"], set(chain.links)) == ("compare", key, {run.key for run in runs.values()})


def test_runs_within_runs_are_links(tmp_path):
    """What a computation asks of the store is written down; so is what it names before."""
    store = RunStore(tmp_path)

    def inner(name):
        return store.obtain(Step("inner", 1), parameters={"name": name}, inputs={}, compute=lambda folder: None)

    outer = store.obtain(
        Step("outer", 1),
        parameters={},
        inputs={},
        needs=lambda: inner("a"),
        compute=lambda folder: inner("b") and None,
    )
    assert outer.info["provenance"]["uses"] == sorted([inner("a").key, inner("b").key])
    assert inner("a").info["provenance"]["uses"] == []
    chain = trace(outer.key, store)
    assert chain.links[outer.key].needs == {inner("a").key: "read within", inner("b").key: "read within"}
    assert set(chain.links) == {outer.key, inner("a").key, inner("b").key}


def test_an_input_that_begins_as_a_run_does_is_no_link(tmp_path):
    """A name is not a shortened key, even where two runs begin so."""
    store = RunStore(tmp_path)
    for n in (0, 1):
        store.obtain(Step("emoji", 1), parameters={"n": n}, inputs={}, compute=lambda folder: None)
    hashes = f"abcdefabcdefabcd-{GENERATOR}"
    run = store.obtain(
        Step("probe", 1), parameters={}, inputs={"corpus": "emoji", "images": hashes}, compute=lambda folder: None
    )
    link = trace(run.key, store).links[run.key]
    assert link.needs == {} and link.inputs == {"corpus": "emoji", "images": hashes}


def test_a_whole_set_or_a_part_of_it(tmp_path):
    store, runs = small_store(tmp_path)
    made = runs["set 0"].key
    for images, role in ((made, "images"), (f"{made}-first1", "images (first1)")):
        run = store.obtain(
            TRAINED,
            parameters=runs["trained 0"].info["parameters"] | {"steps": 9},
            inputs={"images": images},
            compute=lambda folder: None,
        )
        assert trace(run.key, store).links[run.key].needs == {made: role}


# Runs that are gone


def test_runs_that_are_gone_are_named(world):
    store, runs, _, folder = world
    for name in ("set 0", "trained 1", "probed 1"):
        store.remove(runs[name].key)
    chain = trace("compare", store, folder)
    assert [key for key, link in chain.links.items() if link.missing] == [
        key for key in chain.links if not store.find(key)
    ]
    assert {link.step for link in chain.links.values() if link.missing} == {"synthesis", "pretraining", "evaluation"}
    assert chain.links[runs["trained 0"].key].needs == {runs["set 0"].key: "images (first1)"}
    lines = lines_of(chain)
    assert f"evaluation: no longer in the store  {runs['probed 1'].key[-16:]}" in lines
    assert f"images (first1): synthesis: no longer in the store  {runs['set 0'].key[-16:]}" in lines


def test_a_run_that_another_needs_is_named_when_it_is_gone(world):
    store, runs, _, _ = world
    store.remove(runs["trained 0"].key)
    chain = trace(runs["probed 0"].key, store)
    assert chain.links[runs["trained 0"].key].missing and chain.links[runs["probed 0"].key].needs == {
        runs["trained 0"].key: "encoder"
    }


# Words


def test_seeds_share_a_line(world):
    store, runs, key, folder = world
    text = describe_chain(trace("compare", store, folder))
    assert text.startswith(f"compare\nnotebook {key}: preset smoke\n")
    lines = [line.strip() for line in text.splitlines()]
    (line,) = [line for line in lines if "pretraining" in line]
    assert line.startswith("encoder: 2 x pretraining (seeds 0, 1): simclr, resnet10t, 5 steps of 8 views  ")
    assert line.endswith(f"  {runs['trained 0'].key[-16:]}, {runs['trained 1'].key[-16:]}")
    (line,) = [line for line in lines if "synthesis" in line]
    assert line.startswith("images (first1): 2 x synthesis (seeds 0, 1): 8 images of 4 captions, w = 2")
    assert f"captions {plan_hash(0)}, {plan_hash(1)}" in lines and f"generator {GENERATOR}" in lines
    assert len([line for line in lines if line.startswith("2 x evaluation")]) == 1
    (made,) = [
        line for line in text.splitlines() if line.startswith("computed by stablerep")
    ]  # that of the stored results is indented
    assert ", torch " in made and ", on " in made
    assert lines[-1].endswith(" s in 7 runs")


def test_runs_that_differ_otherwise_say_in_what(tmp_path):
    store, keys = RunStore(tmp_path), []
    for method, rate, seed in (("simclr", 0.1, 0), ("simclr", 0.2, 0), ("simclr", 0.2, 1), ("clip", 0.2, 0)):
        given = {
            "method": method,
            "steps": 5,
            "views_per_step": 8,
            "seed": seed,
            "view": {"rate": rate, "size": 32},
            "encoder": {"name": "r"},
        }
        run = store.obtain(TRAINED, parameters=given, inputs={"images": "x"}, compute=lambda folder: None)
        keys.append(
            store.obtain(
                Step("evaluation", 5), parameters={}, inputs={"encoder": run.key}, compute=lambda folder: None
            ).key
        )
    outer = store.obtain(Step("outer", 1), parameters={}, inputs=dict(zip("abcd", keys)), compute=lambda folder: None)
    found = [line.split("  ")[0] for line in lines_of(trace(outer.key, store)) if "pretraining" in line]
    assert sorted(found) == [
        "encoder: pretraining (seed 0): clip, r, 5 steps of 8 views; view.rate = 0.2",
        "encoder: pretraining (seed 0): simclr, r, 5 steps of 8 views; view.rate = 0.1",
        "encoder: pretraining (seed 0): simclr, r, 5 steps of 8 views; view.rate = 0.2",
        "encoder: pretraining (seed 1): simclr, r, 5 steps of 8 views; view.rate = 0.2",
    ]
    one = store.obtain(
        Step("three", 1),
        parameters={},
        inputs={},
        needs=lambda: [store.find(key) for key in keys],
        compute=lambda folder: None,
    )
    assert one.info["provenance"]["uses"] == []  # to look is not to ask


def test_what_was_shown_is_not_shown_again(tmp_path):
    store, runs = small_store(tmp_path)
    again = store.obtain(
        Step("transfer", 1),
        parameters={"set": "digits"},
        inputs={"encoder": runs["trained 0"].key},
        compute=lambda folder: None,
    )
    outer = store.obtain(
        Step("outer", 1),
        parameters={},
        inputs={"a": runs["probed 0"].key, "b": again.key},
        compute=lambda folder: None,
    )
    lines = lines_of(trace(outer.key, store))
    shown = [line for line in lines if runs["trained 0"].key[-16:] in line]
    assert len(shown) == 2 and not shown[0].endswith("(as above)") and shown[1].endswith("(as above)")
    assert len([line for line in lines if "synthesis" in line]) == 1


def test_a_record_of_an_earlier_version_has_words_too(tmp_path):
    store = RunStore(tmp_path)
    run = store.obtain(
        Step("pretraining", 1), parameters={"seed": 3}, inputs={"images": "x"}, compute=lambda folder: None
    )
    assert lines_of(trace(run.key, store))[1].startswith("pretraining (seed 3)  ")


# The executed notebook


def test_a_book_has_executed_notebooks_of_its_own(world, tmp_path):
    store, _, key, folder = world
    inside = tmp_path / "book" / "_sources" / "book" / "chapters"
    shutil.copytree(folder, inside)
    assert trace("compare", store, tmp_path / "book").about["key"] == key


def test_without_a_folder_the_newest_execution_in_the_store_is_taken(world, tmp_path, monkeypatch):
    store, _, first, _ = world
    monkeypatch.setattr(module, "CHAPTERS", tmp_path / "no chapters")
    later = executed_chapter(None, store, [], seed=5)
    for key, created in ((first, "2031-01-01T00:00:00+00:00"), (later, "2030-01-01T00:00:00+00:00")):
        path = store.root / key / "run.json"
        info = json.loads(path.read_text())
        info["provenance"]["created"] = created
        path.write_text(json.dumps(info))
    assert executed_notebook("compare", store)["metadata"]["stablerep"]["key"] == first
    with pytest.raises(ValueError, match="scaling was not executed yet, or not by `stablerep`"):
        executed_notebook("scaling", store)


@pytest.mark.parametrize("content", ["{", "[]", '{"metadata": {}}', '{"metadata": {"stablerep": {"preset": "smoke"}}}'])
def test_a_chapter_that_was_not_executed(tmp_path, content):
    (tmp_path / "compare.ipynb").write_text(content)
    with pytest.raises(
        ValueError, match="compare was not executed yet in .*, or not by `stablerep`; `stablerep book` does it.$"
    ):
        trace("compare", RunStore(tmp_path / "runs"), tmp_path)


# Stored results


def test_stored_results_end_the_chain(tmp_path):
    store, _ = small_store(tmp_path / "runs")
    executed_chapter(tmp_path / "chapters", store, [], live=False)
    chain = trace("compare", store, tmp_path / "chapters")
    assert chain.links == {} and not chain.live and chain.stored["notebook"] == "compare" and chain.wrong == []
    lines = lines_of(chain)
    assert f"arms.parquet sha256 {chain.stored['sha256']['arms.parquet'][:16]}" in lines
    (line,) = [line for line in lines if line.startswith("drawn from the stored results of")]
    assert line.endswith("preset reference, seed = 0, seeds = 5")


def test_a_live_page_compares_with_them(world):
    assert any(
        line.startswith("compared with the stored results of")
        for line in lines_of(trace("compare", world[0], world[3]))
    )


def test_stored_results_are_checked(world, results):
    store, _, _, folder = world
    assert trace("compare", store, folder).wrong == []
    (results / "arms.parquet").write_bytes(b"x")
    (results / "seeds.parquet").unlink()
    chain = trace("compare", store, folder)
    assert chain.wrong == [
        "results/compare/arms.parquet is not the file that its record names.",
        "results/compare/seeds.parquet is missing.",
    ]
    assert chain.wrong[0] in lines_of(chain)
    (results / "record.json").write_text("[]")
    with pytest.raises(ValueError, match="results/compare/record.json could not be read"):
        trace("compare", store, folder)


def test_a_page_drawn_from_other_stored_results_says_so(tmp_path, results):
    store = RunStore(tmp_path / "runs")
    executed_chapter(tmp_path / "chapters", store, [], live=False)
    (results / "more.parquet").write_bytes(b"x")
    assert trace("compare", store, tmp_path / "chapters").wrong == [
        "compare was drawn before results/compare changed; `stablerep run compare --no-live` draws it again."
    ]
    shutil.rmtree(results)
    assert (
        "results/compare/record.json is missing; `stablerep reference compare` makes it."
        in trace("compare", store, tmp_path / "chapters").wrong
    )


# Names and commands


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("fig-compare-arm", "the nearest is fig-compare"), ("compare/arm", "the nearest is compare/arms"), ("zzzz", "chapters are corpus,"),
        ("", "chapters are corpus,"), ("synthesys-0123", "the nearest is synthesis-"), ("../compare", "the nearest is compare"),
    ],
)  # fmt: skip
def test_unknown_names(world, what, said):
    with pytest.raises(ValueError, match="^[^\n]+$") as error:
        trace(what, world[0], world[3])
    assert said in str(error.value)


def test_the_beginning_of_several_keys(world):
    with pytest.raises(ValueError, match="'evaluation-' is the beginning of 3 runs"):
        trace("evaluation-", world[0])


def test_by_command(world, monkeypatch, results):
    store, runs, key, folder = world
    monkeypatch.setenv("STABLEREP_RUNS", str(store.root))

    def call(*more):
        return CliRunner().invoke(app, ["trace", "compare/arms", "--book", str(folder), *more])

    result = call("--json")
    assert result.exit_code == 0, result.stderr
    chain = json.loads(result.stdout)
    assert chain["about"]["key"] == key and set(chain["links"]) == {run.key for run in runs.values()}
    assert call().stdout.startswith("compare/arms, of the chapter compare\n")
    (results / "arms.parquet").write_bytes(b"x")
    assert call().exit_code == 1 and "is not the file that its record names" in call().stdout
    result = CliRunner().invoke(app, ["trace", "comparr"])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
