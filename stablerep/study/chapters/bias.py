"""Bias: whom neutral captions show, against the labels of the corpus, and how encoders do by skin tone and gender."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.study.chapters.corpus import TONES
from stablerep.study.experiments.study import SIZE, Study, arm
from stablerep.study.parameters.base import BiasParameters
from stablerep.study.store.runs import Run

READING_VERSION, GROUPS_VERSION = 2, 2
READER = "StableRep real designs"
COMPARED = ("SimCLR real", "SimCLR synthetic", "StableRep synthetic", "StableRep real designs")
ATTRIBUTES = {"gender": ("woman", "man", "person"), "tone": TONES}


def ask(p: BiasParameters, study: Study) -> tuple[Run, dict[str, pd.DataFrame]]:
    """Ask for every run of the chapter: the reading of neutral images, and per-item results on people by arm."""
    captions = study.captions(p.captions)
    people = people_of(study.corpus.where(study.corpus.table["design"].isin(p.probe_designs)))
    reader = study.pretrained(arm(READER), study.arm_images(arm(READER), captions, p, p.seed), p, p.seed)
    reading = study.store.obtain(
        "reading",
        version=READING_VERSION,
        parameters=p.model_dump(include=set(_READ)),
        inputs={
            "reader": reader.key,
            "generator": study.generator_fingerprint(p.generator),
            "corpus": people.fingerprint,
        },
        needs=lambda: [_made(p, study, neutral_captions(people, p.neutral_captions), w) for w in p.guidance_scales],
        compute=lambda folder: _read(p, study, people, reader, folder),
    )
    items = {}
    for name in COMPARED:
        parts = []
        for seed in range(p.seed, p.seed + p.seeds):
            run = study.pretrained(arm(name), study.arm_images(arm(name), captions, p, seed), p, seed)
            parts.append(study.store.obtain(
                "people",
                version=GROUPS_VERSION,
                parameters={"size": SIZE},
                inputs={"encoder": run.key, "corpus": people.fingerprint},
                compute=lambda folder, run=run: _people_items(people, run, folder),
            ).table())  # fmt: skip
        items[name] = pd.concat(parts, ignore_index=True)
    return reading, items


def compute(p: BiasParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Tables: ``shares`` (predicted and corrected, by w, with labels and balance), ``confusion`` of the reader on held-out real
    people, ``groups`` (accuracy of real- and synthetic-trained encoders by tone and gender)."""
    reading, items = ask(p, study)
    return {name: reading.table(name) for name in ("shares", "confusion")} | {"groups": _groups(items, p.seed)}


def _made(p: BiasParameters, study: Study, captions: list[str], w: float) -> CaptionedImages:
    return study.synthetic_images(
        captions, images_per_caption=p.images_per_neutral_caption, guidance_scale=w, generator=p.generator,
        sampling_steps=p.sampling_steps, sampler=p.sampler, seed=p.seed,
    )  # fmt: skip


_READ = (
    "guidance_scales", "neutral_captions", "images_per_neutral_caption", "sampling_steps", "sampler", "seed", "probe_designs",
)  # fmt: skip


def people_of(corpus: Corpus) -> Corpus:
    """Emoji that show persons, with ``tone`` as a word."""
    shown = corpus.table["subgroup"].str.startswith("person") & (corpus.table["gender"] != "")
    return corpus.where(shown.to_numpy())


def neutral_captions(people: Corpus, count: int) -> list[str]:
    """Training captions of people that name neither gender nor tone, and whose concept is also drawn with both."""
    table = people.table[people.table["split"] == "train"]
    rich = table.groupby("concept").agg(genders=("gender", "nunique"), tones=("tone", "nunique"))
    rich = rich[(rich["genders"] == 3) & (rich["tones"] == 6)].index
    plain = table[(table["gender"] == "person") & (table["tone"] == "none") & table["concept"].isin(rich)]
    captions = sorted(plain["caption"].unique(), key=lambda c: (len(c), c))
    return captions[:count]


def confusion_shares(truth, predicted, classes) -> np.ndarray:
    """P(predicted | truth) as a matrix [truth, predicted]; a class without items is taken as read without error."""
    table = pd.crosstab(pd.Categorical(truth, classes), pd.Categorical(predicted, classes), dropna=False).to_numpy(
        float
    )
    return row_shares(table)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Each row of a square table of counts as shares; an empty row becomes that of the identity."""
    total = counts.sum(1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), np.eye(len(counts)))


def correct_shares(observed: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Shares x >= 0 with sum 1 that a reader of this confusion would report as ``observed``: least squares of x @ confusion.

    The adjusted classify-and-count estimator (Forman 2008), kept on the simplex.
    """
    from scipy.optimize import nnls

    heavy = 1e3  # weight of the constraint that shares sum to one
    system = np.vstack([confusion.T, heavy * np.ones(len(confusion))])
    solution, _ = nnls(system, np.append(observed, heavy))
    return solution / solution.sum()


def _read(p: BiasParameters, study: Study, people: Corpus, reader, folder: Path) -> dict:
    from stablerep.encoders import extract_features
    from stablerep.probes import linear_probe
    from stablerep.training import load_backbone

    backbone = load_backbone(reader.folder)
    captions = neutral_captions(people, p.neutral_captions)
    features = extract_features(backbone, people.images(SIZE))
    place = {split: (people.table["split"] == split).to_numpy(copy=True) for split in ("train", "validation", "test")}
    parts = {split: features[mask] for split, mask in place.items()}
    made = {}
    for w in p.guidance_scales:
        images = _made(p, study, captions, w)
        made[w] = extract_features(backbone, images.images), images.caption_ids.numpy()
    shares, confusions = [], []
    concepts = set(people.table[people.table["caption"].isin(captions)]["concept"])
    labelled = people.table[(people.table["split"] == "train") & people.table["concept"].isin(concepts)]
    for attribute, classes in ATTRIBUTES.items():
        labels = {split: people.table[attribute][mask].tolist() for split, mask in place.items()}
        # one probe reads the held-out real people (for its confusion) and all generated images
        asked = torch.cat([parts["test"], *(features for features, _ in made.values())])
        unknown = [""] * (len(asked) - len(parts["test"]))
        answers = linear_probe({**parts, "test": asked}, {**labels, "test": labels["test"] + unknown})
        tested, start = answers.iloc[: len(parts["test"])], len(parts["test"])
        clusters = people.table["concept"][place["test"]].to_numpy()
        matrix = confusion_shares(tested["truth"], tested["prediction"], classes)
        for i, j in np.ndindex(matrix.shape):
            confusions.append(
                {"attribute": attribute, "truth": classes[i], "prediction": classes[j], "share": matrix[i, j]}
            )
        for label, share in labelled[attribute].value_counts(normalize=True).reindex(classes, fill_value=0).items():
            shares.append(_row(attribute, "training images of the concepts", np.nan, label, share))
            shares.append(_row(attribute, "balance", np.nan, label, 1 / len(classes)))
        for w, (_, caption_ids) in made.items():
            read = answers["prediction"].iloc[start : start + len(caption_ids)].to_numpy()
            start += len(caption_ids)
            draws = _share_draws(read, caption_ids, tested, clusters, classes, seed=p.seed)
            counted = pd.Series(read).value_counts(normalize=True).reindex(classes, fill_value=0).to_numpy()
            fixed = correct_shares(counted, matrix)
            for k, label in enumerate(classes):
                low, high = np.quantile(draws[0][:, k], [0.025, 0.975])
                shares.append(_row(attribute, "generated, as read", w, label, counted[k], low, high))
                low, high = np.quantile(draws[1][:, k], [0.025, 0.975])
                shares.append(_row(attribute, "generated, corrected", w, label, fixed[k], low, high))
    pd.DataFrame(shares).to_parquet(folder / "shares.parquet", index=False)
    pd.DataFrame(confusions).to_parquet(folder / "confusion.parquet", index=False)
    return {"captions": len(captions)}


def _row(
    attribute: str, source: str, w: float, label: str, share: float, low: float = np.nan, high: float = np.nan
) -> dict:
    return {
        "attribute": attribute, "source": source, "guidance_scale": w, "label": label, "share": float(share),
        "low": float(low), "high": float(high),
    }  # fmt: skip


def _share_draws(read, caption_ids, tested: pd.DataFrame, clusters, classes, *, seed: int, draws: int = 300):
    """Bootstrap of read and corrected shares: captions are resampled, and so are the test concepts behind the confusion.

    Both come from counts per cluster, so that each draw is a product of multinomial weights with a table of counts.
    """
    rng = np.random.default_rng(seed)
    n, cells = len(classes), [f"{a}/{b}" for a in classes for b in classes]
    by_caption = pd.crosstab(caption_ids, pd.Categorical(read, classes), dropna=False).to_numpy(float)
    pair = tested["truth"].astype(str) + "/" + tested["prediction"].astype(str)
    by_concept = pd.crosstab(clusters, pd.Categorical(pair, cells), dropna=False).to_numpy(float)
    seen, fixed = [], []
    for _ in range(draws):
        counts = rng.multinomial(len(by_caption), np.full(len(by_caption), 1 / len(by_caption))) @ by_caption
        table = (rng.multinomial(len(by_concept), np.full(len(by_concept), 1 / len(by_concept))) @ by_concept).reshape(
            n, n
        )
        seen.append(counts / counts.sum())
        fixed.append(correct_shares(seen[-1], row_shares(table)))
    return np.array(seen), np.array(fixed)


def _groups(results: dict[str, pd.DataFrame], seed: int) -> pd.DataFrame:
    """Accuracy of a linear probe for the subgroup of held-out people, by tone and by gender (fairlearn ``MetricFrame``)."""
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import accuracy_score

    rows = []
    for name, items in results.items():
        for attribute in ATTRIBUTES:
            frame = MetricFrame(
                metrics=accuracy_score, y_true=items["truth"], y_pred=items["prediction"], sensitive_features=items[attribute],
                n_boot=300, ci_quantiles=[0.025, 0.975], random_state=seed,
            )  # fmt: skip
            low, high = frame.by_group_ci
            for label in frame.by_group.index:
                rows.append({
                    "arm": name, "attribute": attribute, "label": label, "accuracy": float(frame.by_group[label]),
                    "low": float(low[label]), "high": float(high[label]), "items": int((items[attribute] == label).sum()),
                })  # fmt: skip
    return pd.DataFrame(rows)


def _people_items(people: Corpus, run, folder: Path) -> dict:
    from stablerep.encoders import extract_features
    from stablerep.probes import linear_probe
    from stablerep.training import load_backbone

    features = extract_features(load_backbone(run.folder), people.images(SIZE))
    place = {split: (people.table["split"] == split).to_numpy(copy=True) for split in ("train", "validation", "test")}
    found = linear_probe(
        {split: features[mask] for split, mask in place.items()},
        {split: people.table["subgroup"][mask].tolist() for split, mask in place.items()},
    )
    about = people.table[place["test"]].reset_index(drop=True)[["id", "concept", "tone", "gender"]]
    about.join(found).to_parquet(folder / "results.parquet", index=False)
    return {"accuracy": float(found["correct"].mean())}
