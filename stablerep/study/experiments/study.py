"""The steps that chapters share, each a run in the store: images, synthetic sets, pre-trained encoders, evaluations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.corpus import Corpus, load_corpus
from stablerep.errors import InputError
from stablerep.probes.suite import SIZE, evaluate
from stablerep.study.experiments.equal_compute import cost_of
from stablerep.study.store.runs import Run, RunStore

if TYPE_CHECKING:
    import pandas as pd

    from stablerep.captioned_images import CaptionedImages
    from stablerep.encoders import EncoderRecipe
    from stablerep.generator import Generator
    from stablerep.study.parameters.base import Pretraining
    from stablerep.synthesis import SynthesisPlan
    from stablerep.training import PretrainingRecipe

# Raise the version of a step when the same parameters come to mean another result.
SYNTHESIS_VERSION, PRETRAINING_VERSION, EVALUATION_VERSION, TRANSFER_VERSION = 1, 3, 5, 1


@dataclass(frozen=True)
class Arm:
    """One row of a comparison: a method and the images it learns from."""

    name: str
    method: str  # simclr, clip, stablerep, stablerep+, or random
    images: str  # real: one drawn image per caption; designs: every design; synthetic
    stored: int | None = None  # synthetic images per caption it may use; None means all l


ARMS = (
    Arm("Random initialization", "random", "real"),
    Arm("SimCLR real", "simclr", "real"),
    Arm("SimCLR synthetic", "simclr", "synthetic", 1),
    Arm("CLIP real", "clip", "real"),
    Arm("CLIP synthetic", "clip", "synthetic", 1),
    Arm("StableRep synthetic", "stablerep", "synthetic"),
    Arm("StableRep+ synthetic", "stablerep+", "synthetic"),
    Arm("StableRep real designs", "stablerep", "designs"),
)


def arm(name: str) -> Arm:
    return next(a for a in ARMS if a.name == name)


class Study:
    """Asks the store for what a chapter needs and computes what is missing."""

    def __init__(self, store: RunStore | None = None):
        self.store = store or RunStore()
        self._memory: dict[str, CaptionedImages] = {}
        self._fingerprints: dict[str, str] = {}

    @cached_property
    def corpus(self) -> Corpus:
        return load_corpus("emoji")

    def captions(self, count: int = 0) -> list[str]:
        """Training captions in a fixed random order; the first ``count`` of them, or all for 0."""
        everything = sorted(set(self.corpus.split("train").table["caption"]))
        everything.sort(key=lambda c: hashlib.sha256(f"caption:{c}".encode()).hexdigest())
        if count > len(everything):
            raise InputError(f"captions is {count}; the training part has {len(everything)}.")
        return everything[: count or None]

    def generator(self, name: str) -> Generator:
        from stablerep.generator import load_generator

        if name not in _GENERATORS:
            _GENERATORS[name] = load_generator(name)
        return _GENERATORS[name]

    def real_images(self, captions: Sequence[str], *, designs: bool = False) -> CaptionedImages:
        """Drawn images of some captions: one each, or in every design."""
        from stablerep.captioned_images import CaptionedImages

        part = self.corpus if designs else self.corpus.one_per_caption()
        return CaptionedImages.from_corpus(part.where(part.table["caption"].isin(captions)), SIZE)

    def generator_fingerprint(self, name: str) -> str:
        """What names a generator in the key of a run; its files are read once."""
        from stablerep.generator import generator_fingerprint

        if name not in self._fingerprints:
            self._fingerprints[name] = generator_fingerprint(name)
        return self._fingerprints[name]

    def synthesis_plan(
        self, captions: Sequence[str], *, images_per_caption: int, guidance_scale: float, generator: str, sampling_steps: int,
        sampler: str, seed: int,
    ) -> SynthesisPlan:  # fmt: skip
        """The plan of :meth:`synthetic_run`, in which the generator is not named."""
        from stablerep.synthesis import SynthesisPlan

        return SynthesisPlan(
            captions, images_per_caption=images_per_caption, guidance_scale=guidance_scale, steps=sampling_steps,
            sampler=sampler, seed=seed,
        )  # fmt: skip

    def synthetic_run(self, captions: Sequence[str], *, generator: str, **sampling) -> Run:
        """Synthetic images of some captions, as shards in the store; arguments of :meth:`synthesis_plan`."""
        from stablerep.generator import default_precision
        from stablerep.synthesis import synthesize

        plan = self.synthesis_plan(captions, generator=generator, **sampling)
        return self.store.obtain(
            "synthesis",
            version=SYNTHESIS_VERSION,
            parameters={**asdict(plan), "captions": len(plan.captions), "precision": default_precision()},
            inputs={"captions": plan.fingerprint, "generator": self.generator_fingerprint(generator)},
            compute=lambda folder: synthesize(plan, self.generator(generator), folder).totals,
        )

    def synthetic_images(self, captions: Sequence[str], **sampling) -> CaptionedImages:
        from stablerep.synthesis import SyntheticSet

        run = self.synthetic_run(captions, **sampling)
        if run.key not in self._memory:
            self._memory[run.key] = SyntheticSet(run.folder).in_memory()
        return self._memory[run.key]

    def arm_images(self, which: Arm, captions: Sequence[str], p: Pretraining, seed: int) -> CaptionedImages:
        """The images that one arm learns from."""
        if which.images != "synthetic":
            return self.real_images(captions, designs=which.images == "designs")
        images = self.synthetic_images(
            captions, images_per_caption=p.images_per_caption, guidance_scale=p.guidance_scale, generator=p.generator,
            sampling_steps=p.sampling_steps, sampler=p.sampler, seed=seed,
        )  # fmt: skip
        return images if which.stored is None else images.first_images(which.stored)

    def recipe(self, which: Arm, p: Pretraining, seed: int):
        from stablerep.encoders import EncoderRecipe
        from stablerep.training import PretrainingRecipe
        from stablerep.views import ViewRecipe

        return PretrainingRecipe(
            method=which.method, steps=p.steps, views_per_step=p.views_per_step, images_per_caption=p.positives,
            learning_rate=p.learning_rate, seed=seed, encoder=EncoderRecipe(name=p.encoder, stem=p.stem, image_size=SIZE),
            view=ViewRecipe(size=SIZE, crop_min=p.crop_min),
        )  # fmt: skip

    def pretrained(self, which: Arm, images: CaptionedImages, p: Pretraining, seed: int) -> Run:
        """The pre-training run of one arm and seed."""
        return self.pretraining(images, self.recipe(which, p, seed), f"{which.name}, seed {seed}")

    def pretraining(
        self, images: CaptionedImages, recipe: PretrainingRecipe, progress: str, *, label: str | None = None
    ) -> Run:
        """The pre-training run of any recipe; ``progress`` names its progress bar, ``label`` the column of the corpus with the classes."""
        from stablerep.training import pretrain

        classes = self.corpus.table.drop_duplicates("caption").set_index("caption")[label].to_dict() if label else None
        return self.store.obtain(
            "pretraining",
            version=PRETRAINING_VERSION,
            parameters=asdict(recipe) | ({"label": label} if label else {}),
            inputs={"images": images.fingerprint},
            compute=lambda folder: pretrain(images, recipe, folder, classes=classes, progress=progress),
        )

    def pretrained_run(self, key: str) -> tuple[Run, PretrainingRecipe]:
        """A finished pre-training by its key, which may be shortened, and its recipe. Raises ``ValueError`` when there is none."""
        from stablerep.training import load_recipe

        run = self.store.find(key)
        if run is None or run.info["step"] != "pretraining":
            raise InputError(f"there is no complete pre-training {key!r}; `stablerep runs list` shows those there are.")
        return run, load_recipe(run.folder)

    def backbone(self, run: Run | None, encoder: EncoderRecipe, seed: int):
        """The frozen encoder of a run, or for None the untrained one."""
        from stablerep.training import load_backbone, random_backbone

        return load_backbone(run.folder) if run else random_backbone(encoder, seed)

    def encoder_key(self, run: Run | None, encoder: EncoderRecipe, seed: int) -> str:
        """What names the weights of :meth:`backbone` as an input of another run."""
        if run:
            return run.key
        shape = "".join(
            f"-{name}{value}" for name, value in (("patch", encoder.patch_size), ("depth", encoder.depth)) if value
        )
        return f"random-{encoder.name}-{encoder.stem}{shape}-{seed}"

    def probed(self, run: Run | None, encoder: EncoderRecipe, seed: int, designs: Sequence[str]) -> pd.DataFrame:
        """Per-item results of every probe (columns of :func:`evaluate`) for a run's encoder, or for None the untrained one."""

        def compute(folder: Path) -> dict:
            items = evaluate(
                self.backbone(run, encoder, seed), self.corpus.where(self.corpus.table["design"].isin(designs))
            )
            items.to_parquet(folder / "results.parquet", index=False)
            return items.groupby("probe")["correct"].mean().to_dict()

        return self.store.obtain(
            "evaluation",
            version=EVALUATION_VERSION,
            parameters={"size": SIZE, "designs": sorted(designs)},
            inputs={"encoder": self.encoder_key(run, encoder, seed), "corpus": self.corpus.fingerprint},
            compute=compute,
        ).table()

    def transferred(
        self, run: Run | None, encoder: EncoderRecipe, seed: int, sets: Sequence[str], *, limit: int = 0
    ) -> pd.DataFrame:
        """Per-item results on transfer sets (columns and ``attrs`` of :func:`stablerep.transfer.transfer`), a run for each set that is there."""
        from stablerep.transfer import over_sets, probe_set

        def probe(which, data):
            def compute(folder: Path) -> dict:
                items = probe_set(self.backbone(run, encoder, seed), data, which)
                items.to_parquet(folder / "results.parquet", index=False)
                return {"correct": items["correct"].mean()}

            return self.store.obtain(
                "transfer",
                version=TRANSFER_VERSION,
                parameters={"set": which.name, "metric": which.metric, "size": encoder.image_size, "limit": limit},
                inputs={"encoder": self.encoder_key(run, encoder, seed), "images": data.fingerprint},
                compute=compute,
            ).table()

        return over_sets(sets, encoder.image_size, limit, probe)

    def evaluated(
        self, which: Arm, captions: Sequence[str], p: Pretraining, seed: int, *, first: int = 0
    ) -> pd.DataFrame:
        """Per-item results of every probe for one arm and seed (columns of :func:`evaluate`, ``arm``, ``seed`` and its costs).

        ``first`` > 0 learns from the first captions only; their images are those of the whole set, made once.
        """
        from stablerep.encoders import EncoderRecipe

        run = None
        if which.method != "random":
            images = self.arm_images(which, captions, p, seed)
            run = self.pretrained(which, images.only(captions[:first]) if first else images, p, seed)
        encoder = EncoderRecipe(name=p.encoder, stem=p.stem, image_size=SIZE)
        return self.probed(run, encoder, seed, p.probe_designs).assign(arm=which.name, seed=seed, **cost_of(run))


_GENERATORS: dict[str, Generator] = {}
