"""The stored reference: a chapter's tables at more seeds and steps, with provenance, and checked when code changes.

A reference says by which code it was computed. When that code has changed since, its page says so, until the
chapter's tables at the preset ``smoke`` (the same code at a few steps) are what the reference's own code made of them.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stablerep.checkpoint import save_table
from stablerep.errors import FailedError, InputError, MissingError
from stablerep.figures.explained import enumerated
from stablerep.study.chapters import chapter, compute_tables, lacking, resolve, stored_record
from stablerep.study.experiments.study import Study
from stablerep.study.markdown import some_of
from stablerep.study.parameters.paths import published_paths
from stablerep.study.protocol import protocol_hash, protocol_sentence
from stablerep.study.root import PROJECT, STORED
from stablerep.study.store.code import code_hash
from stablerep.study.store.folder import write_json
from stablerep.study.store.provenance import gather, git_state, hash_file
from stablerep.study.store.runs import RunStore

if TYPE_CHECKING:
    from stablerep.study.parameters.base import Parameters

MEASURED = ("seconds", "time", "views_per_second")  # columns that differ from machine to machine
# By how much a sum may differ, relatively. Machines, and numbers of threads, round differently: a loss shows that in
# its sixth digit, while a share of a few images jumps when one of them is taken for another.
LOSS_TOLERANCE, TABLE_TOLERANCE = 5e-3, 0.15
QUOTIENTS = (
    "worth",
)  # tables of numbers that have no end where what they are divided by is near zero, as after a few steps
MOST_NAMED = 8  # values of a list that a sentence has room for
EVERY = {"captions": (0,)}  # values of parameters that stand for all there are


def make_reference(name: str, given: dict | None = None) -> list[str]:
    """Compute a chapter's reference tables (or go on where that was cut) and write them to ``results/<name>/``.

    Every pre-training and evaluation is a run of its own in the store. Returns the files written.

    Raises:
        FailedError: the checkout has changes that no commit holds, so that nobody could compute these numbers again.
        InputError: something is lacking for it.
    """
    parameters = resolve(name, {"preset": "reference"} | (given or {}))
    if why := lacking(name, parameters):
        raise InputError(why)
    state = committed_state()
    study = Study(parameters=parameters)
    began = datetime.now(UTC)
    sums = {}
    for table_name, table in compute_tables(name, parameters, study).items():
        path = STORED / name / f"{table_name}.parquet"
        save_table(path, table)
        sums[path.name] = hash_file(path)
    record = {
        "notebook": name,
        "parameters": published_paths(parameters.model_dump()),
        "protocol": protocol_hash([*chapter(name).CLAIMS, name]),
        "corpus": study.about.fingerprint,
        "provenance": {**gather(), "git": state, "created": began.isoformat(timespec="seconds")},
        "sha256": sums,
        "modules": modules_of(study.store),
        "check": smoke_sums(name)[0],
    }
    if hasattr(parameters, "generator"):
        record["generator"] = study.generator_fingerprint(parameters.generator)
    record |= getattr(chapter(name), "sources", lambda p: {})(parameters)
    write_json(STORED / name / "record.json", record)
    return [*sums, "record.json"]


def committed_state() -> dict | None:
    """What :func:`.provenance.git_state` says of the checkout. Raises ``FailedError`` where no commit holds its changes."""
    state = git_state(PROJECT, without=f"{STORED.name}/")
    if state and state["dirty"]:
        raise FailedError("the checkout has changes that are not committed; a reference is computed from a commit.")
    return state


def check_reference(name: str) -> str:
    """Compare the chapter at the preset ``smoke`` with what the reference's code made of it, and say the result.

    If they are equal, the present code is written into the reference's record. Raises ``MissingError`` where there is
    no reference, or one without the sums of such a check, and ``FailedError`` naming the first table that differs.
    """
    record = stored_record(name)
    before = record.get("check")
    anew = f"`stablerep reference {name}` computes it anew"
    if not before:
        raise MissingError(f"the reference of {name} has nothing to be checked by; {anew}.")
    found, study = smoke_sums(name)
    different = [place for place, value in before.items() if not _close(place, value, found.get(place))]
    if different:
        place = different[0]
        raise FailedError(
            f"{name}: {place} is {found.get(place)} at the preset smoke, and was {before[place]} when the reference "
            f"was computed ({len(different)} of {len(before)} sums differ); {anew}."
        )
    changed = changed_modules(record)
    write_json(STORED / name / "record.json", record | {"modules": modules_of(study.store)})
    what = f"the code of {', '.join(changed[:4])} has changed" if changed else "no code has changed"
    return f"{name}: {len(before)} sums of the preset smoke are what they were; {what}, and the reference holds."


def smoke_sums(name: str) -> tuple[dict[str, float], Study]:
    """What a chapter at the preset ``smoke`` comes to, and the study that asked for its runs.

    The sum of the losses of each pre-training, and of the sizes of the finite numbers in each column that holds no times and no quotients.
    """
    parameters = resolve(name, {"preset": "smoke"})
    study = Study(parameters=parameters)
    tables = compute_tables(name, parameters, study)
    trained = [run for run in map(study.store.find, study.store.asked) if run and run.info["step"] == "pretraining"]
    sums = {f"loss {number}": round(float(run.table("log")["loss"].sum()), 6) for number, run in enumerate(trained, 1)}
    for table_name, table in sorted((key, one) for key, one in tables.items() if key not in QUOTIENTS):
        for column in table.select_dtypes(["number", "bool"]).columns.difference(MEASURED):
            sizes = table[column].astype(float).abs()
            sums[f"{table_name}.{column}"] = round(float(sizes[sizes < math.inf].sum()), 9)
    return sums, study


def _close(place: str, one: float, other: float | None) -> bool:
    tolerance = LOSS_TOLERANCE if place.startswith("loss ") else TABLE_TOLERANCE
    return other is not None and math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)


def modules_of(store: RunStore) -> dict[str, str]:
    """The hash of each module of the code behind the runs that a store was asked for, as it was when they were made."""
    found: dict[str, str] = {}
    for run in filter(None, map(store.find, store.asked)):
        found |= run.info["provenance"].get("modules", {})
    return dict(sorted(found.items()))


def changed_modules(record: dict) -> list[str] | None:
    """Modules behind a reference that are no longer what they were; None if its record does not say what they were."""
    if "modules" not in record:
        return None
    now = {}
    for name in record["modules"]:
        with suppress(ValueError):  # it is gone
            now[name] = code_hash(name)
    return [name for name, digest in record["modules"].items() if now.get(name) != digest]


def _briefly(name: str, value: object) -> str:
    """A parameter and its value in a sentence; of a long list its length, as the record has the rest."""
    if value in EVERY.get(name, ()):
        return f"all {name.replace('_', ' ')}"
    values = [
        f"{one:g}" if isinstance(one, float) else f"{one}" for one in (value if isinstance(value, list) else [value])
    ]
    return (
        f"{len(values)} {name.replace('_', ' ')}"
        if len(values) > MOST_NAMED
        else f"{name} = {enumerated(values) or 'none'}"
    )


def describe_reference(name: str, parameters: Parameters) -> str:
    """What the stored reference of a chapter is, beside a run's parameters, and whether its code has changed since."""
    record = stored_record(name)
    known = chapter(name).Parameters.model_fields
    own = {k: v for k, v in record["parameters"].items() if k not in ("live", "preset")}
    different = {k: v for k, v in own.items() if k not in known or getattr(parameters, k) != v}
    changed = "; ".join(_briefly(name, value) for name, value in different.items())
    day = record["provenance"]["created"][:10]
    sentences = [f"The stored reference was computed with {changed or 'the same parameters'} on {day}."]
    sentences.append(protocol_sentence(record, [*chapter(name).CLAIMS, name]))
    if remark := record.get("remark"):
        sentences.append(remark)
    modules = changed_modules(record)
    if modules is None:
        sentences.append(f"It does not say by which code; `stablerep reference {name}` computes it anew.")
    elif modules:
        shown = some_of([f"`{one}`" for one in modules])
        check = f"`stablerep reference {name}` computes it anew"
        if record.get("check"):
            check = f"`stablerep reference {name} --check` tells whether its numbers still hold"
        sentences.append(f"**The code behind it has changed since** ({shown}); {check}.")
    return " ".join(sentences)
