"""What this machine has and lacks for the study: versions, device, data, models, and the command that supplies each."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablerep.errors import InputError
from stablerep.study.root import PROJECT
from stablerep.study.store.folder import file_stats
from stablerep.study.store.provenance import PACKAGES, device_name, installed_version, thread_count

STATES = ("ok", "missing", "note")
INSTALL = "pip install -c constraints.txt -e ."
DATA_FOLDERS = ("cifar10", "fairface64")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``missing`` is something the study needs, ``note`` something it can do without."""

    topic: str
    state: str
    text: str
    fix: str = ""  # the command that supplies it

    def __post_init__(self):
        if self.state not in STATES:
            raise InputError(f"state is {self.state!r}; valid states are {', '.join(STATES)}.")
        if self.state == "missing" and not self.fix:
            raise InputError(
                f"the finding on {self.topic!r} is missing something and must name the command that fixes it."
            )


def examine(costs: Sequence[tuple[str, str]] = ()) -> list[Finding]:
    """Look at everything and leave it as it was. ``costs`` are presets and what each costs on this machine, in a sentence."""
    # torchvision comes before the device: it loads torch, which then knows its accelerator and threads.
    torchvision = _torchvision()
    return [
        *_versions(), *torchvision, *_device(), *(Finding(f"preset {name}", "note", text) for name, text in costs),
        *_corpus(), *_generator(), *_data(), *_tools(), *_store(), *_cache(),
    ]  # fmt: skip


def report(costs: Sequence[tuple[str, str]] = ()) -> str:
    """The findings as text, one to a line, each followed by the command that supplies what is lacking."""
    findings = examine(costs)
    width = max(len(finding.topic) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<7}  {finding.topic:<{width}}  {finding.text}")
        if finding.fix:
            lines.append(f"{'':<7}  {'':<{width}}  -> {finding.fix}")
    missing = sum(finding.state == "missing" for finding in findings)
    things = f"{missing} things that the study needs are" if missing > 1 else "1 thing that the study needs is"
    return "\n".join([*lines, "", f"{things} missing." if missing else "Nothing that the study needs is missing."])


def measure_speed(seconds: float = 2.0) -> dict:
    """Speed of float32 matrix multiplication where training would run: ``device``, ``gflops`` (median), ``repeats``.

    Raises:
        ValueError: ``seconds`` is not a positive number.
    """
    if not seconds > 0 or math.isinf(seconds):
        raise InputError(f"seconds is {seconds!r}; it must be a positive number.")
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 4096 if device == "cuda" else 1024
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(0)).to(device)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 4 or time.perf_counter() < end:
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    times = times[1:]  # the first one warms up
    return {"device": device, "gflops": 2 * size**3 / statistics.median(times) / 1e9, "repeats": len(times)}


def read_pins(path: Path) -> dict[str, str]:
    """Version by package from the ``name==version`` lines of a constraints file."""
    lines = (line.split("#")[0].split(";")[0].strip() for line in Path(path).read_text().splitlines())
    pairs = (line.split("==", 1) for line in lines if "==" in line)
    return {name.split("[")[0].strip(): version.strip() for name, version in pairs}


def _versions() -> list[Finding]:
    versions = {name: installed_version(name) for name in PACKAGES}
    absent = [name for name, version in versions.items() if version is None]
    found = [Finding("packages", "ok", ", ".join(f"{name} {version}" for name, version in versions.items() if version))]
    if absent:
        found.append(Finding("packages", "missing", f"not installed: {', '.join(absent)}.", INSTALL))
    path = PROJECT / "constraints.txt"
    if not path.is_file():
        text = "there is no constraints.txt beside the library, so versions are not compared."
        return [*found, Finding("pins", "note", text)]
    # What is not installed is of an extra or of another platform; what the study itself needs is told above.
    pinned = {name: (installed_version(name), pin) for name, pin in read_pins(path).items()}
    pinned = {name: pair for name, pair in pinned.items() if pair[0] is not None}
    if differing := [f"{name} {one} (pinned {pin})" for name, (one, pin) in pinned.items() if not _agrees(one, pin)]:
        text = f"{len(differing)} differ from constraints.txt: {', '.join(differing)}."
        return [*found, Finding("pins", "note", text, INSTALL)]
    text = f"all {len(pinned)} installed packages that constraints.txt pins have the pinned version."
    return [*found, Finding("pins", "ok", text)]


def _agrees(version: str, pin: str) -> bool:
    """A local label such as +cpu names the build, not the version, unless the pin asks for one."""
    return version == pin or ("+" not in pin and version.split("+")[0] == pin)


def _torchvision() -> list[Finding]:
    from stablerep import torchvision_shim

    if installed_version("torch") is None or installed_version("torchvision") is None:
        return []  # told under packages
    try:
        torchvision_shim.ensure_torchvision_imports()
    except Exception as error:  # a broken binary fails in many ways, and the report must go on
        first = str(error).strip().splitlines()[:1]
        text = f"cannot be imported: {type(error).__name__}: {''.join(first)}"
        return [Finding("torchvision", "missing", text, f"{INSTALL} --force-reinstall")]
    helped = torchvision_shim._library is not None
    text = "works with operator schemas declared by stablerep.torchvision_shim." if helped else "works by itself."
    return [Finding("torchvision", "ok", text)]


def _device() -> list[Finding]:
    threads = thread_count()
    return [Finding("device", "ok", f"{device_name()}, {threads} thread{'s' * (threads != 1)}.")]


def _corpus() -> list[Finding]:
    from stablerep.corpus.emoji import DATA, manifest

    fix = "python scripts/build_corpus.py"
    try:
        built = manifest()
        absent = [name for name in built["sha256"] if not (DATA / name).is_file()]
    except (OSError, ValueError, KeyError) as error:
        return [Finding("corpus", "missing", f"the embedded emoji cannot be read ({type(error).__name__}).", fix)]
    if absent:
        return [Finding("corpus", "missing", f"the embedded emoji lack {', '.join(absent)}.", fix)]
    text = f"{built['pairs']} embedded pairs: {built['emoji']} emoji in {len(built['icons'])} designs."
    return [Finding("corpus", "ok", text)]


def _generator() -> list[Finding]:
    import stablerep

    folder = Path(stablerep.__file__).parent / "generator" / "emoji_diffusion"
    if not (folder / "model_index.json").is_file():
        return [Finding("generator", "missing", "the embedded generator is not there.", "stablerep train-generator")]
    size = sum(stat.st_size for stat in file_stats(folder))
    return [Finding("generator", "ok", f"the embedded generator, {_megabytes(size)}.")]


def _data() -> list[Finding]:
    named, fix = os.environ.get("STABLEREP_DATA"), "export STABLEREP_DATA=FOLDER"
    if not named:
        text = f"STABLEREP_DATA is not set; photographs ({', '.join(DATA_FOLDERS)}) are left out."
        return [Finding("data", "note", text, fix)]
    folder = Path(named).expanduser()
    if not folder.is_dir():
        return [Finding("data", "missing", f"STABLEREP_DATA is {named}, which is not a folder.", fix)]
    there = {name: (folder / name).is_dir() for name in DATA_FOLDERS}
    return [
        Finding(f"data {name}", "ok", f"{folder / name}") if present
        else Finding(f"data {name}", "note", f"not in STABLEREP_DATA ({folder}).", f"ln -s FOLDER {folder / name}")
        for name, present in there.items()
    ]  # fmt: skip


def _tools() -> list[Finding]:
    hub = importlib.util.find_spec("datasets")
    browser = next(filter(shutil.which, BROWSERS), None)
    return [
        Finding("datasets", "ok", f"version {installed_version('datasets')}, for data sets on the Hub.") if hub
        else Finding("datasets", "note", "not installed; only data sets on the Hub need it.", "pip install -c constraints.txt -e '.[hub]'"),
        Finding("browser", "ok", f"{browser}, for the test that opens the book.") if browser
        else Finding("browser", "note", "no chromium; only the test that opens the book needs it.", "apt-get install chromium"),
    ]  # fmt: skip


def _store() -> list[Finding]:
    from stablerep.study.store.runs import RunStore

    store = RunStore()
    nearest = next(folder for folder in (store.root, *store.root.parents) if folder.exists())
    try:
        # Made and removed: permissions alone say nothing of quotas, full disks and file systems that take no folders.
        with tempfile.TemporaryDirectory(prefix=".stablerep-", dir=nearest):
            pass
    except OSError:
        text = f"the run store {store.root} cannot be written."
        return [Finding("runs", "missing", text, "export STABLEREP_RUNS=FOLDER")]
    runs = store.list()
    complete = int(runs["complete"].sum())
    text = f"{complete} complete, {len(runs) - complete} incomplete, {_megabytes(runs['size'].sum())}, in {store.root}."
    return [Finding("runs", "ok", text)]


def _cache() -> list[Finding]:
    from stablerep.corpus.drawing import cache_folder

    folder = cache_folder()
    sizes = [s.st_size for s in file_stats(folder)]
    if not sizes:
        return [Finding("drawn images", "note", f"none yet in {folder}; they are drawn on first use.")]
    return [Finding("drawn images", "ok", f"{_megabytes(sum(sizes))} in {folder}.")]


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
