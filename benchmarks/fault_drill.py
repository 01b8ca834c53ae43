"""Faults, made on purpose: what is said, and whether the next attempt completes with nothing lost and nothing computed twice.

    python benchmarks/fault_drill.py FOLDER [CASE ...]

Every case runs real commands at the smoke preset with a store of its own. A full disk and a read-only store need the right to mount a
small file system; without it they are skipped. Prints a table; the exit status is 1 when a case failed. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from stablerep.study.store.runs import RunStore
from stablerep.study.sweeps.task import last_lines

COMMAND = (sys.executable, "-m", "stablerep.study.commands")
CHAPTER = ("run", "generator", "--preset", "smoke")
CASES = {}


class Skipped(Exception):
    """A case that cannot be tried here."""


def case(function):
    CASES[function.__name__.replace("_", " ")] = function
    return function


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = os.environ | {"STABLEREP_RUNS": str(folder / "runs"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip


def finish(process: subprocess.Popen, code: int | None = 0) -> str:
    """Wait for a command and return what it said last; ``code`` None expects any failure."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == code if code is not None else process.returncode, (process.returncode, err[-2000:])
    assert "Traceback" not in err.splitlines()[-1:], err
    return last_lines(err if process.returncode else out, 1)


def made(folder: Path) -> dict[str, str]:
    """When each complete run was made."""
    return {info["key"]: info["provenance"]["created"] for info in RunStore(folder / "runs").records()}


def wait(condition, process: subprocess.Popen | None = None, seconds: float = 300):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end and (process is None or process.poll() is None), (
            "what the case waits for did not happen"
        )
        time.sleep(0.1)
    return found


def has(folder: Path, step: str):
    return lambda: any((folder / "runs").glob(f"{step}-*/run.json"))


def descendants(pid: int) -> list[int]:
    """Processes below one, by the kernel's own list."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def kill(process: subprocess.Popen, by) -> None:
    """Kill a command without a word, alone (``os.kill``) or with its group (``os.killpg``), and wait until nothing below it lives."""
    below = descendants(process.pid)
    by(process.pid, signal.SIGKILL)
    process.communicate()
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), seconds=30)


def kernel_of(pid: int) -> int | None:
    for child in descendants(pid):
        if b"ipykernel" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    return None


def resume(folder: Path, before: dict[str, str], *arguments: str) -> str:
    """The same command again: it completes, and what was there is as it was."""
    finish(start(folder, *arguments))
    after = made(folder)
    assert before.items() <= after.items(), "a run that was complete was computed again"
    return f"completes; {len(before)} of {len(after)} runs kept, none computed twice"


@case
def the_kernel_of_a_notebook_is_killed(folder: Path) -> tuple[str, str]:
    process = start(folder, *CHAPTER)
    wait(has(folder, "pretraining"), process)
    os.kill(wait(lambda: kernel_of(process.pid), process), signal.SIGKILL)
    said = finish(process, None)
    return said, resume(folder, made(folder), *CHAPTER)


@case
def the_command_is_killed(folder: Path) -> tuple[str, str]:
    process = start(folder, *CHAPTER)
    wait(has(folder, "pretraining"), process)
    kill(process, os.kill)
    return "(nothing, it was killed; its kernel ended by itself)", resume(folder, made(folder), *CHAPTER)


SWEEP = ("sweep", "corpus", "-g", "size=32,48,64", "-g", "flags=true,false", "--preset", "smoke", "--workers", "2")


@case
def a_sweep_is_killed(folder: Path) -> tuple[str, str]:
    sweep = (*SWEEP, "-o", str(folder / "sweep"))
    process = start(folder, *sweep)
    wait(has(folder, "notebook"), process)
    kill(process, os.killpg)
    said = finish(start(folder, *sweep), 2)
    return said, resume(folder, made(folder), *sweep, "--resume")


@case
def a_dask_worker_is_killed(folder: Path) -> tuple[str, str]:
    folder.mkdir(parents=True)
    file = folder / "scheduler.json"
    cli = [sys.executable, "-m"]
    cluster = [subprocess.Popen(
        [*cli, "distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"],
        stderr=subprocess.DEVNULL,
    )]  # fmt: skip
    try:
        wait(lambda: file.exists() and file.read_text(), seconds=60)
        for _ in range(2):
            command = [
                *cli,
                "distributed.cli.dask_worker",
                "--scheduler-file",
                str(file),
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
            ]
            cluster.append(subprocess.Popen([*command, "--local-directory", str(folder)], stderr=subprocess.DEVNULL))
        process = start(folder, *SWEEP[:-2], "--cluster", str(file), "-o", str(folder / "sweep"))
        wait(has(folder, "notebook"), process)
        wait(lambda: kernel_of(cluster[1].pid), process)
        before = made(folder)
        cluster[1].kill()
        finish(process)
        after = made(folder)
        assert before.items() <= after.items() and len(after) == 6
        return (
            "(nothing: the other worker takes its notebook)",
            f"completes; {len(after)} notebooks by the worker that is left",
        )
    finally:
        for one in cluster:
            one.kill()


def mounted(folder: Path, options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise Skipped(f"a file system cannot be mounted here: {done.stderr.strip()}")


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@case
def the_disk_is_full(folder: Path) -> tuple[str, str]:
    mounted(folder / "runs", "size=3m")  # enough for some runs
    try:
        said = finish(start(folder, *CHAPTER), 2)
        assert "No space left on device" in said, said
        before = made(folder)
        remount(folder / "runs", "size=400m")
        return said, resume(folder, before, *CHAPTER)
    finally:
        subprocess.run(["umount", str(folder / "runs")], check=True)


@case
def the_store_is_read_only(folder: Path) -> tuple[str, str]:
    mounted(folder / "runs", "size=400m")
    try:
        remount(folder / "runs", "ro")
        said = finish(start(folder, *CHAPTER), 2)
        assert "Read-only file system" in said, said
        remount(folder / "runs", "rw")
        return said, resume(folder, {}, *CHAPTER)
    finally:
        subprocess.run(["umount", str(folder / "runs")], check=True)


@case
def artefacts_are_corrupted(folder: Path) -> tuple[str, str]:
    finish(start(folder, *CHAPTER))
    whole = made(folder)
    (weights,) = (folder / "runs").glob("pretraining-*/encoder.safetensors")
    (table,) = (folder / "runs").glob("judgement-*/sets.parquet")
    weights.write_bytes(weights.read_bytes()[:-100])
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    said = start(folder, "runs", "verify")
    out, _ = said.communicate()
    assert said.returncode == 1 and weights.parent.name in out and table.parent.name in out, out
    for key in (table.parent.name, next(key for key in whole if key.startswith("notebook"))):
        finish(start(folder, "runs", "remove", key))
    kept = {key: created for key, created in made(folder).items() if key != weights.parent.name}
    finish(start(folder, *CHAPTER))
    finish(start(folder, "runs", "verify"))
    assert kept.items() <= made(folder).items() and len(made(folder)) == len(whole)
    sentence = next(line for line in out.splitlines() if "altered" in line)
    return re.sub(
        r"\b([a-z]+)-[0-9a-f]{16}", r"\1-...", sentence
    ), f"both made again; {len(kept)} of {len(whole)} runs kept"


@case
def two_commands_want_the_same_at_once(folder: Path) -> tuple[str, str]:
    processes = [
        start(folder, *CHAPTER),
        start(folder, "run", "generator", "--preset", "smoke", "--captions", "16", "--seed", "0", "--live"),
    ]
    for process in processes:
        finish(process)
    attempts = [info["provenance"]["attempts"] for info in RunStore(folder / "runs").records()]
    assert set(attempts) == {1}
    return "(the second waits)", f"both complete; {len(attempts)} runs, each computed once"


@case
def two_books_at_once(folder: Path) -> tuple[str, str]:
    books = [folder / "same", folder / "same", folder / "other"]
    given = [(), (), ("-p", "size=48")]
    processes = [start(folder, "book", "--no-live", "-o", str(out), *more) for out, more in zip(books, given)]
    for process in processes:
        finish(process)
    pages = [len(list(book.rglob("*.html"))) for book in books]
    assert pages[0] == pages[2] > 10 and not list(folder.glob(".*building*"))
    return "(the second build of one folder waits for the first)", f"three builds, two whole books of {pages[0]} pages"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an empty folder")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of: {'; '.join(CASES)}")
    given = parser.parse_args()
    if strange := set(given.cases) - set(CASES):
        parser.error(f"{sorted(strange)[0]!r} is not a case; there are {', '.join(CASES)}.")
    failed = False
    print("| fault | what is said | the next attempt |\n|---|---|---|", flush=True)
    for number, (name, function) in enumerate(CASES.items()):
        if given.cases and name not in given.cases:
            continue
        folder = given.folder.resolve() / str(number)
        try:
            said, then = function(folder)
            said = said.replace(str(folder), "FOLDER")
        except Skipped as reason:
            said, then = "skipped", str(reason)
        except AssertionError as error:
            said, then, failed = "FAILED", str(error), True
        print(f"| {name} | {' '.join(said.split())} | {' '.join(then.split())} |", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
