"""The hash of the code behind a step: syntax counts, words do not, and what is reached by imports does."""

from __future__ import annotations

import json

import pytest

from stablerep.errors import InputError
from stablerep.study.store import code
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A small library in the place of ours: ``loop`` imports ``losses`` and, within a function, ``views``; ``probes`` stands apart."""
    top = tmp_path / "stablerep"
    files = {
        "__init__.py": "",
        "losses.py": '"""Losses."""\n\n\ndef loss(x):\n    """A loss."""\n    return 2 * x  # twice\n',
        "views.py": "SIZE = 32\n",
        "loop.py": (
            "from typing import TYPE_CHECKING\n\nfrom stablerep import losses\n\nif TYPE_CHECKING:\n    from stablerep.probes import Probe\n"
            "\n\ndef run():\n    from stablerep.views import SIZE\n\n    return losses.loss(SIZE)\n"
        ),
        "probes.py": "class Probe: pass\n",
        "published.csv": "method,value\nSimCLR,70.0\n",
        "study/__init__.py": "",
        "study/chapter.py": "from stablerep import loop\n\n\ndef read(x):\n    return loop.run() + x\n\n\ndef other():\n    return 1\n",
    }
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    monkeypatch.setattr(code, "_top", lambda: top)
    forget()
    yield top
    forget()


def change(path, old: str, new: str) -> None:
    """Edit a file, as if before the next process."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget()


def forget() -> None:
    for read in (code._content, code._module_path, code._read, code._reached, code.library_hash):
        read.cache_clear()


def test_a_hash_alone_is_that_among_all_that_is_reached(library):
    entries = ["stablerep.loop", "stablerep.study.chapter:read"]
    reached = code.code_modules(entries)
    assert set(reached) > set(entries) and {name: code.code_hash(name) for name in reached} == reached
    for gone in ("stablerep.gone", "stablerep.study.chapter:gone"):
        with pytest.raises(ValueError, match="gone"):
            code.code_hash(gone)


def test_a_process_names_the_code_that_it_has_loaded(library):
    before = code.code_modules(["stablerep.loop"])
    (library / "losses.py").write_text("def loss(x):\n    return 0 * x\n")
    assert code.code_modules(["stablerep.loop"]) == before
    forget()
    assert code.code_modules(["stablerep.loop"]) != before


def test_modules_are_those_that_are_reached(library):
    assert list(code.code_modules(["stablerep.loop"])) == [
        "stablerep",
        "stablerep.loop",
        "stablerep.losses",
        "stablerep.views",
    ]
    assert list(code.code_modules(["stablerep.probes"])) == ["stablerep", "stablerep.probes"]


def test_syntax_counts_and_words_do_not(library):
    before = code.code_modules(["stablerep.loop"])
    change(library / "losses.py", "A loss.", "The loss, told otherwise.")
    change(library / "losses.py", "  # twice", "")
    change(library / "losses.py", "def loss(x):", "def loss(\n    x,\n):")
    change(library / "probes.py", "pass", "size = 3")  # for readers alone
    assert code.code_modules(["stablerep.loop"]) == before
    change(library / "losses.py", "2 * x", "0 * x")
    after = code.code_modules(["stablerep.loop"])
    assert [name for name in after if after[name] != before[name]] == ["stablerep.losses"]
    assert code.combined(after) != code.combined(before)


def test_a_function_of_a_chapter_counts_alone(library):
    before = code.code_modules(["stablerep.study.chapter:read"])
    assert list(before) == ["stablerep.study.chapter:read"]
    change(library / "study/chapter.py", "return 1", "return 2")
    assert code.code_modules(["stablerep.study.chapter:read"]) == before
    change(library / "study/chapter.py", "+ x", "- x")
    assert code.code_modules(["stablerep.study.chapter:read"]) != before


def test_a_line_added_to_a_registry_changes_no_run_of_other_lines(library, monkeypatch):
    (library / "sets.py").write_text('TABLE = {one.name: one for one in (Line("a", 1), Line("b c", 2))}\nSIZE = 3\n')
    monkeypatch.setattr(code, "REGISTRIES", {"stablerep.sets": "TABLE"})
    entries = ["stablerep.sets", "stablerep.sets:TABLE[b c]"]
    before = code.code_modules(entries)
    change(library / "sets.py", 'Line("a", 1)', 'Line("a", 9), Line("d", 4)')
    assert code.code_modules(entries) == before
    change(library / "sets.py", 'Line("b c", 2)', 'Line("b c", 5)')
    after = code.code_modules(entries)
    assert [name for name in before if before[name] != after[name]] == ["stablerep.sets:TABLE[b c]"]
    change(library / "sets.py", "SIZE = 3", "SIZE = 4")
    assert code.code_modules(entries)["stablerep.sets"] != before["stablerep.sets"]
    with pytest.raises(ValueError, match="TABLE has no such line"):
        code.code_modules(["stablerep.sets:TABLE[z]"])


def test_the_registries_of_the_library_have_their_lines():
    from stablerep.methods import METHODS
    from stablerep.transfer import TRANSFER_SETS

    for module, name in code.REGISTRIES.items():
        for line in (
            METHODS
            if name == "METHODS"
            else [one for one in TRANSFER_SETS if one == "VOC2007" or TRANSFER_SETS[one].where == "embedded"]
        ):
            assert code.code_modules([f"{module}:{name}[{line}]"])


@pytest.mark.parametrize(
    "entry", ["stablerep.absent", "numpy", "stablerep.study.chapter:absent", "stablerep.absent:read"]
)
def test_entries_that_are_not_there(library, entry):
    with pytest.raises(ValueError, match=f"^code is {entry}|^code is '{entry}'"):
        code.code_modules([entry])


def test_a_changed_loss_makes_runs_new_and_the_old_one_back_finds_them(library, tmp_path):
    store, step, made = RunStore(tmp_path / "runs"), Step("pretraining", code=("stablerep.loop",)), []

    def obtain(store=store):
        return store.obtain(
            step, parameters={"steps": 3}, inputs={"images": "a"}, compute=lambda folder: made.append(folder)
        )

    first = obtain()
    assert obtain().key == first.key and len(made) == 1
    change(library / "losses.py", "2 * x", "0 * x")
    second = obtain()
    assert second.key != first.key and len(made) == 2
    change(library / "losses.py", "0 * x", "2 * x")
    assert obtain().key == first.key and len(made) == 2
    assert (
        first.info["provenance"]["modules"]["stablerep.losses"]
        != second.info["provenance"]["modules"]["stablerep.losses"]
    )


def test_runs_of_earlier_code_are_taken_when_they_are_named(library, tmp_path):
    step = Step("pretraining", code=("stablerep.loop",))

    def obtain(*accept, steps=3):
        store = RunStore(tmp_path / "runs", accept=accept)
        run = store.obtain(step, parameters={"steps": steps}, inputs={"images": "a"}, compute=lambda folder: {})
        return run.key, store.accepted, store.asked

    old, accepted, _ = obtain()
    assert accepted == []
    change(library / "losses.py", "2 * x", "0 * x")
    assert obtain("pretraining") == (old, [old], [old])
    assert obtain(old[:16])[0] == old
    other = obtain("pretraining", steps=4)[0]  # nothing earlier has these parameters
    assert other != old
    new, accepted, _ = obtain("evaluation")
    assert new != old and accepted == []
    assert obtain("pretraining")[1] == []  # there is one of the present code now


def test_of_several_earlier_codes_the_latest_run_is_taken(library, tmp_path):
    """Else the arms of one table would be of this code or that, as their hashes fall."""
    step = Step("pretraining", code=("stablerep.loop",))

    def obtain(seed, *accept):
        store = RunStore(tmp_path / "runs", accept=accept)
        return store.obtain(step, parameters={"seed": seed}, inputs={}, compute=lambda folder: {})

    codes = ("2 * x", "0 * x", "3 * x")
    for hour, (before, after) in enumerate(zip(codes[:1] + codes, codes)):
        if after != before:
            change(library / "losses.py", before, after)
        for seed in range(8):
            run = obtain(seed)
            info = run.info | {"provenance": run.info["provenance"] | {"created": f"2026-01-01T{hour:02}:00:00+00:00"}}
            (run.folder / "run.json").write_text(json.dumps(info))
    change(library / "losses.py", codes[-1], "4 * x")
    hours = {obtain(seed, "pretraining").info["provenance"]["created"] for seed in range(8)}
    assert hours == {"2026-01-01T02:00:00+00:00"}


def test_a_name_by_which_no_run_can_be_taken_is_refused(tmp_path):
    accepting = [RunStore(tmp_path / "runs", accept=(name,)) for name in ("pretraining", "pre", "training")]
    for store in accepting:
        store.check_accept()  # an empty store has nothing to name
    key = (
        RunStore(tmp_path / "runs").obtain(Step("pretraining"), parameters={}, inputs={}, compute=lambda folder: {}).key
    )
    accepting[0].check_accept()
    RunStore(tmp_path / "runs", accept=(key[:16], key)).check_accept()
    for store in accepting[1:]:
        with pytest.raises(
            InputError, match="is to be accepted, but is neither the step nor the key of a run; .*pretraining"
        ):
            store.check_accept()


def test_the_name_of_the_library_follows_the_numbers_that_pages_quote(library):
    before = code.library_hash()
    change(library / "published.csv", "70.0", "71.0")
    assert code.library_hash() != before


def test_the_name_of_the_library_follows_every_module(library):
    before = code.library_hash()
    change(library / "study/chapter.py", "return 1", "return 2")
    assert code.library_hash() != before


def test_syntax_is_written_without_what_only_some_versions_of_python_list():
    function = code.ast.parse("def f(x):\n    return x\n")
    assert code._written(function).startswith(
        "Module(body=[FunctionDef(name='f', args=arguments(args=[arg(arg='x')]), body=[Return("
    )
    assert "type_params" not in code._written(function) and "None" not in code._written(function)
    texts = [
        code._written(code.ast.parse(text))
        for text in ("['', 'a']", "['a']", "f'{x:>{w}}'", "f'{x:>{w}}y'", "None", "x")
    ]
    assert len(set(texts)) == len(texts)
