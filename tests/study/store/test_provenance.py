"""Provenance: what it says, what it never says, and hashes that move when and only when content does."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import subprocess
import sys

import pytest

from stablerep.study.store import provenance


def test_names_versions_and_circumstances():
    found = provenance.gather()
    assert set(found) == {"stablerep", "git", "python", "platform", "device", "threads", "packages"}
    assert found["python"] == platform.python_version()
    assert set(found["packages"]) == set(provenance.PACKAGES)
    assert found["packages"]["numpy"] == __import__("numpy").__version__
    assert found["device"] and found["threads"] >= 1
    json.dumps(found, allow_nan=False)


def test_names_no_machine_user_or_path(monkeypatch):
    for name in ("USER", "LOGNAME", "HOSTNAME", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "tell-nobody")
    monkeypatch.setattr(socket, "gethostname", lambda: "tell-nobody")
    monkeypatch.setattr(platform, "node", lambda: "tell-nobody")
    text = json.dumps(provenance.gather())
    assert "tell-nobody" not in text
    assert str(provenance.PROJECT) not in text
    assert sys.prefix not in text


def test_gathering_loads_nothing_heavy():
    code = "import sys; from stablerep.study.commands import doctor; from stablerep.study.store import provenance, runs; provenance.gather(); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=provenance.PROJECT, capture_output=True, text=True, check=True).stdout.split()
    assert "stablerep.study.commands.doctor" in loaded
    assert not {"torch", "torchvision", "pandas", "diffusers", "timm"} & set(loaded)


def test_device_is_that_of_a_loaded_torch(monkeypatch):
    class Torch:
        class cuda:
            is_available = staticmethod(lambda: True)
            get_device_name = staticmethod(lambda: "an accelerator")

        get_num_threads = staticmethod(lambda: 7)

    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert (provenance.device_name(), provenance.thread_count()) == ("an accelerator", 7)


def test_absent_package_has_no_version():
    assert provenance.installed_version("no-such-distribution-of-anything") is None


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as inside a hook of another repository: must not matter
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": "/dev/null"}

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        command = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet")
    return tmp_path, git


def test_git_state_follows_the_checkout(checkout):
    folder, git = checkout
    assert provenance.git_state(folder) is None  # no commit yet
    (folder / "a.txt").write_text("one\n")
    (folder / ".gitignore").write_text("runs/\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert provenance.git_state(folder) == {"commit": commit, "dirty": False}
    (folder / "runs").mkdir()
    (folder / "runs" / "ignored").write_text("x")
    assert provenance.git_state(folder)["dirty"] is False
    (folder / "a.txt").write_text("two\n")
    assert provenance.git_state(folder) == {"commit": commit, "dirty": True}


def test_what_lies_in_a_folder_left_out_does_not_count(checkout):
    folder, git = checkout
    (folder / "results").mkdir()
    for name in ("a.txt", "results/record.json", "results.txt"):
        (folder / name).write_text("one\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")

    def dirty() -> tuple[bool, bool]:
        states = provenance.git_state(folder), provenance.git_state(folder, without="results/")
        assert {state["commit"] for state in states} == {git("rev-parse", "HEAD")}
        return states[0]["dirty"], states[1]["dirty"]

    assert dirty() == (False, False)
    (folder / "results" / "record.json").write_text("two\n")
    (folder / "results" / "new").mkdir()
    (folder / "results" / "new" / "arms.parquet").write_text("three\n")
    assert dirty() == (True, False)
    (folder / "results.txt").write_text("two\n")  # beside it, of nearly the same name
    assert dirty() == (True, True)
    git("checkout", "--quiet", "results.txt")
    (folder / "untracked.py").write_text("")
    assert dirty() == (True, True)


def test_git_state_ignores_a_checkout_further_up(checkout):
    folder, git = checkout
    (folder / "a.txt").write_text("one\n")
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    (folder / "site-packages").mkdir()
    assert provenance.git_state(folder / "site-packages") is None


def test_git_state_without_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout[0]))
    assert provenance.git_state(checkout[0]) is None


def test_peak_memory_counts_bytes():
    code = """
from stablerep.study.store.provenance import peak_memory_bytes
before = peak_memory_bytes()
block = bytearray(b"x") * (before + 2**26)  # written, so that it is resident
print(len(block), peak_memory_bytes())
"""
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, cwd=provenance.PROJECT, capture_output=True, text=True, check=True).stdout
    held, peak = map(int, output.split())
    assert held <= peak < 8 * held


@pytest.mark.parametrize(("sign", "expected"), [("darwin", 5), ("linux", 5 * 1024)])
def test_peak_memory_units(monkeypatch, sign, expected):
    import resource

    monkeypatch.setattr(resource, "getrusage", lambda who: type("Usage", (), {"ru_maxrss": 5}))
    monkeypatch.setattr(provenance.sys, "platform", sign)
    assert provenance.peak_memory_bytes() == expected


def test_hash_file_is_sha256(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert provenance.hash_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()
