"""The committed notebooks against their schemas and house rules, and the machinery that executes them."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest
from papermill.cli import papermill as papermill_command

from stablerep.study import chapters
from stablerep.study.chapters import corpus, resolve, schemas
from stablerep.study.claims import claim_named
from stablerep.study.experiments.answers import Answer
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.floors import against_floors
from stablerep.study.notebooks import reference
from stablerep.study.notebooks.chapter import Chapter, notebook_path, open_chapter, source_text
from stablerep.study.notebooks.schema import parameters_cell, sync_notebook
from stablerep.study.parameters.errors import ParameterError
from stablerep.study.root import project_root
from tests.study.stand_ins import items, plain_corpus

ROOT = Path(__file__).resolve().parents[3]
FIGURE = re.compile(r"\bfigures\.show\(")


def path_of(name: str) -> Path:
    return ROOT / "notebooks" / f"{name}.ipynb"


@pytest.fixture(params=schemas())
def book(request):
    return nbformat.read(path_of(request.param), as_version=4), request.param


def code_cells(book) -> Iterator:
    return (cell for cell in book.cells if cell.cell_type == "code")


# What is committed


def test_there_is_a_notebook_for_each_schema():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(schemas())


def test_notebook_is_valid_and_plain(book):
    content, name = book
    nbformat.validate(content)
    ids = [cell.id for cell in content.cells]
    assert len(set(ids)) == len(ids)
    assert content.metadata.kernelspec.name == "python3"
    assert content.cells[0].cell_type == "markdown" and content.cells[0].source.startswith("# ")


def test_notebook_has_no_outputs(book, tmp_path):
    content, name = book
    for cell in code_cells(content):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
    copy = tmp_path / f"{name}.ipynb"
    shutil.copy(path_of(name), copy)
    assert not sync_notebook(copy), f"`stablerep notebooks sync` writes notebooks/{name}.ipynb anew"


def test_code_compiles_and_holds_no_training_loop(book):
    content, _ = book
    for cell in code_cells(content):
        code = ast.unparse(ast.parse(cell.source))  # without comments
        assert not re.search(r"backward\(|optimi[sz]er|\bfor epoch\b|\.step\(\)|zero_grad", code), cell.id


def test_figures_are_shown_by_name_with_a_caption(book):
    """By ``figures.show``, which gives each its alternative text, with numbers."""
    content, _ = book
    drawn = 0
    for cell in code_cells(content):
        about = cell.metadata.get("mystnb", {})
        if not FIGURE.search(cell.source):
            assert not about, f"{cell.id} describes a figure that it does not draw"
            continue
        drawn += 1
        assert len(FIGURE.findall(cell.source)) == 1 and "figures.show(figures." in cell.source, cell.id
        caption = about["figure"]["caption"]
        assert len(caption) > 10 and caption.endswith("."), cell.id
        assert re.fullmatch(r"fig-[a-z0-9-]+", about["figure"]["name"]), cell.id
    assert drawn > 0


def test_tables_are_shown_with_a_caption(book):
    content, name = book
    for cell in code_cells(content):
        about = cell.metadata.get("stablerep", {}).get("table")
        shows = len(re.findall(r"figures\.show_table\(|chapter\.show_beside\(", cell.source))
        assert shows == (about is not None), f"{cell.id} shows {shows} tables"
        assert not re.match(r"(\w+\.)?(\w+_)?tables\.|\w+\.table\b|.*display\(", cell.source), (
            f"{cell.id}: figures.show_table"
        )
        if about is not None:
            assert len(about["caption"]) > 10 and about["caption"].endswith("."), cell.id
            assert re.fullmatch(rf"tab-{name.replace('_', '-')}-[a-z-]+", about["name"]), cell.id
    for cell in content.cells:
        if cell.cell_type == "markdown" and re.search(r"^\|[ -:]+\|", cell.source, re.MULTILINE):
            assert ":::{table} " in cell.source, cell.id


def test_figures_and_tables_are_referred_to_by_number(book):
    """But for those of the reader's own run, and those that need not be there, to which a number would lead nowhere."""
    content, _ = book
    text = "\n".join(cell.source for cell in content.cells).replace("{{numref}}", "{numref}")
    for cell in code_cells(content):
        figure, table = cell.metadata.get("mystnb"), cell.metadata.get("stablerep")
        name = figure.figure.name if figure else table.table.name if table else ""
        may_lack = bool(re.search("^if ", cell.source, re.MULTILINE)) or name.endswith(("-own", "-parameters"))
        assert not name or (f"{{numref}}`{name}`" in text) == (not may_lack), name


def test_names_of_figures_and_tables_are_unique_in_the_book():
    names = []
    for name in schemas():
        for cell in code_cells(nbformat.read(path_of(name), as_version=4)):
            figure, table = cell.metadata.get("mystnb"), cell.metadata.get("stablerep")
            names += [figure.figure.name] if figure else []
            names += [table.table.name] if table else []
    assert len(set(names)) == len(names) > 30


def test_chapter_follows_the_template(book):
    """It answers first: title, question and verdicts, key figure; then the story; at the end this run, parameters, cost and code."""
    content, name = book
    first, parameters, opening, key = content.cells[:4]
    assert re.fullmatch(r"# [^\n]+", first.source) and "parameters" in parameters.metadata.tags
    assert opening.source.splitlines()[-1].startswith("chapter.opening(") and "figures.show(" in key.source
    text = "\n".join(cell.source for cell in content.cells if cell.cell_type == "markdown")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[-2:] == ["Your run", "Parameters, cost and code"]
    assert headings.index("Caveats") < headings.index("Exercises") < headings.index("Further reading")
    sources = [cell.source for cell in content.cells]
    assert "**Goals.**" in content.cells[4].source and sum("chapter.solutions(" in source for source in sources) == 1
    claims = chapters.chapter(name).CLAIMS
    assert ("chapter.verdict()" in sources) == bool(claims), f"CLAIMS is {claims}; chapter.verdict() answers claims"
    assert f"stablerep run {name} -p" in text


def test_this_runs_own_numbers_stand_in_its_own_section(book):
    """Never beside or above those of the reference unless labelled."""
    content, _ = book
    own = [cell for cell in code_cells(content) if re.search(r"chapter\.own\b|own_run", cell.source)]
    assert own and all("own-run" in cell.metadata.tags for cell in own)
    place = next(k for k, cell in enumerate(content.cells) if cell.source.startswith("## Your run"))
    assert all(content.cells.index(cell) > place for cell in own)


# The parameters cell


def test_parameters_cell_has_the_schemas_names(book):
    content, name = book
    tagged = [cell for cell in content.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assigned = [statement.targets[0].id for statement in ast.parse(tagged[0].source).body]
    assert assigned == list(schemas()[name].model_fields)


def test_parameters_cell_is_the_schemas(book):
    content, name = book
    (cell,) = (cell for cell in content.cells if "parameters" in cell.metadata.get("tags", []))
    assert cell.source == parameters_cell(name), "`stablerep notebooks sync` writes it anew"


def test_parameters_are_plain_commented_lines(book):
    """Papermill reads them with a regular expression: one line each, a literal, a comment without an equals sign."""
    content, _ = book
    (cell,) = (cell for cell in content.cells if "parameters" in cell.metadata.get("tags", []))
    for line in cell.source.splitlines():
        assert re.fullmatch(r'\w+ = (None|True|False|"[a-z]+")  # [^=#]+', line), line


def test_papermill_reads_every_parameter(book, capfd):
    _, name = book
    found = papermill.inspect_notebook(str(path_of(name)))
    assert list(found) == list(schemas()[name].model_fields)
    assert all(about["help"] for about in found.values())
    given = {key: ast.literal_eval(about["default"]) for key, about in found.items()}
    assert resolve(name, given) == resolve(name, {})  # as committed, a notebook runs at the defaults


def test_parameters_are_read_by_the_next_cell(book):
    """Each name reaches the schema through ``globals()``, at once and only there."""
    content, name = book
    cells = list(code_cells(content))
    (place,) = (i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", []))
    assert place == 0
    calls = [i for i, cell in enumerate(cells) if f'open_chapter("{name}", globals())' in cell.source]
    assert calls == [1]
    later = "\n".join(cell.source for cell in cells[1:])
    loaded = {
        node.id for node in ast.walk(ast.parse(later)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    stored = {
        node.id for node in ast.walk(ast.parse(later)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert not (loaded - stored) & set(
        schemas()[name].model_fields
    )  # None would be read where the preset's value is meant


# Opening a chapter


def test_open_chapter_reads_the_namespace():
    chapter = open_chapter("compare", {"preset": "smoke", "seeds": 3, "guidance_scale": None, "np": object(), "_": 1})
    assert chapter.parameters == resolve("compare", {"preset": "smoke", "seeds": 3})
    with pytest.raises(ParameterError, match="seeds is 0"):
        open_chapter("compare", {"seeds": 0})


def test_names_that_papermill_injects_and_no_parameter_has_are_refused():
    """Papermill itself only warns. What else a kernel executed before is none of the chapter's business."""
    executed = ["", 'preset = "laptop"\nseeds = None', "# Parameters\nseeds = 3\nguidance_scael = 4\n", "x = 1"]
    with pytest.raises(
        ParameterError, match=r"^compare has no parameter 'guidance_scael'; did you mean guidance_scale\?$"
    ):
        open_chapter("compare", {"In": executed, "seeds": 3, "guidance_scael": 4, "x": 1})
    with pytest.raises(ParameterError) as error:
        open_chapter("compare", {"In": executed, "seeds": 0, "guidance_scael": None})
    assert len(str(error.value).splitlines()) == 2
    assert error.value._render_traceback_() == str(error.value).splitlines()
    good = open_chapter("compare", {"In": [executed[1], "# Parameters\nseeds = 3\n"], "preset": "smoke", "seeds": 3})
    assert good.parameters == resolve("compare", {"preset": "smoke", "seeds": 3})


@pytest.mark.slow
def test_plain_papermill_stops_at_a_wrong_parameter(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = ["notebooks/compare.ipynb", str(tmp_path / "out.ipynb"), "--no-progress-bar"]
    with pytest.raises(papermill.PapermillExecutionError) as error:
        papermill_command.main([*command, "-p", "guidance_scael", "4", "-p", "seeds", "0"], standalone_mode=False)
    said = str(error.value)
    assert "compare has no parameter 'guidance_scael'; did you mean guidance_scale?" in said
    assert "seeds is 0: input should be greater than or equal to 1." in said
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    shown = ["".join(o["traceback"]) for cell in cells for o in cell.get("outputs", ()) if o["output_type"] == "error"]
    assert len(shown) == 1 and "Traceback" not in shown[0]
    assert (
        sum(cell.get("execution_count") is not None for cell in cells) == 3
    )  # defaults, parameters, and the cell that checks them


def test_parameter_table_explains_every_parameter():
    table = Chapter("scaling", resolve("scaling", {})).parameter_table()
    assert table.index.tolist() == list(schemas()["scaling"].model_fields)
    assert table.loc["caption_counts", "value"] == "320, 640"
    assert table.loc["views_per_step", ["value", "valid", "cost"]].tolist() == ["128", "4 or more views", "linear"]
    assert (table["meaning"].str.len() > 0).all()
    changed = Chapter("scaling", resolve("scaling", {"guidance_scale": 4})).parameter_table()
    assert changed.loc["guidance_scale", ["value", "valid"]].tolist() == ["4.0 (preset: 2.0)", "1 to 30"]


# Tables: computed, stored, and the firmest of them


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "STORED", tmp_path / "results")
    monkeypatch.setattr(reference, "STORED", tmp_path / "results")
    monkeypatch.setattr(reference, "git_state", lambda folder, **how: {"commit": "c0ffee", "dirty": False})
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    return tmp_path / "results"


def test_chapter_without_a_reference_says_so(stored):
    chapter = Chapter("bias_representation", resolve("bias_representation", {}))
    assert chapter.stored is None and chapter.reference == "There is no stored reference yet."


def test_chapter_says_how_its_reference_was_made(stored):
    reference.make_reference("corpus", {"designs": ["noto"]})
    told = Chapter("corpus", resolve("corpus", {"designs": ["noto"], "size": 32})).reference
    assert told.startswith("The stored reference was computed with size = 64 on 20")
    assert "the same parameters" in Chapter("corpus", resolve("corpus", {"designs": ["noto"]})).reference
    record = chapters.STORED / "corpus" / "record.json"  # of a time when the chapter had another parameter
    content = json.loads(record.read_text())
    content["parameters"]["seed"] = 7
    record.write_text(json.dumps(content))
    assert "computed with seed = 7 on 20" in Chapter("corpus", resolve("corpus", {"designs": ["noto"]})).reference


def test_chapter_draws_stored_or_computed_tables(stored, monkeypatch):
    reference.make_reference("corpus", {"designs": ["noto"]})
    monkeypatch.setattr(corpus, "compute", lambda p, asked: {"designs": pd.DataFrame({"computed": [p.size]})})
    live = Chapter("corpus", resolve("corpus", {"size": 33}))
    assert live.own["designs"]["computed"].tolist() == [33]
    assert live.tables["designs"]["design"].tolist() == ["noto"] and live.whose == "the reference"
    assert live.given["size"] == 64 and live.parameters.size == 33  # of the reference, and of this run
    drawn = Chapter("corpus", resolve("corpus", {"live": False}))
    assert drawn.tables["designs"]["design"].tolist() == ["noto"] and drawn.own is None
    assert drawn.whose == "the reference" and drawn.given["designs"] == ["noto"]
    assert "drawn from stored results" in drawn.own_run().data


def test_this_run_stands_beside_the_reference_by_its_headline(stored, monkeypatch):
    reference.make_reference("corpus", {"designs": ["noto", "twemoji"]})
    shown = []
    monkeypatch.setattr("stablerep.study.notebooks.chapter.show_table", shown.append)
    chapter = Chapter("corpus", resolve("corpus", {"designs": ["twemoji"], "size": 32}))
    assert chapter.own_run().data == "This run: preset `laptop`, with `designs = ['twemoji']`, `size = 32`."
    chapter.show_beside()
    (table,) = shown
    assert table.index.tolist() == ["twemoji"] and table.columns.tolist() == ["this run", "the reference"]
    assert table.iloc[0, 0] == table.iloc[0, 1]  # the same drawings


def test_nothing_stands_beside_where_there_is_one_of_the_two(stored, monkeypatch):
    monkeypatch.setattr("stablerep.study.notebooks.chapter.show_table", pytest.fail)
    alone = Chapter("corpus", resolve("corpus", {"designs": ["twemoji"]}))  # no reference yet
    alone.show_beside()
    assert "It is what the page above shows. There is no stored reference yet." in alone.own_run().data
    reference.make_reference("corpus", {"designs": ["twemoji"]})
    Chapter("corpus", resolve("corpus", {"live": False})).show_beside()


def test_a_page_opens_with_its_question_and_a_badge_for_each_claim(monkeypatch):
    stand_in(monkeypatch)
    answers = [Answer(claim, "undecided", f"of {claim}", "a rule") for claim in chapters.chapter("compare").CLAIMS]
    monkeypatch.setattr(chapters.chapter("compare"), "verdict", lambda tables: answers)
    monkeypatch.setattr("stablerep.study.notebooks.chapter.stored_record", lambda name: {"parameters": {"seeds": 5}})
    said = Chapter("compare", resolve("compare", {})).opening().data
    question, *badges, sure = said.split("\n\n")
    assert question == f"**{chapters.chapter('compare').QUESTION}**"
    assert [re.sub("<[^>]+>", "", one) for one in badges] == [
        f"{one.claim}: undecided {claim_named(one.claim).told('compare')} Of {one.claim}." for one in answers
    ]
    assert "the reference, from 5 seeds" in sure


def test_what_limits_an_answer_stands_behind_it(monkeypatch):
    stand_in(monkeypatch)
    answers = [Answer("C1", "reproduced", "of C1", "a rule", but="Not so by another probe.")]
    monkeypatch.setattr(chapters.chapter("compare"), "verdict", lambda tables: answers)
    monkeypatch.setattr("stablerep.study.notebooks.chapter.stored_record", lambda name: {"parameters": {"seeds": 5}})
    assert "Of C1. Not so by another probe.\n" in Chapter("compare", resolve("compare", {})).opening().data


@pytest.mark.parametrize(("seeds", "shown"), [(1, "no verdict yet"), (3, "not testable at this scale")])
def test_a_run_of_too_few_seeds_has_no_verdict_yet(monkeypatch, seeds, shown):
    """Neither at the head nor in a figure: the word would read as a finding about the study's size."""
    stand_in(monkeypatch)
    answers = [Answer("C1", "not testable at this scale", "A minus B: +1.0 points", "a rule")]
    monkeypatch.setattr(chapters.chapter("compare"), "verdict", lambda tables: answers)
    record = {"parameters": {"seeds": seeds}}
    monkeypatch.setattr("stablerep.study.notebooks.chapter.stored_record", lambda name: record)
    monkeypatch.setattr(Chapter, "reference", "A reference.")
    monkeypatch.setattr(Chapter, "notes", lambda self: "")
    page = Chapter("compare", resolve("compare", {"live": False}))
    assert page.words(page.tables) == {"C1": shown}
    assert f'<span class="verdict verdict-{shown.split()[0]}">C1: {shown}</span>' in page.opening().data
    assert f"**C1: {shown}.** " in page.verdict().data
    few = "One seed was run; a verdict needs three. A minus B: +1.0 points."
    assert (few in page.opening().data) == (few in page.verdict().data) == (seeds == 1)


def test_a_run_that_learned_nothing_says_so_at_the_head_and_in_its_own_part(monkeypatch):
    names = ["SimCLR real", *FLOOR_ARMS]
    low = against_floors(items(dict.fromkeys(names, 0.1), seeds=3, probe="one-shot concept"), names[:1])
    arms = pd.DataFrame({"arm": names, "probe": "one-shot concept", "accuracy": 0.1})
    monkeypatch.setattr(chapters.chapter("compare"), "ask", lambda p, study: None)
    monkeypatch.setattr(chapters.chapter("compare"), "compute", lambda p, asked: {"floors": low, "arms": arms})
    monkeypatch.setattr(chapters.chapter("compare"), "verdict", lambda tables: [])
    said = "No arm of this run lies clearly above every floor (the best, "
    monkeypatch.setattr(Chapter, "stored", None)
    alone = Chapter("compare", resolve("compare", {}))
    assert said in alone.opening("A summary.").data and said not in alone.own_run().data
    monkeypatch.setattr(Chapter, "stored", {"arms": arms})
    monkeypatch.setattr("stablerep.study.notebooks.chapter.stored_record", lambda name: {"parameters": {"seeds": 5}})
    beside = Chapter("compare", resolve("compare", {}))
    assert said not in beside.opening("A summary.").data and said in beside.own_run().data


def stand_in(monkeypatch) -> dict[str, pd.DataFrame]:
    """Stored results of every chapter."""
    tables = {"arms": pd.DataFrame({"arm": ["a", "b"]})}
    monkeypatch.setattr("stablerep.study.notebooks.chapter.stored_tables", lambda name: tables)
    return tables


def test_a_run_of_another_corpus_stands_for_itself(monkeypatch):
    """The stored reference is of the emoji: it says nothing about birds."""
    own, stored = {"arms": pd.DataFrame({"arm": ["a"]})}, stand_in(monkeypatch)
    monkeypatch.setattr(chapters.chapter("compare"), "ask", lambda p, study: None)
    monkeypatch.setattr(chapters.chapter("compare"), "compute", lambda p, asked: own)
    birds = Chapter("compare", resolve("compare", {"corpus": "hub:owner/birds"}))
    assert birds.tables is birds.own and birds.tables["arms"].equals(own["arms"]) and birds.stored is None
    assert birds.reference == "The stored reference is of the emoji."
    emoji = Chapter("compare", resolve("compare", {}))
    assert emoji.tables is emoji.stored is stored and len(emoji.own["arms"]) == 1


@pytest.mark.parametrize("name", schemas())
def test_the_verdict_on_a_page_is_the_chapters_own(name, monkeypatch):
    stored, claims, asked = stand_in(monkeypatch), chapters.chapter(name).CLAIMS, []
    answers = [Answer(claim, "undecided", "too few seeds", "a rule") for claim in claims]
    monkeypatch.setattr(chapters.chapter(name), "verdict", lambda tables: asked.append(tables) or answers)
    monkeypatch.setattr(Chapter, "reference", "A reference.")
    monkeypatch.setattr(Chapter, "notes", lambda self: "")
    shown = Chapter(name, resolve(name, {"live": False})).verdict().data
    assert shown == "\n\n".join([*(answer.markdown for answer in answers), "A reference."]) and asked[0] is stored
    assert all(f"**{claim}: " in shown for claim in claims)


def test_a_page_draws_the_linear_probe_for_the_last_label_alone(monkeypatch):
    every = ["linear group", "linear subgroup", "knn subgroup", "one-shot concept"]
    stored = stand_in(monkeypatch)
    stored["arms"] = pd.DataFrame({"arm": "a", "probe": every})
    page = Chapter("compare", resolve("compare", {"live": False}))
    assert page.probe == "one-shot concept"  # on which verdicts rest; the linear one is drawn all the same
    assert page.probes == every[1:]


def test_notes_say_what_is_left_out(emoji):
    page = Chapter("compare", resolve("compare", {}))
    page.study.corpus = emoji
    assert page.notes() == ""
    birds = Chapter("compare", resolve("compare", {"corpus": "hub:owner/birds"}))
    birds.study.corpus = replace(plain_corpus(), notes=("2 of 9 rows were left out.",))
    assert (
        birds.notes() == f"{birds.study.left_out()} 2 of 9 rows were left out."
        and "StableRep real designs" in birds.notes()
    )


def test_a_run_that_lacks_something_draws_the_stored_results(monkeypatch):
    stored = stand_in(monkeypatch)
    monkeypatch.setattr(
        chapters.chapter("photographs"), "compute", lambda p, asked: pytest.fail("nothing is to be computed")
    )
    page = Chapter("photographs", resolve("photographs", {}))
    assert page.own is None and page.tables is page.stored is stored
    assert page.own_run().data.startswith(
        "This page was drawn from stored results; nothing was computed for it. This chapter needs"
    )
    monkeypatch.setattr(Chapter, "answers", [Answer("C1", "undecided", "few")])
    monkeypatch.setattr("stablerep.study.notebooks.chapter.stored_record", lambda name: {"parameters": {"seeds": 3}})
    assert "intervals are 95 %, over test photographs and seeds" in page.opening().data


def test_root_and_sources():
    assert project_root() == ROOT
    assert source_text("bias_representation") == path_of("bias_representation").read_bytes() and notebook_path(
        "bias_representation"
    ) == path_of("bias_representation")
    with pytest.raises(FileNotFoundError, match="notebooks/audit.ipynb is missing"):
        source_text("audit")


# What a run leaves


def test_sync_removes_what_a_run_leaves(tmp_path):
    path = tmp_path / "corpus.ipynb"
    content = json.loads(path_of("corpus").read_text())
    cell = next(cell for cell in content["cells"] if cell["cell_type"] == "code")
    cell |= {"execution_count": 3, "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}]}
    cell["metadata"] |= {"execution": {"status": "ok"}, "papermill": {"duration": 1}}
    content["metadata"] |= {"papermill": {}, "widgets": {}}
    path.write_text(json.dumps(content))
    assert sync_notebook(path)
    assert path.read_bytes() == path_of("corpus").read_bytes()
    assert not sync_notebook(path)
