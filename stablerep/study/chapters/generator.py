"""The generator judged by an encoder of real images: faithfulness, diversity, guidance, reconstruction."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stablerep.audits.faithfulness import Retrieval, within_caption_distance
from stablerep.audits.sets import compare_sets
from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.errors import InputError
from stablerep.statistics import mean_with_interval
from stablerep.study.experiments.study import SIZE, Study
from stablerep.study.parameters.base import GeneratorParameters
from stablerep.study.store.runs import Run

JUDGE_VERSION = 3
GRID_CAPTIONS = 8
NEW_DESIGN, KNOWN_DESIGNS = "real, held-out design", "real, known designs"  # sources in the table ``faithfulness``
OTHER_DESIGNS = "real, other designs"  # source in the table ``sets``


def ask(p: GeneratorParameters, study: Study) -> tuple[Run, Run]:
    """Ask for every run of the chapter: the judgement of the images, and what the autoencoder keeps."""
    part = study.corpus.split("train")
    shared = set(part.table[part.table["design"] == p.held_out_design]["caption"])
    captions = [c for c in study.captions() if c in shared]
    if p.captions > len(captions):
        raise InputError(f"captions is {p.captions}; {p.held_out_design} shares {len(captions)} training captions.")
    captions = captions[: p.captions]
    judge = judge_run(p, study)
    judgement = study.store.obtain(
        "judgement",
        version=JUDGE_VERSION,
        parameters=p.model_dump(exclude={"live", "preset"}),
        inputs={"judge": judge.key, "generator": study.generator_fingerprint(p.generator), "corpus": part.fingerprint},
        needs=lambda: [_made(p, study, captions, w) for w in p.guidance_scales],
        compute=lambda folder: _judge(p, study, part, captions, judge, folder),
    )
    return judgement, _reconstruction(p, study)


def compute(p: GeneratorParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Tables: ``faithfulness`` (top-1, top-10, subgroup by w, over all captions and by group, beside two kinds of real images),
    ``diversity`` by w, ``sets`` (distance, precision, recall, density and coverage by w against a set of real images),
    ``reconstruction`` (PSNR of the autoencoder by split) and ``grid`` (sample images as PNG).

    Real images are of the held-out design, whose style the judge has never seen, and of the designs that it knows, each asked
    of a gallery that lacks that design's drawings of the asked concept.

    A set has one image of one caption of each concept that at least two known designs have drawn: captions of a concept differ by skin
    tone or gender alone, and its images are not independent. The real set takes one of these designs at random, the real set that is the
    yardstick another.
    """
    judgement, reconstruction = ask(p, study)
    tables = {name: judgement.table(name) for name in ("faithfulness", "diversity", "sets", "grid")}
    return tables | {"reconstruction": reconstruction.table()}


def _made(p: GeneratorParameters, study: Study, captions: list[str], w: float) -> CaptionedImages:
    return study.synthetic_images(
        captions, images_per_caption=p.images_per_caption, guidance_scale=w, generator=p.generator,
        sampling_steps=p.sampling_steps, sampler=p.sampler, seed=p.seed,
    )  # fmt: skip


def judge_run(p: GeneratorParameters, study: Study) -> Run:
    """An encoder of real images of all designs but the held-out one, by the multi-positive loss over captions."""
    from stablerep.encoders import EncoderRecipe
    from stablerep.training import PretrainingRecipe
    from stablerep.views import ViewRecipe

    part = study.corpus.split("train")
    data = CaptionedImages.from_corpus(part.where(part.table["design"] != p.held_out_design), SIZE)
    recipe = PretrainingRecipe(
        method="stablerep", steps=p.steps, views_per_step=p.views_per_step, images_per_caption=4, seed=p.seed,
        encoder=EncoderRecipe(name=p.encoder, stem=p.stem, image_size=SIZE), view=ViewRecipe(size=SIZE, crop_min=0.35),
    )  # fmt: skip
    return study.pretraining(data, recipe, "judge")


def _judge(p: GeneratorParameters, study: Study, part: Corpus, captions: list[str], judge: Run, folder: Path) -> dict:
    from stablerep.encoders import extract_features
    from stablerep.training import load_backbone

    backbone = load_backbone(judge.folder)
    gallery = part.where(part.table["design"] != p.held_out_design)
    features = extract_features(backbone, gallery.images(SIZE))
    retrieval = Retrieval(features, gallery.table)
    about = part.table.drop_duplicates("caption").set_index("caption")[["concept", "group"]]
    concept = about["concept"]
    real = part.where((part.table["design"] == p.held_out_design) & part.table["caption"].isin(captions))
    asked = retrieval.ask(extract_features(backbone, real.images(SIZE)), real.table["concept"].tolist())
    faithful = _with_intervals(asked, real.table, source=NEW_DESIGN, w=np.nan)
    faithful += _with_intervals(
        *_known_designs(retrieval, features, gallery.table, captions), source=KNOWN_DESIGNS, w=np.nan
    )
    known = gallery.table["caption"].isin(captions).to_numpy(copy=True)
    distance = within_caption_distance(features[torch.from_numpy(known)], gallery.table["caption"][known].tolist())
    diverse = [
        {
            "source": "real designs",
            "guidance_scale": np.nan,
            **mean_with_interval(distance, concept.loc[distance.index]),
        }
    ]
    chosen, real_set, other_set = _two_real_sets(gallery.table, captions, p.seed)
    compared = partial(_compared, features[real_set], seed=p.seed)
    sets, grid = [compared(features[other_set], source=OTHER_DESIGNS, w=np.nan)], []
    for w in p.guidance_scales:
        made = _made(p, study, captions, w)
        written = [made.captions[i] for i in made.caption_ids.tolist()]
        features = extract_features(backbone, made.images)
        asked = retrieval.ask(features, concept.loc[written].tolist())
        faithful += _with_intervals(asked, about.loc[written], source="generated", w=w)
        distance = within_caption_distance(features, written)
        diverse.append(
            {"source": "generated", "guidance_scale": w, **mean_with_interval(distance, concept.loc[distance.index])}
        )
        first = [written.index(caption) for caption in chosen]
        sets.append(compared(features[first], source="generated", w=w))
        grid += _grid(made, w)
    pd.concat(sets, ignore_index=True).to_parquet(folder / "sets.parquet", index=False)
    pd.DataFrame(faithful).to_parquet(folder / "faithfulness.parquet", index=False)
    pd.DataFrame(diverse).to_parquet(folder / "diversity.parquet", index=False)
    pd.DataFrame(grid).to_parquet(folder / "grid.parquet", index=False)
    return {"captions": len(captions)}


def _known_designs(
    retrieval: Retrieval, features: Tensor, table: pd.DataFrame, captions: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers for the gallery's own images of some captions, and the rows they are about; each is asked without its design."""
    several = table.groupby("concept")["design"].transform("nunique") > 1
    wanted = (several & table["caption"].isin(captions)).to_numpy()
    rows = table.assign(row=range(len(table)))[wanted]
    parts = []
    for design, some in rows.groupby("design"):
        asked = features[torch.from_numpy(some["row"].to_numpy(copy=True))]
        parts.append((some, retrieval.ask_without_design(asked, some["concept"].tolist(), design)))
    return pd.concat([found for _, found in parts], ignore_index=True), pd.concat(
        [some for some, _ in parts], ignore_index=True
    )


def _two_real_sets(table: pd.DataFrame, captions: list[str], seed: int) -> tuple[list[str], list[int], list[int]]:
    """The first caption of each concept in ``captions`` that two designs have drawn, and the rows of two drawings of it, drawn at random."""
    rows = table.assign(row=range(len(table))).groupby("caption")["row"].agg(list)
    concept = table.drop_duplicates("caption").set_index("caption")["concept"]
    several = [caption for caption in captions if len(rows.get(caption, ())) > 1]
    chosen = concept.loc[several].drop_duplicates().index.tolist()
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(rows[caption], 2, replace=False).tolist() for caption in chosen]
    return chosen, [first for first, _ in pairs], [second for _, second in pairs]


def _compared(real: Tensor, features: Tensor, *, source: str, w: float, seed: int) -> pd.DataFrame:
    """The rows of :func:`compare_sets`; a few captions have fewer neighbours than are usual.

    A subset of KID takes half of the images: the deviation over such subsets is about the standard error of the whole.
    """
    n = len(real)
    found = compare_sets(real, features, k=min(3, n - 1), k_coverage=min(5, n - 1), subset_size=n // 2, seed=seed)
    return found.assign(source=source, guidance_scale=w)


def _with_intervals(asked: pd.DataFrame, about: pd.DataFrame, *, source: str, w: float) -> list[dict]:
    """Shares over all captions (group ``all``) and by group; ``about`` has the ``concept`` and ``group`` of every answer."""
    rows = []
    for group in ["all", *sorted(set(about["group"]))]:
        mine = np.ones(len(about), bool) if group == "all" else (about["group"] == group).to_numpy()
        concepts = about["concept"].to_numpy()[mine]
        for name in ("top1", "top10", "subgroup"):
            found = mean_with_interval(asked[name].to_numpy()[mine], concepts)
            rows.append(
                {
                    "source": source,
                    "guidance_scale": w,
                    "group": group,
                    "measure": name,
                    "concepts": len(set(concepts)),
                    **found,
                }
            )
    return rows


def _grid(made: CaptionedImages, w: float) -> list[dict]:
    """The first images of a few captions as PNG bytes."""
    from PIL import Image

    rows = []
    for number, caption in enumerate(made.captions[:GRID_CAPTIONS]):
        for index, image in enumerate(made.images[made.caption_ids == number][:4]):
            png = io.BytesIO()
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(png, "PNG")
            rows.append({"caption": caption, "guidance_scale": w, "index": index, "png": png.getvalue()})
    return rows


def _reconstruction(p: GeneratorParameters, study: Study) -> Run:
    """PSNR in dB of decoding what was encoded, training and held-out concepts, at the generator's own resolution."""
    from stablerep.generator.autoencoder_training import psnr, reconstruct

    def measure(folder: Path) -> dict:
        rows, opened = [], study.generator(p.generator)
        for split in ("train", "test"):
            part = study.corpus.split(split)
            if len(part) > p.captions * 8:  # a random sample, the same for every generator
                rank = np.random.default_rng(0).permutation(len(part))
                part = part.where(rank < p.captions * 8)
            images = part.images(opened.resolution)
            values = psnr(images, reconstruct(opened.pipeline.vae, images)).numpy()
            rows.append({"split": split, **mean_with_interval(values, part.table["concept"])})
        pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
        return {"resolution": opened.resolution}

    return study.store.obtain(
        "reconstruction",
        version=2,
        parameters={"images": p.captions * 8},
        inputs={"generator": study.generator_fingerprint(p.generator), "corpus": study.corpus.fingerprint},
        compute=measure,
    )
