"""Errors that a user can mend: their sentences, and what the system says turned into them."""

from __future__ import annotations

import errno
import pickle

import pytest

from stablerep.errors import InputError, MissingError, StorageError, nearest, readable


def test_the_nearest_name_is_offered_only_if_it_is_near():
    assert nearest("guidance_scael", ["seed", "guidance_scale"]) == "did you mean guidance_scale?"
    assert nearest("xyz", ["seed", "guidance_scale"]) == nearest("seed", []) == ""
    assert nearest(1, ["11"], cutoff=0.5) == "did you mean 11?"  # YAML knows names that are numbers


def test_files_that_cannot_be_read_are_a_sentence(tmp_path):
    def read(path):
        with readable(path):
            return path.read_text(encoding="utf-8")

    (tmp_path / "good").write_text("x")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    assert read(tmp_path / "good") == "x"
    for path, kind, said in [
        (tmp_path / "absent", MissingError, "there is no file"), (tmp_path, InputError, "cannot be read: is a directory"),
        (tmp_path / "good" / "x", InputError, "cannot be read: not a directory"), (tmp_path / "latin", InputError, "byte 3 is 0xe9"),
    ]:  # fmt: skip
        with pytest.raises(kind, match=said) as error:
            read(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_mistake_of_ours_in_reading_stays_what_it_is(tmp_path):
    with pytest.raises(KeyError), readable(tmp_path):
        raise KeyError("x")


def test_a_storage_error_keeps_its_cause_and_its_sentence():
    error = StorageError("the disk is full.", OSError(errno.ENOSPC, "No space left on device", "/a/b"))
    assert (str(error), error.errno, error.filename) == ("the disk is full.", errno.ENOSPC, "/a/b")
    assert str(pickle.loads(pickle.dumps(error))) == "the disk is full."
    assert str(StorageError("closed.")) == "closed."
