"""What this machine has and lacks for the study, and the command that supplies each."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablerep.study.root import PROJECT
from stablerep.study.store.provenance import PACKAGES, device_name, installed_version, thread_count

INSTALL = "pip install -c constraints.txt -e ."
DATA_FOLDERS = ("cifar10", "fairface64")


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``state`` is ok, missing (the study needs it; ``fix`` is the command that supplies it) or
    note (it can do without)."""

    topic: str
    state: str
    text: str
    fix: str = ""


def diagnosis() -> str:
    """The report on everything, with what the presets cost on this machine."""
    findings = examine()
    if not any(finding.state == "missing" for finding in findings):  # else there may be nothing to measure with
        from stablerep.study.plans.planning import preset_costs
        from stablerep.study.plans.speed import measure_speed
        from stablerep.study.plans.together import default_workers, threads_each

        workers = default_workers()
        costs = preset_costs(measure_speed(threads=threads_each(workers)), workers)
        findings += [Finding(f"preset {name}", "note", text) for name, text in costs]
    return report(findings)


def report(findings: Sequence[Finding]) -> str:
    """The findings as text, one to a line, each followed by the command that supplies what is lacking."""
    width = max(len(finding.topic) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<7}  {finding.topic:<{width}}  {finding.text}")
        if finding.fix:
            lines.append(f"{'':<7}  {'':<{width}}  -> {finding.fix}")
    missing = sum(finding.state == "missing" for finding in findings)
    things = f"{missing} things that the study needs are" if missing > 1 else "1 thing that the study needs is"
    return "\n".join([*lines, "", f"{things} missing." if missing else "Nothing that the study needs is missing."])


def examine() -> list[Finding]:
    """Look at everything and leave it as it was. Without its packages the study cannot look any further."""
    found = [_packages(), _pins()]
    if found[0].state == "ok":
        # torchvision comes before the device: it loads torch, which then knows its accelerator and threads.
        found += [_torchvision(), _device(), _corpus(), _generator(), *_data(), _datasets(), _store()]
    return found


def _packages() -> Finding:
    versions = {name: installed_version(name) for name in PACKAGES}
    if absent := [name for name, version in versions.items() if version is None]:
        return Finding("packages", "missing", f"not installed: {', '.join(absent)}.", INSTALL)
    return Finding("packages", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _pins() -> Finding:
    """What is not installed is of an extra or another platform; a label as in 2.13.0+cpu names the build alone."""
    from packaging.requirements import Requirement

    path = PROJECT / "constraints.txt"
    if not path.is_file():
        return Finding("pins", "note", "there is no constraints.txt beside the library, so versions are not compared.")
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    pins = [(pin, installed_version(pin.name)) for pin in map(Requirement, filter(None, lines))]
    pins = [(pin, version) for pin, version in pins if version]
    if differing := [f"{pin} ({version} is installed)" for pin, version in pins if version not in pin.specifier]:
        return Finding(
            "pins", "note", f"{len(differing)} differ from constraints.txt: {', '.join(differing)}.", INSTALL
        )
    return Finding(
        "pins", "ok", f"all {len(pins)} installed packages that constraints.txt pins have the pinned version."
    )


def _torchvision() -> Finding:
    from stablerep.torchvision_shim import ensure_torchvision_imports

    try:
        ensure_torchvision_imports()
        import torch

        whole = hasattr(torch.ops.torchvision, "roi_align")  # which our shim does not declare
    except Exception as error:  # a broken binary fails in many ways, and the report must go on
        first = next(iter(str(error).strip().splitlines()), "")
        text = f"cannot be imported: {type(error).__name__}: {first}"
        return Finding("torchvision", "missing", text, f"{INSTALL} --force-reinstall")
    text = "works by itself." if whole else "works with operator schemas declared by stablerep.torchvision_shim."
    return Finding("torchvision", "ok", text)


def _device() -> Finding:
    threads = thread_count()
    return Finding("device", "ok", f"{device_name()}, {threads} thread{'s' * (threads != 1)}.")


def _corpus() -> Finding:
    from stablerep.corpus.emoji import DATA, manifest

    fix = "python scripts/build_corpus.py"
    try:
        built = manifest()
        absent = [name for name in built["sha256"] if not (DATA / name).is_file()]
    except (OSError, ValueError, KeyError) as error:
        return Finding("corpus", "missing", f"the embedded emoji cannot be read ({type(error).__name__}).", fix)
    if absent:
        return Finding("corpus", "missing", f"the embedded emoji lack {', '.join(absent)}.", fix)
    text = f"{built['pairs']} embedded pairs: {built['emoji']} emoji in {len(built['icons'])} designs."
    return Finding("corpus", "ok", text)


def _generator() -> Finding:
    from stablerep.generator.folders import EMBEDDED
    from stablerep.study.plans.costs import size
    from stablerep.study.store.folder import file_stats

    if not (EMBEDDED / "model_index.json").is_file():
        return Finding(
            "generator", "missing", "the embedded generator is not there.", "stablerep train-generator FOLDER"
        )
    weight = size(sum(stat.st_size for stat in file_stats(EMBEDDED)))
    return Finding("generator", "ok", f"the embedded generator, {weight}.")


def _data() -> list[Finding]:
    named, fix = os.environ.get("STABLEREP_DATA"), "export STABLEREP_DATA=FOLDER"
    if not named:
        text = f"STABLEREP_DATA is not set; photographs ({', '.join(DATA_FOLDERS)}) are left out."
        return [Finding("data", "note", text, fix)]
    if not (folder := Path(named).expanduser()).is_dir():
        return [Finding("data", "missing", f"STABLEREP_DATA is {named}, which is not a folder.", fix)]
    return [
        Finding(f"data {path.name}", "ok", str(path)) if path.is_dir()
        else Finding(f"data {path.name}", "note", f"not in STABLEREP_DATA ({folder}).", f"ln -s FOLDER {path}")
        for path in (folder / name for name in DATA_FOLDERS)
    ]  # fmt: skip


def _datasets() -> Finding:
    if importlib.util.find_spec("datasets"):
        return Finding("datasets", "ok", f"version {installed_version('datasets')}, for data sets on the Hub.")
    text, fix = "not installed; only data sets on the Hub need it.", "pip install -c constraints.txt -e '.[hub]'"
    return Finding("datasets", "note", text, fix)


def _store() -> Finding:
    from stablerep.study.plans.costs import size
    from stablerep.study.store.runs import RunStore

    store = RunStore()
    nearest = next(folder for folder in (store.root, *store.root.parents) if folder.exists())
    try:
        # Made and removed: permissions alone say nothing of quotas, full disks and file systems that take no folders.
        with tempfile.TemporaryDirectory(prefix=".stablerep-", dir=nearest):
            pass
    except OSError:
        text = f"the run store {store.root} cannot be written."
        return Finding("runs", "missing", text, "export STABLEREP_RUNS=FOLDER")
    runs = store.list()
    complete = int(runs["complete"].sum())
    text = f"{complete} complete, {len(runs) - complete} incomplete, {size(runs['size'].sum())}, in {store.root}."
    return Finding("runs", "ok", text)
