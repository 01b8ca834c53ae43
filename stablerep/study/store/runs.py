"""The run store: a result is named by everything that determines it, computed once, and kept whole.

The folder that ``STABLEREP_RUNS`` names (``runs`` by default) holds::

    <key>/              a complete run: its files, and run.json, which is written last
    .partial/<key>/     a run that is being computed or was cut off; the next attempt goes on in it
    .locks/<key>.lock   held while a process computes or removes the run; freed by the system if that process dies
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import InputError, nearest
from stablerep.study.store import folder as run_folder
from stablerep.study.store.access import writing
from stablerep.study.store.code import combined

if TYPE_CHECKING:
    import pandas as pd

    from stablerep.study.store.step import Step

ACCEPT = "STABLEREP_ACCEPT"
_KEY = re.compile(r"[a-z][a-z0-9_-]*-[0-9a-f]{16}")


@dataclass(frozen=True)
class Run:
    """A complete run."""

    key: str  # its name in the store
    folder: Path  # where its files are; they are never changed
    # the content of run.json: key, step, version, parameters, inputs, code, summary, files, provenance
    info: dict = field(compare=False, repr=False)

    def path(self, name: str) -> Path:
        """The path of a file or folder of the run. Raises ``ValueError`` naming those there are."""
        files = self.info["files"]
        if name not in files and not any(file.startswith(f"{name}/") for file in files):
            raise InputError(f"run {self.key} has no {name!r}; it has {', '.join(sorted(files)) or 'no files'}.")
        return self.folder / name

    def table(self, name: str = "results") -> pd.DataFrame:
        """The table kept as ``<name>.parquet``."""
        import pandas as pd

        return pd.read_parquet(self.path(f"{name}.parquet"))


class RunStore:
    """Runs by key in one folder, safe for several processes at once. Nothing is written before a run is asked for.

    ``accept`` names steps, or keys of runs (which may be shortened), whose runs serve although their code has changed
    since; by default those that ``STABLEREP_ACCEPT`` names, separated by commas.
    """

    def __init__(self, root: Path | str | None = None, *, accept: Sequence[str] | None = None):
        self.root = Path(root or os.environ.get("STABLEREP_RUNS") or "runs").expanduser().absolute()
        self.waits = True  # for a run that another process is computing; else BusyError is raised
        self.announces = True  # says of each run that it is being computed
        self.accept = tuple(os.environ.get(ACCEPT, "").replace(",", " ").split() if accept is None else accept)
        self.asked: list[str] = []  # keys of the runs that were given, in the order of the first asking
        self.accepted: list[str] = []  # of these, those of earlier code
        self._uses: list[list[str]] = []  # of the runs that are being computed now, each within the one before

    def identity(self, step: Step, parameters: dict, inputs: dict[str, str]) -> dict:
        """What names a run: its ``key``, and what the key hashes (:func:`stablerep.study.store.folder.identify`).

        Args:
            parameters: JSON values. Tuples count as lists and 2.0 as 2; the order of names does not matter.
            inputs: hash or key by name for everything the step reads.

        Raises:
            ValueError: a name or value that JSON does not have, such as NaN; the parameter is named.
        """
        modules = step.modules(parameters)
        return run_folder.identify(step.name, step.version, parameters, inputs, combined(modules) if modules else None)

    def key(self, step: Step, *, parameters: dict, inputs: dict[str, str]) -> str:
        """The key of a run, ``<step>-<16 hexadecimal digits>``; see :meth:`identity`."""
        return self.identity(step, parameters, inputs)["key"]

    def find(self, key: str) -> Run | None:
        """The complete run of that key, or of the only key that starts so (``InputError`` if several do), or None."""
        if run := self._complete(key):
            return run
        matches = self._matching(key)
        return self._complete(matches[0]) if matches else None

    def find_like(self, identity: dict) -> Run | None:
        """The run of an identity, or the latest one of earlier code that :attr:`accept` names."""
        if run := self._complete(identity["key"]):
            return run
        step = identity["step"]
        accept = tuple(name for name in self.accept if name.startswith(step))
        earlier = []
        for key in self._names() if accept else ():
            run = self._complete(key) if key.startswith(f"{step}-") and key.startswith(accept) else None
            if run and all(run.info.get(name) == identity[name] for name in run_folder.IDENTITY if name != "code"):
                earlier.append(run)
        if not earlier:
            return None
        # By key, which is a hash, arms that are compared would be of this code or that by chance.
        run = max(earlier, key=lambda one: (one.info["provenance"]["created"], one.key))
        if run.key not in self.accepted:
            self.accepted.append(run.key)
        return run

    def check_accept(self) -> None:
        """Raises ``InputError`` for a name in :attr:`accept` by which no run here can be taken; an empty store has none to name."""
        keys = self._names()
        steps = sorted({key[:-17] for key in keys})
        for name in self.accept if keys else ():
            if name not in steps and not any(name.startswith(f"{key[:-17]}-") and key.startswith(name) for key in keys):
                said = nearest(name, steps) or f"there are runs of {', '.join(steps)}."
                raise InputError(f"{name!r} is to be accepted, but is neither the step nor the key of a run; {said}")

    def obtain(
        self, step: Step, *, parameters: dict, inputs: dict[str, str], compute: Callable[[Path], dict | None],
        needs: Callable[[], object] | None = None,
    ) -> Run:  # fmt: skip
        """The run of these parameters and of the code that its step can call: found, awaited, or computed here.

        Args:
            compute: called with a working folder, which it fills; returns the ``info["summary"]``, JSON values.
                The folder outlives a computation that fails or is killed: the next attempt finds there what was left.
                Hidden files and ``checkpoint*.pt`` serve only that and are deleted at the end.
            needs: called before that; asks for the runs that ``compute`` reads, so that a plan can list them.

        Raises:
            ValueError: parameters or summary are not JSON values, or the step wrote ``run.json`` or a link.
            OSError: the store is read-only or full.
        """
        identity = self.identity(step, parameters, inputs)
        found = self.find_like(identity)
        key = found.key if found else identity["key"]
        for keys in (self.asked, *self._uses[-1:]):
            if key not in keys:
                keys.append(key)
        if found:
            return found
        self._uses.append(uses := [])
        try:
            if needs:
                needs()
            if step.announced and self.announces:  # what follows may be silent for many seconds
                what = step.describe(identity["parameters"])
                print(f"{step.name}: {what}" if what else step.name, file=sys.stderr, flush=True)
            return self._computed(identity, compute, {"uses": uses} | step.about(identity["parameters"], inputs))
        finally:
            self._uses.pop()

    def _computed(self, identity: dict, compute: Callable[[Path], dict | None], about: dict) -> Run:
        """A run that was not there."""
        key = identity["key"]
        with writing(self.root, key, wait=self.waits):
            if run := self._complete(key):
                return run
            folder = run_folder.working_folder(self.root / key, self.root / ".partial" / key)
            # A process that dies between writing run.json and renaming leaves a whole run that only needs its name.
            info = run_folder.read_record(folder, key)
            if info is None or run_folder.damaged_files(folder, info["files"], by_content=True):
                (folder / run_folder.RECORD).unlink(missing_ok=True)
                run_folder.fill(folder, identity, compute, about)
            run_folder.drop_resume_files(folder)
            os.replace(folder, self.root / key)
            run_folder.sync(self.root)
            return Run(key, self.root / key, run_folder.read_record(self.root / key, key))

    def list(self) -> pd.DataFrame:
        """A row a run, oldest first: ``key``, ``step``, ``created`` (ISO, UTC; empty while incomplete), ``seconds``
        spent, ``size`` in bytes, ``complete``, and ``what`` it is in words. Runs that were cut off or damaged are listed as incomplete."""
        import pandas as pd

        rows = []
        for key in self._names():
            run, partial = self._complete(key), self.root / ".partial" / key
            spent = sum(attempt["seconds"] for attempt in run_folder.read_attempts(partial))
            made = run.info["provenance"] if run else {"created": "", "seconds": spent}
            size = sum(stat.st_size for top in (self.root / key, partial) for stat in run_folder.file_stats(top))
            rows.append(
                [key, key[:-17], made["created"], float(made["seconds"]), size, run is not None, made.get("what", "")]
            )
        table = pd.DataFrame(rows, columns=["key", "step", "created", "seconds", "size", "complete", "what"])
        return table.sort_values(["complete", "created", "key"], ascending=[False, True, True], ignore_index=True)

    def records(self) -> Iterator[dict]:
        """``info`` of every complete run; the files are not looked at."""
        for key in self._names():
            if info := run_folder.read_record(self.root / key, key):
                yield info

    def verify(self, key: str) -> list[str]:
        """What is wrong with a run, by the checksums of its files, in sentences; none if it is whole.

        Raises ``ValueError`` with the nearest name where there is no run, or several, of that name.
        """
        key = self._resolve(key)
        folder = self.root / key
        if not folder.is_dir():
            return ["The run is not complete: it is being computed or was cut off."]
        if (info := run_folder.read_record(folder, key)) is None:
            return [f"{run_folder.RECORD} is missing, damaged or that of another run."]
        damaged = run_folder.damaged_files(folder, info["files"], by_content=True)
        extra = sorted(set(run_folder.file_names(folder)) - set(info["files"]) - {run_folder.RECORD})
        return [*damaged.values(), *(f"{name} is not part of the run." for name in extra)]

    def remove(self, key: str) -> None:
        """Delete a run, or what is left of one that was cut off.

        Raises ``ValueError`` as :meth:`verify` does, and as :func:`writing` does where it may not be written.
        """
        key = self._resolve(key)
        with writing(self.root, key, wait=False):
            # first, so that half a removal is never taken for a run
            (self.root / key / run_folder.RECORD).unlink(missing_ok=True)
            for folder in (self.root / key, self.root / ".partial" / key):
                if folder.is_dir():
                    shutil.rmtree(folder)

    def _complete(self, key: str) -> Run | None:
        folder = self.root / key
        info = run_folder.read_record(folder, key) if _KEY.fullmatch(key) else None
        if info is None or run_folder.damaged_files(folder, info["files"], by_content=False):
            return None
        return Run(key, folder, info)

    def _names(self) -> list[str]:
        tops = [top for top in (self.root, self.root / ".partial") if top.is_dir()]
        return sorted({p.name for top in tops for p in top.iterdir() if _KEY.fullmatch(p.name) and p.is_dir()})

    def _matching(self, key: str) -> list[str]:
        names = self._names()
        matches = [key] if key in names else [name for name in names if key and name.startswith(key)]
        if len(matches) > 1:
            several = f"{len(matches)} runs ({', '.join(matches[:5])})"
            raise InputError(f"{key!r} is the beginning of {several}; give more of the key.")
        return matches

    def _resolve(self, key: str) -> str:
        if matches := self._matching(key):
            return matches[0]
        near = difflib.get_close_matches(key, self._names(), n=1, cutoff=0.0)
        raise InputError(f"there is no run {key!r}; {f'the nearest is {near[0]}' if near else 'the store is empty'}.")
