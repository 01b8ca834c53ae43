"""Files that are whole or absent."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch

from stablerep.checkpoint import load_checkpoint, save_checkpoint, save_weights, written_aside
from stablerep.errors import StorageError

STATE = {
    "model": {"w": torch.arange(12.0).view(3, 4), "n": torch.tensor(7)}, "step": 40, "log": [[0, 1.5], [1, 1.25]], "seconds": 0.1,
}  # fmt: skip


def test_a_state_comes_back_exactly(tmp_path):
    path = tmp_path / "deep" / "checkpoint.pt"
    save_checkpoint(path, STATE)
    found = load_checkpoint(path)
    assert torch.equal(found["model"]["w"], STATE["model"]["w"]) and torch.equal(
        found["model"]["n"], STATE["model"]["n"]
    )
    assert {k: found[k] for k in ("step", "log", "seconds")} == {k: STATE[k] for k in ("step", "log", "seconds")}
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_that_is_not_there_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


def test_a_damaged_checkpoint_is_none(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    for length in [0, 1, 2, 10, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert load_checkpoint(path) is None, length
    for garbage in (b"\0" * 2000, b"not a checkpoint", whole[:200] + b"\xff" * 64 + whole[264:]):
        path.write_bytes(garbage)
        assert load_checkpoint(path) is None, garbage[:10]


def test_no_code_is_run_by_loading(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "checkpoint.pt"
    path.write_bytes(pickle.dumps({"step": Trap()}, protocol=2))
    assert load_checkpoint(path) is None
    torch.save({"step": Trap()}, path)
    assert load_checkpoint(path) is None
    assert not (tmp_path / "sprung").exists()


def test_a_file_appears_only_when_its_block_ends_well(tmp_path):
    path = tmp_path / "table"
    path.write_text("old")
    with pytest.raises(KeyError), written_aside(path) as aside:
        aside.write_text("half of the n")
        assert path.read_text() == "old" and aside.parent == tmp_path
        raise KeyError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with written_aside(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError), written_aside(tmp_path / "table"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path, number):
    path = tmp_path / "table"
    named = () if number in (errno.ENOSPC, errno.EDQUOT) else (str(tmp_path / ".table.1.part"),)
    with pytest.raises(StorageError, match=f"^{path} cannot be written .*, or name another place.$") as error:
        with written_aside(path):
            raise OSError(number, "reason", *named)
    assert error.value.errno == number and list(tmp_path.iterdir()) == []


def test_a_path_through_a_file_and_a_folder_of_the_name(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "x").mkdir(parents=True)
    for path, why in [
        ("file/table", "a part of the path is a file"),
        ("file/a/table", "a part"),
        ("folder", "it is a folder"),
    ]:
        with (
            pytest.raises(StorageError, match=f"{path} cannot be written .*: {why}"),
            written_aside(tmp_path / path) as aside,
        ):
            aside.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_errors_about_other_files_stay_what_they_are(tmp_path):
    (tmp_path / "secret").write_text("")
    for error in (
        PermissionError(errno.EACCES, "x", str(tmp_path / "secret")),
        BrokenPipeError(errno.EPIPE, "x"),
        ValueError("x"),
    ):
        with pytest.raises(type(error)) as found, written_aside(tmp_path / "table"):
            raise error
        assert found.value is error


def test_weights_are_whole_or_absent_and_a_full_disk_is_said_as_the_system_says_it(tmp_path, monkeypatch):
    path = tmp_path / "encoder.safetensors"
    save_weights(path, {"a": torch.arange(3.0)})
    assert torch.equal(safetensors.torch.load_file(path)["a"], torch.arange(3.0))
    before = path.read_bytes()

    def full(weights, aside):
        Path(aside).write_bytes(b"half")
        raise safetensors.SafetensorError(reason)

    monkeypatch.setattr("safetensors.torch.save_file", full)
    reason = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(OSError, match="No space left on device") as error:
        save_weights(path, {})
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(path)
    reason = "something else"
    with pytest.raises(safetensors.SafetensorError, match="something else"):
        save_weights(path, {})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
