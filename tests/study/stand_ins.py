"""Small things in the place of large ones: a corpus of plain images, a generator of noise, answers whose share is known, a study that trains nothing."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from stablerep.corpus import Corpus
from stablerep.seeding import seed_for
from stablerep.study.experiments.study import Study
from stablerep.study.plans.planning import PlanningStore
from stablerep.study.store.runs import RunStore
from stablerep.tokenizer import Truncation

SIZE = 32  # side of an image of the generator


def plain_corpus(
    captions: int = 12, images: int = 1, *, designs: tuple[str, ...] = (), labels: tuple[str, ...] = ("kind",), people: tuple[str, ...] = (),
    read=lambda: None,
) -> Corpus:  # fmt: skip
    """A corpus with so many captions in each part, and so many ``images`` of each (with ``designs``, one in each); ``read`` is told when
    pixels are read. Images are of one grey, the number of their row."""
    rows = [
        {
            "id": f"{design}/{split}-{c}" if design else f"{split}-{c}-{i}", "caption": f"{split} caption {c}", "split": split,
            "kind": f"kind {c % 3}", "design": design, "gender": ("woman", "man")[c % 2] if split else "",
        }
        for split in ("train", "validation", "test") for c in range(captions) for i, design in enumerate(designs or ("",) * images)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table = table.assign(number=range(len(table)))

    def draw(part: pd.DataFrame, size: int) -> np.ndarray:
        read()
        grey = (part["number"].to_numpy() % 256).astype(np.uint8)
        return np.broadcast_to(grey[:, None, None, None], (len(part), 3, size, size)).copy()

    table = table if designs else table.drop(columns="design")
    return Corpus(
        table, "plain", f"plain{captions}x{images}{len(designs)}", draw, labels=labels, designs=designs, people=people
    )


def items(
    shares: dict[str, float], *, seeds: int = 1, probe: str = "linear subgroup", concepts: int = 40
) -> pd.DataFrame:
    """Two items of each concept; an arm answers the first ``share`` of the concepts rightly."""
    rows = [
        {
            "arm": name, "seed": seed, "views": 1000, "weights": 10, "seconds": 1.0, "probe": probe, "id": f"{c}/{k}",
            "cluster": f"c{c}", "correct": c < share * concepts,
        }
        for name, share in shares.items() for seed in range(seeds) for c in range(concepts) for k in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


class AnsweringStudy(Study):
    """Evaluations without training: accuracy grows with the number of captions. ``asked`` notes every arm, its captions, seed and views."""

    def __init__(self, captions: int = 64, designs: tuple[str, ...] = ("ink", "chalk")) -> None:
        super().__init__(RunStore("unused"))
        self.corpus, self.asked = plain_corpus(captions, designs=designs), []

    def evaluated(self, which, captions, p, seed, *, first=0):
        learnt = captions.first(first).texts if first else captions.texts
        views = 0
        if which.trained:
            recipe = self.recipe(which, p, seed, len(learnt))
            views = recipe.steps * recipe.views_per_step
        self.asked.append(SimpleNamespace(arm=which.name, learnt=learnt, seed=seed, views=views))
        found = items({which.name: 0.2 + len(learnt) / 200}).assign(seed=seed, views=views, captions=len(learnt))
        return SimpleNamespace(items=lambda: found, pretraining=None)


class NotingStore(PlanningStore):
    """A store that computes nothing; ``noted`` has the step, parameters and inputs of every run that was asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.noted: list[SimpleNamespace] = []

    def obtain(self, step, *, parameters, inputs, compute, needs=None):
        self.noted.append(SimpleNamespace(step=step.name, parameters=parameters, inputs=inputs))
        return super().obtain(step, parameters=parameters, inputs=inputs, compute=compute, needs=needs)


class StubGenerator:
    """Draws noise that follows from caption, place and guidance scale; ``made`` counts its images, ``reconstructed`` has what its autoencoder was given."""

    name, fingerprint, precision, resolution = "stub", "stub", "float32", SIZE
    pipeline = SimpleNamespace(vae="the autoencoder")

    def __init__(self) -> None:
        self.made, self.reconstructed = 0, []

    def reconstruct(self, autoencoder, images):
        """A negative, so that what went through is told from what did not; its channels last, as convolutions leave them."""
        assert autoencoder == "the autoencoder"
        self.reconstructed.append(images)
        return (255 - images).contiguous(memory_format=torch.channels_last)

    def truncated(self, captions):
        return Truncation(0, (), 0, len(captions), 77)

    def sample(self, captions, names, sampling):
        self.made += len(names)
        drawn = [np.random.default_rng(seed_for("stub", *name, sampling.guidance_scale)) for name in names]
        images = [rng.integers(0, 256, (3, SIZE, SIZE), np.uint8) for rng in drawn]
        return torch.from_numpy(np.stack(images)), [False] * len(names)


def write_photographs(folder: Path, *, of_each: int = 4) -> Path:
    """Small files in the place of CIFAR-10 and FairFace, in their layout and with their columns; a class is a shade of grey."""
    names = {
        "label": ["cat", "dog", "ship"],
        "race": ["Black", "White"],
        "gender": ["Female", "Male"],
        "age": ["20-29", "30-39"],
    }
    rng = np.random.default_rng(0)
    for corpus, image, labels, parts in (
        ("cifar10", "img", ("label",), ("train", "test")), ("fairface64", "image", ("age", "gender", "race"), ("train", "val")),
    ):  # fmt: skip
        kinds = list(itertools.product(*(range(len(names[label])) for label in labels)))
        features = {label: {"_type": "ClassLabel", "names": names[label]} for label in labels} | {
            image: {"_type": "Image"}
        }
        for part in parts:
            rows = [
                kind
                for kind in kinds
                for _ in range(of_each * (5 if part == "train" else 2) * (3 if len(labels) == 1 else 1))
            ]
            pictures = [rng.integers(0, 60, (12, 12, 3), np.uint8) + np.uint8(40 * sum(row)) for row in rows]
            columns = {image: [{"bytes": _png(one), "path": None} for one in pictures]}
            table = pa.table(columns | {label: [row[k] for row in rows] for k, label in enumerate(labels)})
            path = folder / corpus / f"{part}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path
            )
    return folder


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
