"""The notebooks end to end at the smoke preset, by papermill, and the book that is built of them."""

from __future__ import annotations

import json
import re

import pytest
from bs4 import BeautifulSoup
from papermill.cli import papermill

from stablerep.study.book.whole import book_parameters, make_book, plan_text
from stablerep.study.chapters import chapter, compute_tables, has_stored_results, resolve, schemas
from stablerep.study.experiments.study import Study
from stablerep.study.notebooks.chapter import source_text
from stablerep.study.notebooks.execution import execute_notebook
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.plans.planning import PlanningStore, PlanningStudy, plan_chapters
from stablerep.study.root import project_root
from stablerep.study.store.runs import RunStore
from tests.study.book.offline import check_offline
from tests.study.stand_ins import write_photographs

# The chapter on scaling draws its stored results too, once there are some.
FIGURES = {
    "corpus": 4,
    "generator": 4,
    "methods": 3,
    "compare": 3,
    "guidance": 3,
    "images_per_caption": 1,
    "scaling": 1,
    "bias_representation": 3,
}


# What a chapter needs to compute anything, where the presets do not have it.
NEEDED = {"photographs": {"cifar10_generator": "emoji", "fairface_generator": "emoji"}}
# What makes a chapter read all of its parameters, where it reads some only then.
WHOLE = {
    "bias_generator": {"planted_shares": [0.9]},
    "bias_representation": {"real_shares": [0.5]},
    "composition": {"probe_part": "validation"},
    "copies": {"multiplicities": [1, 10], "set_sizes": [4], "extraction_captions": 2},
    "editing": {"debias": True},
    "generations": {"ways": ["replaced", "mixed", "accumulated", "filtered", "only real"]},
    "guidance": {"methods": ["simclr", "stablerep", "mae"], "limited_scales": [4.0]},
    "longer_larger": {"arms": ["StableRep synthetic", "SimCLR synthetic", "CLIP synthetic"]},
    "mixture": {"methods": ["stablerep", "simclr"]},
    "quality": {"methods": ["stablerep", "simclr"]},
    "retrieval": {"methods": ["stablerep", "simclr"]},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A run store that only these tests write to, and photographs."""
    patch = pytest.MonkeyPatch()
    root = tmp_path_factory.mktemp("runs")
    patch.setenv("STABLEREP_RUNS", str(root))
    patch.setenv("STABLEREP_DATA", str(write_photographs(tmp_path_factory.mktemp("data"))))
    yield RunStore(root)
    patch.undo()


def test_a_chapter_without_stored_results_has_a_page_that_says_so(store, tmp_path, monkeypatch):
    """The book of stored results takes what is there; nothing is computed for it."""
    built, lines, before = [], [], set(store.list()["key"])
    monkeypatch.setattr("stablerep.study.book.whole.has_stored_results", lambda name: name == "corpus")

    def build(root, output, folder, **options):
        built.append({path.stem: path.read_text() for path in folder.glob("*.ipynb")})
        return output / "index.html"

    monkeypatch.setattr("stablerep.study.book.whole.build_book", build)
    make_book({"live": False}, title="Stored", log=lines.append)
    (pages,) = built
    assert set(pages) == set(schemas())
    assert all(("This chapter has no stored results" in text) == (name != "corpus") for name, text in pages.items())
    assert "`stablerep run compare` computes the chapter" in pages["compare"]
    (new,) = set(store.list()["key"]) - before
    assert new.startswith("notebook-")
    assert sum(line.endswith("] compare: there are no stored results; its page says so") for line in lines) == 1


# In an empty store: before the comparison, with which the chapter on scaling shares runs; and the generator, which reads runs inside of others.
FIRST = ("scaling", "generator")


@pytest.mark.parametrize("name", sorted(schemas(), key=lambda name: name not in FIRST))
def test_every_parameter_is_read_and_every_run_was_planned(name, store, monkeypatch, small_clip):
    """A parameter that changes nothing would be a lie, and so would a plan that lists other runs than are asked for, keys and all. What is
    computed here, the notebooks below find. Some parameters are read only where captions repeat, as their descriptions say."""
    store = RunStore(store.root)  # which notes what is asked of it from now on
    whole = WHOLE.get(name, {})
    if name == "bias_generator":  # occupations are drawn where a CLIP model can look at them
        monkeypatch.setenv("STABLEREP_PATHS", str(small_clip[1]))
        whole = whole | {"clip_model": str(small_clip[1])}
    read, planned = set(), resolve(name, {"preset": "smoke"} | NEEDED.get(name, {}) | whole)

    class Recording(schemas()[name]):
        def __getattribute__(self, attribute):
            read.add(attribute)
            return super().__getattribute__(attribute)

    earlier = set(store.list()["key"])
    (before,) = plan_chapters([(name, planned)], store)
    assert set(store.list()["key"]) == earlier
    assert {run.key for run in before.runs if run.exists} <= earlier
    if name in FIRST:
        assert not any(run.exists for run in before.runs)
    p = Recording(**planned.model_dump())
    read.clear()
    study = Study(store, p)
    compute_tables(name, p, study)
    code = [cell["source"] for cell in json.loads(source_text(name))["cells"] if cell["cell_type"] == "code"]
    read.update(re.findall(r"chapter\.parameters\.(\w+)", "\n".join(map("".join, code))))
    with monkeypatch.context() as patch:
        patch.setattr(PlanningStudy, "repeats_captions", True)
        chapter(name).ask(p, PlanningStudy(PlanningStore(store.root), p))
    assert set(schemas()[name].model_fields) - read <= {"preset", "live"}  # which are read before any chapter is
    assert {run.key for run in before.runs} == set(study.store.asked)
    assert {run.key for run in before.runs if not run.exists} == set(store.list()["key"]) - earlier
    (after,) = plan_chapters([(name, planned)], store)
    assert all(run.exists and run.cost is None for run in after.runs) and after.missing == []
    # what a finished run was made from is not asked for again
    assert {run.key for run in after.runs} <= {run.key for run in before.runs}


@pytest.mark.parametrize("name", schemas())
def test_every_notebook_runs_at_the_smoke_preset(name, store):
    given = NEEDED.get(name, {})
    if given and has_stored_results(name):  # which the book below draws
        execute_notebook(name, {"preset": "smoke"}, store=store, log=None)
    run = execute_notebook(name, {"preset": "smoke"} | given, store=store, log=None)
    notebook = json.loads(run.path(f"{name}.ipynb").read_text())
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(c["execution_count"] for c in cells if "".join(c["source"]).strip())
    kinds = [o["output_type"] for c in cells for o in c["outputs"]]
    assert "error" not in kinds
    figures = sum("image/png" in o.get("data", {}) for c in cells for o in c["outputs"])
    stored = (project_root() / "results" / name / "record.json").exists()
    assert figures == FIGURES[name] + stored if name in FIGURES else figures  # beside a reference, one of this run
    about = notebook["metadata"]["stablerep"]
    assert (about["key"], about["preset"], about["changed"]) == (run.key, "smoke", given)
    assert about["headline"]["rows"] and all(row["value"] is not None for row in about["headline"]["rows"])
    assert all(store.find(key) for key in about["runs"]) and bool(about["runs"]) == (name != "corpus")
    assert any(file.startswith("tables/") for file in run.info["files"])


def test_the_smoke_book_is_built_and_reads_back(store, tmp_path):
    lines = []
    before = set(store.list()["key"])
    index = make_book({"preset": "smoke"}, output=tmp_path / "html", strict=True, log=lines.append)
    assert set(store.list()["key"]) == before, "the chapters were executed above; the book computes nothing again"
    assert "nothing would be computed" in lines[0], "a plan comes first"
    assert json.loads((index.parent / "book.json").read_text())["chapters"] == list(schemas())
    assert check_offline(index.parent) == []
    without = [name for name in NEEDED if not has_stored_results(name)]
    for name in without:
        page = BeautifulSoup((index.parent / "book" / "chapters" / f"{name}.html").read_text(), "html.parser")
        text = page.find("main").get_text()
        assert "This chapter has no stored results" in text and "stablerep train-generator" in text
    for name in schemas().keys() - without:
        page = BeautifulSoup((index.parent / "book" / "chapters" / f"{name}.html").read_text(), "html.parser")
        text = page.get_text()
        assert (
            "Traceback" not in text and "Warning" not in text and "IPython.core" not in text
        )  # as of an empty Markdown
        assert "Made from notebook" in text and "Stale" not in text
        drawn = page.select("main figure svg.figure-wide")
        assert drawn and all(re.search(r"\d", one["aria-label"]) for one in drawn)  # each says a number
        assert len(page.select("main figure svg.figure-narrow")) == len(drawn)
        assert not [f for f in page.select("figure") if f.find("svg") and "Figure" not in f.get_text()]
        files = [link["href"] for link in page.select(".figure-files a")]
        assert len(files) >= 3 * len(drawn) and all(
            (index.parent / "book" / "chapters" / file).is_file() for file in files
        )
    for path in index.parent.rglob("*.html"):
        for table in BeautifulSoup(path.read_text(), "html.parser").select("main table:not(.indextable)"):
            caption = table.find("caption")
            assert caption and re.match(r"Table\s\d+(\.\d+)? .+", caption.get_text()), (
                path.name,
                table.get_text()[:80],
            )


STORED_CHAPTERS = [name for name in schemas() if (project_root() / "results" / name / "record.json").exists()]


def test_some_chapters_have_stored_results():
    assert "corpus" in STORED_CHAPTERS


@pytest.mark.parametrize("name", STORED_CHAPTERS)
def test_a_chapter_from_stored_results_trains_nothing(name, store):
    """With ``live=False`` a chapter draws from ``results/`` alone, and the run store gets the notebook and nothing else."""
    before = set(store.list()["key"])
    execute_notebook(name, {"preset": "smoke", "live": False}, store=store, log=None)
    (new,) = set(store.list()["key"]) - before
    assert new.startswith("notebook-")


def test_a_book_with_other_parameters_has_its_own_folder_and_says_so(store, tmp_path, monkeypatch):
    """Nothing of the plain book is touched: neither its pages nor the chapters that `jupyter-book build .` reads."""
    root = project_root()
    placed = {path: path.stat().st_mtime_ns for path in (root / "book" / "chapters").glob("*.ipynb")}
    built = []
    monkeypatch.setattr(
        "stablerep.study.book.whole.build_book",
        lambda root, output, chapters, **options: built.append((output, options)) or output / "index.html",
    )
    for title in (None, "Larger drawings"):
        make_book({"preset": "smoke", "size": 48}, title=title, log=lambda line: None)
    (first, options), (second, named) = built
    assert (
        first.parent == second.parent == root / "_build" / "books"
        and first.name == options["record"].key != second.name
    )
    assert (
        options["record"].changed == {"corpus": {"size": 48}} and options["record"].title == "StableRep at small scale"
    )
    assert named["record"].title == "Larger drawings"
    assert placed == {path: path.stat().st_mtime_ns for path in (root / "book" / "chapters").glob("*.ipynb")}


def test_a_book_computes_the_chapters_that_are_named_and_no_others():
    found = book_parameters({"preset": "smoke"}, ["compare", "bias_generator"])
    assert {name for name, p in found.items() if p.live} == {"compare", "bias_generator"}
    assert all(p.live for p in book_parameters({"preset": "smoke"}).values())
    plan = plan_text({"preset": "smoke"}, workers=2, only=["bias_generator"])
    (line,) = [line for line in plan.splitlines() if line.startswith("  compare ")]
    assert "no runs of its own" in line
    with pytest.raises(ParameterError, match="there is no chapter 'scalling'; did you mean scaling"):
        book_parameters({}, ["scalling"])
    with pytest.raises(ParameterError, match="computes no chapter; compare cannot be named with --no-live"):
        book_parameters({"live": False}, ["compare"])


def test_parameters_of_a_book_go_to_the_chapters_that_declare_them():
    found = book_parameters({"preset": "smoke", "guidance_scale": 4, "seed": 1, "sampling_steps": 3})
    assert {name for name, p in found.items() if hasattr(p, "guidance_scale")} == {
        "compare",
        "images_per_caption",
        "scaling",
        "bias_representation",
        "generations",
        "generator",
        "granularity",
        "quality",
        "longer_larger",
        "mixture",
        "photographs",
        "retrieval",
        "transfer",
        "copies",
        "faithfulness",
        "editing",
        "composition",
    }
    assert all(p.guidance_scale == 4 for p in found.values() if hasattr(p, "guidance_scale"))
    assert (
        all(p.sampling_steps == 3 for p in found.values() if hasattr(p, "sampling_steps"))
        and found["generator"].sampling_steps == 3
    )
    assert {p.seed for name, p in found.items() if name != "corpus"} == {1}  # in which nothing is random
    with pytest.raises(ParameterError) as error:
        book_parameters({"guidance_scael": 4, "captions": 4, "seeds": 0})
    lines = str(error.value).splitlines()
    assert lines[0] == "no chapter has a parameter 'guidance_scael'; did you mean guidance_scale?"
    assert "generator: captions is 4: input should be greater than or equal to 8." in lines
    assert "seeds is 0: input should be greater than or equal to 1." in lines  # of all that have it


@pytest.mark.parametrize("name", schemas())
def test_plain_papermill_runs_every_notebook(name, store, tmp_path, monkeypatch):
    """Without our command line; what the notebooks need was computed above."""
    monkeypatch.chdir(project_root())
    command = [f"notebooks/{name}.ipynb", str(tmp_path / "out.ipynb"), "--no-progress-bar", "-p", "preset", "smoke"]
    command += [word for key, value in NEEDED.get(name, {}).items() for word in ("-p", key, value)]
    before = set(store.list()["key"])
    papermill.main(command, standalone_mode=False)
    cells = [c for c in json.loads((tmp_path / "out.ipynb").read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["execution_count"] for c in cells) and 'preset = "smoke"' in "".join(cells[1]["source"])
    assert set(store.list()["key"]) == before
