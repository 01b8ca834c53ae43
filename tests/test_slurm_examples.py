"""The examples for SLURM: bash reads them, sbatch would know their options, and our command line takes their commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

FOLDER = Path(__file__).parents[1] / "examples" / "slurm"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
OPTIONS = {  # of sbatch, from its manual
    "job-name", "nodes", "ntasks", "ntasks-per-node", "gpus-per-node", "gpus-per-task", "cpus-per-task", "time", "output", "array",
}  # fmt: skip


def commands(text: str) -> list[list[str]]:
    """The ``stablerep`` commands of a script, as words, behind whatever starts them."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = []
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        start = next(
            (place for place, word in enumerate(words) if word in ("stablerep", "stablerep.study.commands")), None
        )
        if start is not None:
            found.append([re.sub(r"\$\w+", "x", word) for word in words[start + 1 :]])
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_it(path):
    assert subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True).stderr == ""
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n") and "\nset -euo pipefail\n" in text and "Change: " in text


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_sbatch_would_know_its_options(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("#SBATCH")]
    assert len(lines) >= 5
    for line in lines:
        assert re.fullmatch(r"#SBATCH --([a-z-]+)=\S+", line), line
        assert re.match(r"#SBATCH --([a-z-]+)=", line)[1] in OPTIONS
    body = path.read_text()[path.read_text().index(lines[-1]) :]
    assert body.count("#SBATCH") == 1  # none behind the first command, where sbatch does not look


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_our_command_line_takes_its_commands(path):
    from stablerep.study.commands.main import app

    root = typer.main.get_command(app)
    found = commands(path.read_text())
    assert found, "the script calls no command of ours"
    for name, *arguments in found:
        command = root.commands[name]
        context = command.make_context(name, arguments)  # parses and converts, runs nothing
        assert context.params


def test_the_cluster_that_slurm_feeds():
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
    code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import jobqueue; print(jobqueue.cluster().job_script())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (
        "#SBATCH -p gpu" in done.stdout
        and "#SBATCH --gpus-per-task=1" in done.stdout
        and "distributed.cli.dask_worker" in done.stdout
    )
    script = subprocess.run(["bash", "-n"], input=done.stdout, text=True, capture_output=True)
    assert script.stderr == ""
