"""The generator judged by an encoder of real images: faithfulness, diversity, guidance, reconstruction."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.batches import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.statistics import mean_with_interval
from stablerep.study.experiments import SIZE, Study
from stablerep.study.parameters import GeneratorParameters
from stablerep.study.runs import Run

JUDGE_VERSION = 2
GRID_CAPTIONS = 8
NEW_DESIGN, KNOWN_DESIGNS = "real, held-out design", "real, known designs"  # sources in the table ``faithfulness``


def compute(p: GeneratorParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Tables: ``faithfulness`` (top-1, top-10, subgroup by w, over all captions and by group, beside two kinds of real images),
    ``diversity`` by w, ``reconstruction`` (PSNR of the autoencoder by split) and ``grid`` (sample images as PNG).

    Real images are of the held-out design, whose style the judge has never seen, and of the designs that it knows, each asked
    of a gallery that lacks that design's drawings of the asked concept.
    """
    part = study.corpus.split("train")
    shared = set(part.table[part.table["design"] == p.held_out_design]["caption"])
    captions = [c for c in study.captions() if c in shared]
    if p.captions > len(captions):
        raise ValueError(f"captions is {p.captions}; {p.held_out_design} shares {len(captions)} training captions.")
    captions = captions[: p.captions]
    judge = judge_run(p, study)
    found = study.store.obtain(
        "judgement",
        version=JUDGE_VERSION,
        parameters=p.model_dump(exclude={"live", "preset"}),
        inputs={"judge": judge.key, "generator": study.generator(p.generator).fingerprint, "corpus": part.fingerprint},
        compute=lambda folder: _judge(p, study, part, captions, judge, folder),
    )
    tables = {name: found.table(name) for name in ("faithfulness", "diversity", "grid")}
    return tables | {"reconstruction": _reconstruction(p, study)}


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


class Retrieval:
    """Concepts of a gallery of real images, ranked for a query by its nearest caption prototype."""

    def __init__(self, features: Tensor, table: pd.DataFrame) -> None:
        """``features`` float [N, D] of the rows of ``table``; a prototype is the mean direction of a caption's designs."""
        self.row_caption, names = pd.factorize(table["caption"])
        self.directions, self.row_design = F.normalize(features, dim=1), table["design"].to_numpy(copy=True)
        self.total = self._sum(np.ones(len(table), bool), len(names))
        self.prototypes, self.captions = F.normalize(self.total, dim=1), list(names)
        concept = table.drop_duplicates("caption").set_index("caption").loc[self.captions, "concept"]
        self.concept, self.concepts = pd.factorize(concept)
        self.subgroup = table.drop_duplicates("concept").set_index("concept")["subgroup"]

    def _sum(self, rows: np.ndarray, captions: int) -> Tensor:
        total = torch.zeros(captions, self.directions.shape[1])
        return total.index_add_(0, torch.from_numpy(self.row_caption[rows]), self.directions[torch.from_numpy(rows)])

    def ask(self, features: Tensor, concepts: list[str]) -> pd.DataFrame:
        """Per query: is its concept first (``top1``), among the first ten (``top10``), and is the first one's subgroup its own."""
        return self._rank(F.normalize(features, dim=1) @ self.prototypes.T, concepts)

    def ask_without_design(self, features: Tensor, concepts: list[str], design: str) -> pd.DataFrame:
        """As :meth:`ask`, for queries of one design of the gallery: prototypes of a query's own concept lack that design.

        So a drawing is never found by itself, nor by the same designer's variants of it. A concept that no other design draws
        is not in the ranking and its queries are wrong: leave them out before asking.
        """
        own = self.row_design == design
        others = self.total - self._sum(own, len(self.captions))
        remaining = np.bincount(self.row_caption[~own], minlength=len(self.captions)) > 0
        z = F.normalize(features, dim=1)
        without = (z @ F.normalize(others, dim=1).T).masked_fill(~torch.from_numpy(remaining), -2.0)
        asked = pd.Index(self.concepts).get_indexer(concepts)
        mine = torch.from_numpy(asked)[:, None] == torch.from_numpy(self.concept)
        return self._rank(torch.where(mine, without, z @ self.prototypes.T), concepts)

    def _rank(self, similarity: Tensor, concepts: list[str]) -> pd.DataFrame:
        """``similarity`` [queries, captions] to the prototypes; a concept counts as its best caption."""
        score = torch.full((len(similarity), len(self.concepts)), -2.0)
        score.scatter_reduce_(1, torch.from_numpy(self.concept).expand(len(similarity), -1), similarity, "amax")
        best = score.topk(min(10, len(self.concepts)), dim=1).indices.numpy()
        names = np.asarray(self.concepts)[best]
        asked = np.asarray(concepts)
        return pd.DataFrame({
            "top1": names[:, 0] == asked,
            "top10": (names == asked[:, None]).any(1),
            "subgroup": self.subgroup.loc[names[:, 0]].to_numpy() == self.subgroup.loc[asked].to_numpy(),
        })  # fmt: skip


def within_caption_distance(features: Tensor, captions: list[str]) -> pd.Series:
    """Mean cosine distance between the images of each caption, by caption (captions with one image are left out)."""
    z, rows = F.normalize(features, dim=1), {}
    for caption, place in pd.Series(range(len(captions))).groupby(captions):
        if len(place) > 1:
            some = z[place.to_numpy(copy=True)]
            n = len(some)
            rows[caption] = float(1 - ((some @ some.T).sum() - n) / (n * (n - 1)))
    return pd.Series(rows)


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
    faithful += _with_intervals(*_known_designs(retrieval, features, gallery.table, captions), source=KNOWN_DESIGNS, w=np.nan)
    known = gallery.table["caption"].isin(captions).to_numpy(copy=True)
    distance = within_caption_distance(features[torch.from_numpy(known)], gallery.table["caption"][known].tolist())
    diverse = [{"source": "real designs", "guidance_scale": np.nan, **mean_with_interval(distance, concept.loc[distance.index])}]
    grid = []
    for w in p.guidance_scales:
        made = study.synthetic_images(
            captions, images_per_caption=p.images_per_caption, guidance_scale=w, generator=p.generator,
            sampling_steps=p.sampling_steps, sampler=p.sampler, seed=p.seed,
        )  # fmt: skip
        written = [made.captions[i] for i in made.caption_ids.tolist()]
        features = extract_features(backbone, made.images)
        asked = retrieval.ask(features, concept.loc[written].tolist())
        faithful += _with_intervals(asked, about.loc[written], source="generated", w=w)
        distance = within_caption_distance(features, written)
        diverse.append({"source": "generated", "guidance_scale": w, **mean_with_interval(distance, concept.loc[distance.index])})
        grid += _grid(made, w)
    pd.DataFrame(faithful).to_parquet(folder / "faithfulness.parquet", index=False)
    pd.DataFrame(diverse).to_parquet(folder / "diversity.parquet", index=False)
    pd.DataFrame(grid).to_parquet(folder / "grid.parquet", index=False)
    return {"captions": len(captions)}


def _known_designs(retrieval: Retrieval, features: Tensor, table: pd.DataFrame, captions: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers for the gallery's own images of some captions, and the rows they are about; each is asked without its design."""
    several = table.groupby("concept")["design"].transform("nunique") > 1
    wanted = (several & table["caption"].isin(captions)).to_numpy()
    rows = table.assign(row=range(len(table)))[wanted]
    parts = []
    for design, some in rows.groupby("design"):
        asked = features[torch.from_numpy(some["row"].to_numpy(copy=True))]
        parts.append((some, retrieval.ask_without_design(asked, some["concept"].tolist(), design)))
    return pd.concat([found for _, found in parts], ignore_index=True), pd.concat([some for some, _ in parts], ignore_index=True)


def _with_intervals(asked: pd.DataFrame, about: pd.DataFrame, *, source: str, w: float) -> list[dict]:
    """Shares over all captions (group ``all``) and by group; ``about`` has the ``concept`` and ``group`` of every answer."""
    rows = []
    for group in ["all", *sorted(set(about["group"]))]:
        mine = np.ones(len(about), bool) if group == "all" else (about["group"] == group).to_numpy()
        concepts = about["concept"].to_numpy()[mine]
        for name in ("top1", "top10", "subgroup"):
            found = mean_with_interval(asked[name].to_numpy()[mine], concepts)
            rows.append({"source": source, "guidance_scale": w, "group": group, "measure": name, "concepts": len(set(concepts)), **found})
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


def _reconstruction(p: GeneratorParameters, study: Study) -> pd.DataFrame:
    """PSNR in dB of decoding what was encoded, training and held-out concepts, at the generator's own resolution."""
    from stablerep.generator.autoencoder_training import psnr, reconstruct

    opened = study.generator(p.generator)

    def measure(folder: Path) -> dict:
        rows = []
        for split in ("train", "test"):
            part = study.corpus.split(split)
            if len(part) > p.captions * 8:  # a random sample, the same for every generator
                rank = np.random.default_rng(0).permutation(len(part))
                part = part.where(rank < p.captions * 8)
            images = part.images(opened.resolution)
            values = psnr(images, reconstruct(opened.pipeline.vae, images)).numpy()
            rows.append({"split": split, **mean_with_interval(values, part.table["concept"])})
        pd.DataFrame(rows).to_parquet(folder / "results.parquet", index=False)
        return {}

    return study.store.obtain(
        "reconstruction",
        version=1,
        parameters={"resolution": opened.resolution, "images": p.captions * 8},
        inputs={"generator": opened.fingerprint, "corpus": study.corpus.fingerprint},
        compute=measure,
    ).table()
