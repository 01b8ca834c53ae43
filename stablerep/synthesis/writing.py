"""Making a synthetic set: batch by batch, shard by shard, resumable, shared by any number of workers."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import time
from pathlib import Path

import numpy as np

from stablerep.checkpoint import save_table, written_aside
from stablerep.errors import InputError
from stablerep.generator import Generator
from stablerep.synthesis.plan import SynthesisPlan
from stablerep.synthesis.reading import SyntheticSet, shard_name, shard_problem


def synthesize(plan: SynthesisPlan, generator: Generator, folder: Path, *, progress: bool = True) -> SyntheticSet:
    """Make a synthetic set in ``folder``, or finish one that was cut, or mend one that was damaged.

    Each finished batch is kept until its shard is whole, so a killed run resumes at the next batch of whole captions; the
    shards are byte for byte those of an uninterrupted run. Shards whose checksum differs are made again. Several
    processes may work on one folder: each takes shards that nobody holds. The folder is claimed for a plan and a generator by the
    first batch that is finished, so a generator that cannot draw leaves it free for the right one.

    Captions that the generator does not read to their ends are counted at the start and said in one line.

    Returns:
        The set; with other workers still busy, this returns when they are done too.

    Raises:
        InputError: the folder holds a set of another plan or generator, or a caption is empty.
        FailedError: an image is not finite.
    """
    from filelock import FileLock
    from tqdm import tqdm

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not _claimed(folder, plan, generator) and progress:
        generator.truncated(plan.captions).say()
    waiting = [shard for shard in range(plan.shards) if shard_problem(folder, shard)]
    images = sum(len(plan.shard_range(s)) for s in range(plan.shards) if s not in waiting) * plan.images_per_caption
    with tqdm(
        total=plan.total, initial=images, desc="synthesis", unit="img", mininterval=2, ncols=100, disable=not progress
    ) as bar:
        _make_shards(plan, generator, folder, waiting, bar)
    with FileLock(folder / ".index.lock"):
        if not (folder / "index.parquet").exists() or not (folder / "set.json").exists():
            _write_index(plan, folder)
    shutil.rmtree(folder / ".batches", ignore_errors=True)
    return SyntheticSet(folder)


def _make_shards(plan: SynthesisPlan, generator: Generator, folder: Path, waiting: list[int], bar) -> None:
    """Make those of the waiting shards that nobody holds, until none is waiting any more."""
    from filelock import FileLock, Timeout

    while waiting:
        taken = False
        for shard in list(waiting):
            try:
                with FileLock(folder / f".{shard_name(shard)}.lock", timeout=0):
                    if shard_problem(folder, shard):  # another worker may have made it meanwhile
                        _make_shard(plan, generator, folder, shard, bar)
                    waiting.remove(shard)
                    taken = True
            except Timeout:
                continue
        if waiting and not taken:
            time.sleep(0.5)  # others hold all that is left


def _claimed(folder: Path, plan: SynthesisPlan, generator: Generator) -> bool:
    """Whether the folder is already that of this plan and generator. Raises ``InputError`` when it is that of others."""
    path = folder / "plan.json"
    if not path.exists():
        return False
    there, content = json.loads(path.read_text()), _description(plan, generator)
    if names := sorted(k for k in there | content if there.get(k) != content.get(k) and k != "generator_name"):
        said = [f"{k} {there.get(k, 'none')} instead of {content.get(k, 'none')}" for k in names if k != "plan"]
        what = ", ".join(said) or "other captions"
        raise InputError(f"{folder} holds a set made with {what}; choose another folder or remove it.")
    return True


def _claim(folder: Path, plan: SynthesisPlan, generator: Generator) -> None:
    """Write the plan into an empty folder; refuse a folder of another plan."""
    from filelock import FileLock

    with FileLock(folder / ".plan.lock"):
        if not _claimed(folder, plan, generator):
            with written_aside(folder / "plan.json") as aside:
                aside.write_text(json.dumps(_description(plan, generator), indent=1))


def _description(plan: SynthesisPlan, generator: Generator) -> dict:
    """What is stored of a plan and its generator: everything that determines the images, and no path."""
    name = Path(generator.name).name if Path(generator.name).exists() else generator.name
    return {
        **plan.parameters, "plan": plan.fingerprint, "generator": generator.fingerprint, "generator_name": name,
        "precision": generator.precision, "resolution": generator.resolution,
    }  # fmt: skip


def _make_shard(plan: SynthesisPlan, generator: Generator, folder: Path, shard: int, bar) -> None:
    kept = folder / ".batches"
    made, flagged = {}, {}
    for batch in plan.batches(shard):
        path = kept / f"{shard_name(shard)}-{batch.number:05d}.npz"
        stored = _read_batch(path)
        if stored is None:
            captions = [plan.caption(c) for c, _ in batch.items]
            names = [(plan.seed, caption, i) for caption, (_, i) in zip(captions, batch.items)]
            images, flags = generator.sample(captions, names, plan.sampling)
            stored = images.numpy(), np.array(flags, bool)
            _claim(folder, plan, generator)
            with written_aside(path) as aside, open(aside, "wb") as file:
                np.savez(file, images=stored[0], flags=stored[1])
        for item, image, flag in zip(batch.items, *stored):
            made[item], flagged[item] = image, bool(flag)
        bar.update(len(batch.items))
    name = shard_name(shard)
    with written_aside(folder / f"{name}.tar") as aside:
        _write_tar(plan, shard, made, flagged, aside)
        digest = hashlib.sha256(aside.read_bytes()).hexdigest()
    about = {
        "sha256": digest,
        "captions": len(plan.shard_range(shard)),
        "images": sum(not f for f in flagged.values()),
        "flagged": sum(flagged.values()),
    }
    with written_aside(folder / f"{name}.json") as aside:
        aside.write_text(json.dumps(about))
    for path in kept.glob(f"{name}-*.npz"):
        path.unlink(missing_ok=True)  # another worker that finds everything done removes the folder


def _read_batch(path: Path):
    """Images and flags of a finished batch, or None."""
    import zipfile

    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            return stored["images"], stored["flags"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write_tar(plan: SynthesisPlan, shard: int, made: dict, flagged: dict, path: Path) -> None:
    """A webdataset shard: one sample per caption with ``KEY.0.png``, ``KEY.1.png``, ... and ``KEY.json``; no times, no owners."""
    from PIL import Image

    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:

        def add(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            tar.addfile(entry, io.BytesIO(content))

        for c in plan.shard_range(shard):
            indices = [i for i in range(plan.images_per_caption) if not flagged[c, i]]
            for i in indices:
                png = io.BytesIO()
                Image.fromarray(made[c, i].transpose(1, 2, 0)).save(png, "PNG", compress_level=6)
                add(f"{c:09d}.{i}.png", png.getvalue())
            about = {"caption": plan.caption(c), "caption_id": c, "images": indices, "seed": plan.seed}
            about["flagged"] = plan.images_per_caption - len(indices)
            add(f"{c:09d}.json", json.dumps(about, ensure_ascii=False).encode())


def _write_index(plan: SynthesisPlan, folder: Path) -> None:
    """``index.parquet`` (a row per caption: shard, key, images, flagged) and ``set.json`` (totals)."""
    import pandas as pd

    rows = []
    for shard in range(plan.shards):
        with tarfile.open(folder / f"{shard_name(shard)}.tar") as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    about = json.loads(tar.extractfile(member).read())
                    rows.append({
                        "caption_id": about["caption_id"], "caption": about["caption"], "shard": f"{shard_name(shard)}.tar",
                        "key": f"{about['caption_id']:09d}", "images": len(about["images"]), "flagged": about["flagged"],
                    })  # fmt: skip
    table = pd.DataFrame(rows)
    save_table(folder / "index.parquet", table)
    totals = {"captions": len(table), "images": int(table["images"].sum()), "flagged": int(table["flagged"].sum())}
    with written_aside(folder / "set.json") as aside:
        aside.write_text(json.dumps(totals))
