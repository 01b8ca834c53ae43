"""The check of an export: whole ones pass, and every damage is found, by accident or on purpose."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stablerep.study.archive.check import examine_export
from stablerep.study.archive.export import export
from stablerep.study.archive.graph import METADATA, SUMS
from tests.study.archive.traced import executed_chapter, small_store, verify_export


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    store, runs = small_store(folder / "runs")
    executed_chapter(folder / "chapters", store, [run.key for run in runs.values()])
    for name in ("export", "export.zip"):
        export(folder / name, ["compare"], store, folder=folder / "chapters")
    return folder, runs


@pytest.fixture
def copy(world, tmp_path) -> Path:
    return Path(shutil.copytree(world[0] / "export", tmp_path / "export"))


def files_of(top: Path) -> list[Path]:
    return sorted(path for path in top.rglob("*") if path.is_file())


def seal(copy: Path) -> list[str]:
    """What is found wrong after every checksum was made anew, as somebody would who wants to deceive."""
    metadata = json.loads((copy / METADATA).read_text())
    for entity in metadata["@graph"]:
        if "sha256" in entity and (copy / entity["@id"]).is_file():
            raw = (copy / entity["@id"]).read_bytes()
            entity |= {"sha256": hashlib.sha256(raw).hexdigest(), "contentSize": str(len(raw))}
    (copy / METADATA).write_text(json.dumps(metadata))
    names = [path.relative_to(copy).as_posix() for path in files_of(copy)]
    lines = [
        f"{hashlib.sha256((copy / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(names) if name != SUMS
    ]
    (copy / SUMS).write_text("".join(lines))
    return verify_export(copy)


def change(path: Path, how) -> None:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def change_entity(copy: Path, name: str, how) -> list[str]:
    change(
        copy / METADATA, lambda metadata: how(next(entity for entity in metadata["@graph"] if entity["@id"] == name))
    )
    return seal(copy)


def test_whole_exports_pass(world):
    found = examine_export(world[0] / "export")
    assert found.wrong == found.notes == [] and found.runs == 8 and found.files == len(files_of(world[0] / "export"))
    assert examine_export(world[0] / "export.zip") == found


def test_a_sealed_copy_is_whole(copy):
    """So that what the tests below find is not the seal."""
    assert seal(copy) == []


# Accidents


@given(st.data())
def test_any_changed_byte_is_found(world, data):
    out = world[0] / "export"
    path = data.draw(st.sampled_from(files_of(out)))
    before = path.read_bytes()
    place, by = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(1, 255))
    try:
        path.write_bytes(before[:place] + bytes([before[place] ^ by]) + before[place + 1 :])
        assert any(path.relative_to(out).as_posix() in sentence for sentence in verify_export(out))
    finally:
        path.write_bytes(before)
    assert verify_export(out) == []


@given(place=st.floats(0, 1, exclude_max=True), by=st.integers(1, 255))
@example(place=0.0, by=255)
def test_a_changed_byte_of_a_zip_is_found_or_changes_no_file(world, place, by):
    whole = (world[0] / "export.zip").read_bytes()
    content = bytearray(whole)
    content[int(place * len(whole))] ^= by
    path = world[0] / "changed.zip"
    path.write_bytes(content)
    try:
        wrong = verify_export(path)
    except ValueError as error:
        wrong = [str(error)]
    if not wrong:
        with zipfile.ZipFile(path) as changed, zipfile.ZipFile(world[0] / "export.zip") as first:
            assert {name: changed.read(name) for name in changed.namelist()} == {
                name: first.read(name) for name in first.namelist()
            }


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_zip_that_was_cut_off(world, tmp_path, kept):
    whole = (world[0] / "export.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match="cut.zip is neither a folder nor a readable zip.$"):
        verify_export(tmp_path / "cut.zip")


def test_a_zip_of_an_unknown_version(world, tmp_path):
    content = bytearray((world[0] / "export.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 84  # the version that is needed to read the first file
    (tmp_path / "new.zip").write_bytes(content)
    with pytest.raises(ValueError, match="new.zip is neither a folder nor a readable zip.$"):
        verify_export(tmp_path / "new.zip")


def test_a_damaged_member_of_a_zip(world, tmp_path):
    content = bytearray((world[0] / "export.zip").read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = archive.getinfo("LICENSE")
    content[entry.header_offset + 30 + len("LICENSE") + entry.compress_size // 2] ^= 255
    (tmp_path / "out.zip").write_bytes(content)
    assert "LICENSE is damaged." in verify_export(tmp_path / "out.zip")


def test_missing_and_extra_files_are_found(copy, world):
    record = copy / "runs" / world[1]["untrained"].key / "run.json"
    record.unlink()
    (copy / "notes.txt").write_text("x")
    assert verify_export(copy) == [
        f"{record.relative_to(copy).as_posix()} is missing.",
        "notes.txt is not part of the export.",
        f"the record of {record.parent.name} is missing.",
    ]


@pytest.mark.parametrize(
    "name", [SUMS, "LICENSE", "notebooks/compare.ipynb", "tables/compare/arms.parquet", "reference/compare/record.json"]
)  # fmt: skip
def test_any_missing_file_is_found(copy, name):
    (copy / name).unlink()
    assert any(name in sentence for sentence in verify_export(copy))


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", '{"@graph": []}', '{"@graph": [{"@id": "./"}]}', '{"@graph": 3}', '{"@graph": [3]}', "[" * 5000, "\xff",
        '{"@graph": [{"@id": ["a"]}]}',
    ],
)  # fmt: skip
def test_damaged_metadata(copy, content):
    (copy / METADATA).write_bytes(content.encode("latin-1"))
    assert verify_export(copy) == [f"{METADATA} is missing or damaged."]
    (copy / METADATA).unlink()
    assert verify_export(copy) == [f"{METADATA} is missing or damaged."]


# Deceptions: every checksum fits


@pytest.mark.parametrize(
    "how",
    [
        lambda info: info["parameters"].update(steps=6), lambda info: info["inputs"].update(images="other"), lambda info: info.update(version=99),
        lambda info: info.update(key="pretraining-" + "0" * 16), lambda info: info.update(step="evaluation"),
        lambda info: info.update(step="evaluation", shortened=["x"]), lambda info: info.update(key="pretraining-" + "0" * 16, shortened=["x"]),
    ],
)  # fmt: skip
def test_a_record_of_something_else_does_not_give_its_key(copy, world, how):
    key = world[1]["trained 0"].key
    change(copy / "runs" / key / "run.json", how)
    assert f"runs/{key}/run.json does not give its own key, {key}." in seal(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"step": 3}', "null", "[" * 5000])
def test_a_record_that_is_none(copy, world, content):
    key = world[1]["trained 0"].key
    (copy / "runs" / key / "run.json").write_text(content)
    assert f"runs/{key}/run.json is damaged." in seal(copy)


def test_a_record_that_was_shortened_says_so(copy, world):
    key = world[1]["trained 0"].key
    change(
        copy / "runs" / key / "run.json",
        lambda info: info.update(shortened=["x"], parameters=info["parameters"] | {"method": "y"}),
    )
    assert seal(copy) == []
    assert examine_export(copy).notes == [
        f"{key} cannot be checked against its key: a path in its record was shortened."
    ]


def test_a_table_that_is_not_that_of_its_run(copy, world):
    key = world[1]["probed 0"].key
    for name in (f"runs/{key}/results.parquet", "tables/compare/arms.parquet", "reference/compare/arms.parquet"):
        (copy / name).write_bytes(b"other")
    found = seal(copy)
    assert f"runs/{key}/results.parquet is not the file that the record of {key} names." in found
    assert any(
        sentence.startswith("tables/compare/arms.parquet is not the file that the record of notebook-")
        for sentence in found
    )
    assert "reference/compare/arms.parquet is not the file that reference/compare/record.json names." in found
    assert "reference/compare/ is not what notebooks/compare.ipynb was executed with." in found and len(found) == 4


def test_stored_results_of_another_record(copy):
    change(copy / "reference/compare/record.json", lambda record: record["parameters"].update(seeds=100))
    assert seal(copy) == ["reference/compare/ is not what notebooks/compare.ipynb was executed with."]


def test_a_notebook_of_unknown_runs(copy):
    change(
        copy / "notebooks/compare.ipynb",
        lambda book: book["metadata"]["stablerep"]["runs"].append("evaluation-" + "0" * 16),
    )
    assert seal(copy) == [
        "notebooks/compare.ipynb asked for evaluation-0000000000000000, which the export does not describe."
    ]


def test_a_notebook_of_other_parameters(copy):
    change(
        copy / "notebooks/compare.ipynb", lambda book: book["metadata"]["stablerep"]["parameters"].update(steps=10_000)
    )
    (sentence,) = seal(copy)
    assert sentence.startswith(
        "notebooks/compare.ipynb does not have the parameters and inputs of its record, notebook-"
    )


@pytest.mark.parametrize("content", ["{}", '{"metadata": {"stablerep": {"key": 3, "runs": null}}}', "x"])
def test_a_notebook_of_unknown_make(copy, content):
    (copy / "notebooks/compare.ipynb").write_text(content)
    assert "notebooks/compare.ipynb does not say what it was made from." in seal(copy)


def test_a_run_that_was_taken_out(copy, world):
    """Its files, its checksums, and it is no part any more; but the notebook and other runs still name it."""
    key = world[1]["trained 0"].key
    shutil.rmtree(copy / "runs" / key)

    def forget(metadata):
        metadata["@graph"] = [
            entity for entity in metadata["@graph"] if not entity["@id"].startswith((f"#{key}", f"runs/{key}/"))
        ]
        root = next(entity for entity in metadata["@graph"] if entity["@id"] == "./")
        root["hasPart"] = [part for part in root["hasPart"] if not part["@id"].startswith(f"runs/{key}/")]
        root["mentions"] = [one for one in root["mentions"] if one["@id"] != f"#{key}"]

    change(copy / METADATA, forget)
    evaluation = world[1]["probed 0"].key
    assert seal(copy) == [
        f"{METADATA}: #{evaluation} names #{key}, which is not described.",
        f"notebooks/compare.ipynb asked for {key}, which the export does not describe.",
    ]  # fmt: skip


def test_a_record_that_nothing_describes(copy, world):
    first = world[1]["untrained"].key
    target = copy / "runs" / ("evaluation-" + "0" * 16)
    shutil.copytree(copy / "runs" / first, target)
    assert any("is not part of the export." in sentence for sentence in seal(copy))
    assert any(
        sentence.endswith("does not give its own key, evaluation-0000000000000000.") for sentence in verify_export(copy)
    )


def test_an_action_that_was_taken_out(copy, world):
    """The files of its run are still there."""
    key = world[1]["untrained"].key

    def forget(metadata):
        metadata["@graph"] = [entity for entity in metadata["@graph"] if entity["@id"] != f"#{key}"]

    change(copy / METADATA, forget)
    assert f"runs/{key}/run.json is not described by any action." in seal(copy)


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("./", lambda root: root.pop("datePublished"), "does not say what the export's datePublished is."),
        ("./", lambda root: root.update(license={"@id": "COPYING"}), "./ names COPYING, which is not described."),
        (METADATA, lambda about: about.update(conformsTo={"@id": "https://w3id.org/ro/crate/1.0"}), "does not describe a crate of version 1.1."),
        ("./", lambda root: root["hasPart"].remove({"@id": "LICENSE"}), "describes LICENSE, which is not among its parts."),
        ("LICENSE", lambda entity: entity.update({"@id": "LICENCE"}), "names LICENSE, which is not described."),
    ],
)  # fmt: skip
def test_metadata_that_lack_something(copy, name, how, said):
    assert any(said in sentence for sentence in change_entity(copy, name, how))


def test_an_entity_that_is_there_twice(copy):
    change(copy / METADATA, lambda metadata: metadata["@graph"].append(metadata["@graph"][5]))
    assert f"{METADATA} is missing or damaged." in seal(copy)


@pytest.mark.parametrize("how", ["reversed", "one less", "one more", "spaces"])
def test_a_list_of_checksums_in_another_form(copy, how):
    lines = (copy / SUMS).read_text().splitlines(keepends=True)
    changed = {
        "reversed": lines[::-1], "one less": lines[1:], "one more": [*lines, f"{'0' * 64}  ghost\n"],
        "spaces": [line.replace("  ", " ") for line in lines],
    }  # fmt: skip
    (copy / SUMS).write_text("".join(changed[how]))
    assert f"{SUMS} was altered: it is not a list of the checksums of the export's files." in verify_export(copy)


def test_a_list_of_other_checksums(copy):
    lines = (copy / SUMS).read_text().splitlines(keepends=True)
    (copy / SUMS).write_text("".join("0" * 64 + line[64:] if line.endswith("  LICENSE\n") else line for line in lines))
    assert verify_export(copy) == [f"{SUMS} was altered: it names another checksum of LICENSE."]


@given(st.data())
def test_whatever_stands_in_a_file_is_answered_in_sentences(world, tmp_path_factory, data):
    """Any value of the JSON becomes another: that is never an error of ours."""
    copy = tmp_path_factory.mktemp("any") / "export"
    shutil.copytree(world[0] / "export", copy)
    names = [METADATA, METADATA, "runs/pre*/run.json", "notebooks/compare.ipynb", "reference/*/record.json"]
    path = data.draw(st.sampled_from(sorted(path for name in names for path in copy.glob(name))))
    content = json.loads(path.read_text())
    inside = (
        content["@graph"]
        if path.name == METADATA
        else content["metadata"]["stablerep"]
        if path.suffix == ".ipynb"
        else content
    )
    while True:
        at = data.draw(st.sampled_from(sorted(inside)) if isinstance(inside, dict) else st.integers(0, len(inside) - 1))
        if not isinstance(inside[at], (dict, list)) or not inside[at] or data.draw(st.booleans()):
            break
        inside = inside[at]
    inside[at] = data.draw(st.sampled_from([None, 3, "x", [], [3], {}, {"@id": 3}, [[]]]))
    path.write_text(json.dumps(content))
    before = verify_export(copy)
    assert before and all("\n" not in sentence for sentence in before)
    try:
        assert isinstance(seal(copy), list)
    except (AttributeError, KeyError, TypeError):  # of the seal, which reads what is no metadata any more
        assert path.name == METADATA


# Names and links that lead elsewhere


def zipped(path: Path, *entries: tuple) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, mode in entries:
            entry = zipfile.ZipInfo("placeholder")
            entry.filename, entry.external_attr = name, mode << 16
            archive.writestr(entry, "x")
    return path


@pytest.mark.parametrize(
    "name", ["../outside.txt", "a/../../outside.txt", "/outside.txt", "..\\outside.txt", "C:outside.txt", "../outside/"]
)
def test_names_that_leave_the_export_are_refused(tmp_path, name):
    path = zipped(tmp_path / "bad.zip", (name, 0o100644), (METADATA, 0o100644))
    assert verify_export(path) == [f"{name} leads out of the export."]
    assert [p.name for p in tmp_path.iterdir()] == ["bad.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_are_there_twice(tmp_path):
    path = zipped(tmp_path / "bad.zip", ("a", 0o100644), ("a", 0o100644))
    assert verify_export(path) == ["a occurs 2 times."]


def test_links_are_not_followed(copy, tmp_path):
    assert verify_export(zipped(tmp_path / "bad.zip", ("a", 0o120777))) == ["a is not a regular file."]
    shutil.move(copy / "LICENSE", tmp_path / "LICENSE")
    (copy / "LICENSE").symlink_to(tmp_path / "LICENSE")
    assert verify_export(copy) == ["LICENSE is not a regular file."]
    (copy / "LICENSE").unlink()
    os.mkfifo(copy / "LICENSE")  # to open it would wait for ever
    assert verify_export(copy) == ["LICENSE is not a regular file."]


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: path.write_text("x"), lambda path: path.write_bytes(b"")]
)
def test_what_is_no_export(tmp_path, make):
    make(tmp_path / "thing")
    with pytest.raises(ValueError, match="thing is neither a folder nor a readable zip.$"):
        verify_export(tmp_path / "thing")


def test_an_empty_folder(tmp_path):
    assert verify_export(tmp_path) == [f"{METADATA} is missing or damaged."]
