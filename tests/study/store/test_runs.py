"""The run store: names, one computation for many askers, resuming after a kill, and damage that is noticed."""

from __future__ import annotations

import enum
import errno
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stablerep.study.store import folder as run_folder
from stablerep.study.store.runs import Run, RunStore
from stablerep.study.store.step import Step

ROOT = Path(__file__).resolve().parents[3]
PARAMETERS = {"rate": 0.5, "sizes": (1, 2), "views": {"crop": 0.08}}


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "store")


def write_table(folder: Path) -> dict:
    pd.DataFrame({"accuracy": [0.5, 0.75]}).to_parquet(folder / "results.parquet")
    (folder / "shards").mkdir(exist_ok=True)
    (folder / "shards" / "0.tar").write_bytes(b"one shard")
    return {"best": 0.75}


def obtain(store: RunStore, compute=write_table, *, step="probe", version=1, parameters=PARAMETERS) -> Run:
    return store.obtain(Step(step, version), parameters=parameters, inputs={"corpus": "c0ffee"}, compute=compute)


def never(folder: Path):
    pytest.fail("a run that exists was computed again")


def test_a_run_is_announced_when_it_is_computed_and_not_when_it_is_found(store, capsys):
    for announced in (True, False):
        step = Step("probe", 1 + announced, lambda p: f"rate {p['rate']}", announced=announced)
        for line in ("probe: rate 0.5\n" * announced, ""):
            store.obtain(step, parameters=PARAMETERS, inputs={}, compute=write_table)
            assert capsys.readouterr().err == line


# Names


def key(store, parameters=PARAMETERS, step="probe", version=1, inputs={"corpus": "c0ffee"}):
    return store.key(Step(step, version), parameters=parameters, inputs=inputs)


def test_key_is_step_and_sixteen_digits(store):
    assert re.fullmatch(r"probe-[0-9a-f]{16}", key(store))
    assert not store.root.exists()  # asking for a name writes nothing


def test_key_is_the_same_on_every_machine(store):
    assert key(store, {"w": 4, "arm": "clip"}, "pretrain", 3, {"set": "ab"}) == "pretrain-437f9d84bf407a5d"


@pytest.mark.parametrize(
    "same",
    [
        {"views": {"crop": 0.08}, "sizes": [1, 2], "rate": 0.5},
        {"rate": 0.5, "sizes": (1.0, 2), "views": {"crop": 0.08}},
        {"rate": np.float64(0.5), "sizes": [1, enum.IntEnum("Size", {"TWO": 2}).TWO], "views": {"crop": 0.08}},
    ],
)
def test_key_does_not_depend_on_how_values_are_written(store, same):
    assert key(store, same) == key(store)


@pytest.mark.parametrize(
    "other",
    [
        {"parameters": {**PARAMETERS, "rate": 0.25}},
        {"parameters": {**PARAMETERS, "rate": "0.5"}},
        {"parameters": {**PARAMETERS, "sizes": (2, 1)}},
        {"parameters": {**PARAMETERS, "sizes": ("1", 2)}},
        {"parameters": {**PARAMETERS, "sizes": (True, 2)}},
        {"parameters": {**PARAMETERS, "more": None}},
        {"parameters": {"rate": 0.5, "sizes": (1, 2), "crop": 0.08}},
        {"step": "probes"},
        {"version": 2},
        {"inputs": {"corpus": "c0ffe"}},
        {"inputs": {"corpora": "c0ffee"}},
        {"inputs": {}},
    ],
)
def test_key_depends_on_everything_that_is_named(store, other):
    assert key(store, **other) != key(store)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"w": math.nan}, r"parameter 'w' is nan"),
        ({"w": [1, -math.inf]}, r"parameter 'w\[1\]' is -inf"),
        ({"views": {"crop": {1, 2}}}, r"parameter 'views.crop' is \{1, 2\}"),
        ({"folder": Path("x")}, r"parameter 'folder' is "),
        ({"w": np.float32(0.1)}, r"parameter 'w' is "),  # 0.1 in single precision is another number
        ({"w": b"4"}, r"parameter 'w' is b'4'"),
        ({"by": {1: 2}}, r"parameter 'by' holds the name 1"),
        ({3: 2}, r"a parameter has the name 3"),
    ],
)
def test_key_refuses_values_that_are_not_json(store, parameters, named):
    with pytest.raises(ValueError, match=named):
        key(store, parameters)


@pytest.mark.parametrize("wrong", ["", "Probe", "../probe", "a b", "-a", 3])
def test_key_refuses_other_steps(store, wrong):
    with pytest.raises(ValueError, match="step is "):
        key(store, step=wrong)


@pytest.mark.parametrize("wrong", [-1, True, "1", 1.0])
def test_key_refuses_other_versions(store, wrong):
    with pytest.raises(ValueError, match="version is "):
        key(store, version=wrong)


@pytest.mark.parametrize("wrong", ["", None, 7, Path("x")])
def test_key_refuses_inputs_without_hash(store, wrong):
    with pytest.raises(ValueError, match="input 'corpus' is "):
        key(store, inputs={"corpus": wrong})


# Computing once


def test_obtain_computes_once_and_records(store):
    run = obtain(store)
    assert run.key == key(store) and run.folder == store.root / run.key
    assert obtain(store, never) == run
    info = json.loads((run.folder / "run.json").read_text())
    assert info == run.info == store.find(run.key).info
    assert info["parameters"] == {"rate": 0.5, "sizes": [1, 2], "views": {"crop": 0.08}}
    assert (info["step"], info["version"], info["inputs"]) == ("probe", 1, {"corpus": "c0ffee"})
    assert info["summary"] == {"best": 0.75}
    assert set(info["files"]) == {"results.parquet", "shards/0.tar"}
    assert info["files"]["shards/0.tar"]["size"] == 9
    provenance = info["provenance"]
    assert provenance["attempts"] == 1 and provenance["seconds"] >= 0 and provenance["peak_memory_bytes"] > 2**20
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", provenance["created"])
    assert provenance["packages"]["numpy"] == np.__version__


def test_run_gives_paths_and_tables(store):
    run = obtain(store)
    assert run.table()["accuracy"].tolist() == [0.5, 0.75]
    assert run.path("shards/0.tar").read_bytes() == b"one shard"
    assert run.path("shards").is_dir()
    with pytest.raises(ValueError, match="has no 'weights'; it has results.parquet, shards/0.tar"):
        run.path("weights")


def test_other_parameters_are_another_run(store):
    assert obtain(store).key != obtain(store, parameters={"rate": 1}).key
    assert len(store.list()) == 2


def test_summary_may_hold_numpy_numbers_and_nothing(store):
    run = obtain(store, lambda folder: {"accuracy": np.float32(0.5), "count": np.int64(3), "pair": (1, None)})
    assert run.info["summary"] == {"accuracy": 0.5, "count": 3, "pair": [1, None]}
    assert obtain(store, lambda folder: None, version=2).info["summary"] == {}


@pytest.mark.parametrize(
    ("summary", "named"),
    [
        ({"loss": math.nan}, "summary value 'loss' is nan"),
        ({"a": object()}, "summary value 'a' is <object"),
        ([1], r"step 'probe' returned \[1\]"),
    ],
)
def test_summary_that_is_not_json_leaves_no_run(store, summary, named):
    with pytest.raises(ValueError, match=named):
        obtain(store, lambda folder: summary)
    assert store.find(key(store)) is None


def test_resume_files_are_deleted_at_the_end(store):
    def compute(folder):
        (folder / "sub" / ".cache").mkdir(parents=True)
        for name in ("checkpoint.pt", ".state", "sub/checkpoint-9.pt", "sub/.cache/a", "checkpoint.csv", "weights.pt"):
            (folder / name).write_text(name)

    run = obtain(store, compute)
    assert set(run.info["files"]) == {"checkpoint.csv", "weights.pt"}
    assert {p.name for p in run.folder.rglob("*")} == {"run.json", "checkpoint.csv", "weights.pt"}
    assert store.verify(run.key) == []


@pytest.mark.parametrize("make", [lambda f: (f / "run.json").touch(), lambda f: (f / "link").symlink_to("/dev/null")])
def test_step_may_not_write_the_record_or_links(store, make):
    with pytest.raises(ValueError, match="step 'probe' wrote "):
        obtain(store, make)
    assert store.find(key(store)) is None


def test_steps_may_ask_for_other_runs_while_they_compute(store):
    inner = obtain(store, lambda folder: {"inner": obtain(store, step="corpus").key}).info["summary"]["inner"]
    assert store.find(inner).key == inner


# Failing and resuming


def test_failed_attempt_keeps_its_folder_and_frees_the_lock(store):
    def failing(folder):
        (folder / "checkpoint.pt").write_text("half way")
        raise FloatingPointError("loss is nan")

    for _ in range(2):
        with pytest.raises(FloatingPointError, match="loss is nan"):
            obtain(store, failing)
    assert store.find(key(store)) is None
    (row,) = store.list().to_dict("records")
    assert row["key"] == key(store) and not row["complete"] and row["created"] == ""

    def resuming(folder):
        assert (folder / "checkpoint.pt").read_text() == "half way"
        return write_table(folder)

    assert obtain(store, resuming).info["provenance"]["attempts"] == 3
    assert not (store.root / ".partial" / key(store)).exists()


def test_time_is_summed_over_attempts(store, monkeypatch):
    clock = iter([100.0, 107.0, 1000.0, 1005.0])

    class Clock:
        monotonic, time = staticmethod(lambda: next(clock)), staticmethod(time.time)

    monkeypatch.setattr(run_folder, "time", Clock)
    with pytest.raises(KeyboardInterrupt):
        obtain(store, lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    assert obtain(store).info["provenance"]["seconds"] == 12


WORKER = """
    import os, sys, time
    from pathlib import Path
    from stablerep.study.store.runs import RunStore
    from stablerep.study.store.step import Step

    store, place = RunStore(sys.argv[1]), Path(sys.argv[2])

    def mark(line):
        with open(place / "marks", "a") as file:
            file.write(line + "\\n")

    def compute(folder):
        done = int((folder / "checkpoint.pt").read_text()) if (folder / "checkpoint.pt").exists() else 0
        for step in range(done, 5):
            (folder / "checkpoint.pt").write_text(str(step + 1))
            mark(f"step {step}")
            while step == int(sys.argv[3]) and not (place / "go").exists():
                time.sleep(0.01)
        (folder / "result.txt").write_text("whole")
        return {"started_at": done}

    %s
    run = store.obtain(Step("probe"), parameters={"w": 2}, inputs={}, compute=compute)
    print("obtained", run.key, run.info["summary"]["started_at"])
"""


@contextmanager
def worker(store, place, *, hold_at=-1, first=""):
    place.mkdir(exist_ok=True)
    code = textwrap.dedent(WORKER) % textwrap.dedent(first)
    command = [sys.executable, "-u", "-c", code, str(store.root), str(place), str(hold_at)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_for(place, line, process):
    for _ in range(30000):
        if (place / "marks").exists() and line in (place / "marks").read_text().splitlines():
            return
        assert process.poll() is None, "the worker ended before its time"
        time.sleep(0.01)
    pytest.fail(f"the worker never came to {line!r}")


def test_two_processes_compute_a_run_once(store, tmp_path):
    place = tmp_path / "place"
    with worker(store, place, hold_at=0) as first:
        wait_for(place, "step 0", first)
        with worker(store, place) as second:
            assert second.stdout.readline().startswith("waiting for another process that is computing probe-")
            (name,) = store.list()["key"]
            with pytest.raises(RuntimeError, match=f"run {name} is being computed by another process"):
                store.remove(name)
            assert store.verify(name) == ["The run is not complete: it is being computed or was cut off."]
            (place / "go").touch()
            assert first.communicate(timeout=300)[0] == second.communicate(timeout=300)[0] == f"obtained {name} 0\n"
    assert (place / "marks").read_text().splitlines() == [f"step {i}" for i in range(5)]
    assert store.verify(name) == []


def test_killed_run_goes_on_where_it_was(store, tmp_path):
    place = tmp_path / "place"
    with worker(store, place, hold_at=2) as process:
        wait_for(place, "step 2", process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    (name,) = store.list()["key"]
    assert store.find(name) is None and not store.list()["complete"].any()
    with worker(store, place) as process:
        assert process.communicate(timeout=300)[0] == f"obtained {name} 3\n"
    assert (place / "marks").read_text().splitlines() == [f"step {i}" for i in range(5)]
    run = store.find(name)
    assert run.info["provenance"]["attempts"] == 2 and set(run.info["files"]) == {"result.txt"}


def test_kill_between_record_and_renaming_loses_nothing(store, tmp_path):
    dying = """
    rename = os.replace
    os.replace = lambda a, b: os.kill(os.getpid(), 9) if Path(b).parent == store.root else rename(a, b)
    """
    with worker(store, tmp_path / "place", first=dying) as process:
        process.wait(timeout=300)
        assert process.returncode == -signal.SIGKILL
    (name,) = store.list()["key"]
    assert store.find(name) is None
    run = store.obtain(Step("probe"), parameters={"w": 2}, inputs={}, compute=never)
    assert run.key == name and store.verify(name) == [] and run.info["provenance"]["attempts"] == 1


# Damage


def test_verify_tells_what_is_wrong(store):
    run = obtain(store)
    assert store.verify(run.key) == []
    (run.folder / "shards" / "0.tar").write_bytes(b"two shard")
    (run.folder / "notes.txt").write_text("by hand")
    assert store.verify(run.key) == [
        "shards/0.tar was altered: its checksum is not the recorded one.", "notes.txt is not part of the run.",
    ]  # fmt: skip
    (run.folder / "shards" / "0.tar").write_bytes(b"longer than before")
    (run.folder / "results.parquet").unlink()
    assert store.verify(run.key)[:2] == [
        "results.parquet is missing.",
        "shards/0.tar was altered: it has 18 bytes, not 9.",
    ]


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"key": 1}', "\xff", None, "other run", "other parameters", "no files"]
)
def test_folder_without_its_record_is_no_run(store, record):
    run = obtain(store)
    path = run.folder / "run.json"
    info = json.loads(path.read_text())
    if record is None:
        path.unlink()
    elif record == "other run":
        shutil.copy(obtain(store, version=2).folder / "run.json", path)
    elif record == "other parameters":
        path.write_text(json.dumps(info | {"parameters": {"rate": 0.6}}))
    elif record == "no files":
        path.write_text(json.dumps(info | {"files": ["results.parquet"]}))
    else:
        path.write_text(record, encoding="latin-1")
    assert store.find(run.key) is None
    assert store.verify(run.key) == ["run.json is missing, damaged or that of another run."]
    assert not store.list().set_index("key").loc[run.key, "complete"]
    assert obtain(store, lambda folder: {"again": True}).info["summary"] == {"again": True}
    assert store.verify(run.key) == []


def test_damaged_run_is_made_again_from_its_whole_files(store):
    run = obtain(store)
    (run.folder / "results.parquet").write_bytes(b"cut")

    def compute(folder):
        assert sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name[0] != ".") == ["0.tar"]
        return write_table(folder)

    assert store.find(run.key) is None
    again = obtain(store, compute)
    assert again.info["files"]["shards/0.tar"] == run.info["files"]["shards/0.tar"]
    assert store.verify(run.key) == []


# Finding, listing, removing


def test_beginning_of_a_key_is_enough(store):
    run = obtain(store)
    assert store.find(run.key[:10]) == run and store.verify(run.key[:10]) == []
    assert store.find("corpus") is None and store.find("") is None and store.find("../store") is None
    obtain(store, version=2)
    for ask in (store.find, store.verify, store.remove):
        with pytest.raises(ValueError, match="'probe-' is the beginning of 2 runs .*; give more of the key"):
            ask("probe-")
    store.remove(run.key[:12])
    assert store.find(run.key) is None and len(store.list()) == 1


@pytest.mark.parametrize("ask", ["verify", "remove"])
def test_unknown_keys_are_refused_with_the_nearest(store, ask):
    with pytest.raises(ValueError, match="there is no run 'probe-1'; the store is empty"):
        getattr(store, ask)("probe-1")
    run = obtain(store)
    obtain(store, step="synthesize")
    typed = run.key[:-1] + "x"
    with pytest.raises(ValueError, match=f"there is no run '{typed}'; the nearest is {run.key}"):
        getattr(store, ask)(typed)
    with pytest.raises(ValueError, match="there is no run ''"):
        getattr(store, ask)("")
    assert len(store.list()) == 2


def test_list_tells_size_time_and_state(store):
    columns = ["key", "step", "created", "seconds", "size", "complete", "what"]
    assert list(store.list()) == columns and not store.root.exists()
    run = obtain(store, step="train-generator")
    with pytest.raises(RuntimeError, match="stop"):
        obtain(store, lambda folder: exec("raise RuntimeError('stop')"))
    (store.root / "generator").mkdir()  # not a run: left alone
    table = store.list()
    assert table["step"].tolist() == ["train-generator", "probe"] and table["complete"].tolist() == [True, False]
    assert table.loc[0, "size"] == sum(p.stat().st_size for p in run.folder.rglob("*") if p.is_file())
    assert table.loc[0, "created"] == run.info["provenance"]["created"]
    assert table.loc[0, "seconds"] == run.info["provenance"]["seconds"] and table.loc[1, "seconds"] >= 0


def test_remove_takes_runs_and_what_was_cut_off(store):
    run = obtain(store)
    with pytest.raises(RuntimeError):
        obtain(store, lambda folder: exec("raise RuntimeError('stop')"), version=2)
    for name in store.list()["key"]:
        store.remove(name)
    assert store.list().empty and not run.folder.exists()


def test_root_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STABLEREP_RUNS", raising=False)
    assert RunStore().root == tmp_path / "runs"
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "elsewhere"))
    assert RunStore().root == tmp_path / "elsewhere"
    assert RunStore("here").root == tmp_path / "here"


# Stores that cannot be written


@contextmanager
def ordinary_user():
    """Permissions bind nobody who is root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def refused(store):
    return pytest.raises(
        OSError, match=f"^the run store {re.escape(str(store.root))} cannot be written .*STABLEREP_RUNS"
    )


def test_read_only_store_is_named_and_can_be_read(store):
    run = obtain(store)
    folders = [store.root, *(p for p in store.root.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    above = [p for p in store.root.parents if p.stat().st_mode & 0o011 == 0]
    try:
        for folder in above:
            folder.chmod(folder.stat().st_mode | 0o011)
        with ordinary_user():
            assert store.find(run.key) == run and store.verify(run.key) == []
            with refused(store):
                obtain(store, version=2)
            with refused(store):
                store.remove(run.key)
    finally:
        for folder in folders:
            folder.chmod(0o755)
        for folder in above:
            folder.chmod(0o700)


def test_store_inside_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    store = RunStore(tmp_path / "file" / "runs")
    with refused(store):
        obtain(store)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_full_disk_is_named(store):
    def compute(folder):
        with open("/dev/full", "w") as file:
            file.write("more than fits")

    with refused(store):
        obtain(store, compute)
    assert obtain(store).info["provenance"]["attempts"] == 2


def test_errors_elsewhere_are_not_blamed_on_the_store(store, tmp_path):
    def compute(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "photographs"))

    with pytest.raises(PermissionError, match="photographs"):
        obtain(store, compute)
