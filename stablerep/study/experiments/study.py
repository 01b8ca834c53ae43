"""The study: asks the store for what a chapter needs and computes what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import InputError
from stablerep.study.experiments.arms import Arm, left_out_sentence, possible_arms
from stablerep.study.experiments.images import Captions, ImageSet, Named
from stablerep.study.experiments.steps import EVALUATION, PRETRAINING, SYNTHESIS, TRANSFER
from stablerep.study.store.runs import Run, RunStore

if TYPE_CHECKING:
    import pandas as pd

    from stablerep.corpus import Corpus
    from stablerep.encoders import EncoderRecipe
    from stablerep.generator import Generator
    from stablerep.generator.sampling import Sampling
    from stablerep.study.parameters.base import Parameters, Pretraining
    from stablerep.training import PretrainingRecipe


@dataclass(frozen=True)
class Evaluated:
    """One arm and seed of a comparison: its pre-training (None for an untrained encoder) and what its probes gave, as runs."""

    arm: str
    seed: int
    pretraining: Run | None
    evaluation: Run
    captions: int = 0

    def items(self) -> pd.DataFrame:
        """Per-item results of every probe (columns of :func:`stablerep.probes.suite.evaluate`), ``arm``, ``seed``, ``captions`` and costs."""
        return self.evaluation.table().assign(
            arm=self.arm, seed=self.seed, captions=self.captions, **cost_of(self.pretraining)
        )


def cost_of(run: Run | None) -> dict[str, float]:
    """``views`` seen, ``weights`` of the encoder and ``seconds`` of training of a pre-training run; zeros for None, an untrained encoder.

    Seconds are the median step times the number of steps, so that a pause in the middle of a run does not count.
    """
    if run is None:
        return {"views": 0, "weights": 0, "seconds": 0.0}
    summary, taken = run.info["summary"], run.table("log")["seconds"]
    seconds = float(taken.diff().fillna(taken).median() * len(taken))
    return {"views": summary["views"], "weights": summary["weights"], "seconds": seconds}


def items_of(evaluated: Iterable[Evaluated]) -> pd.DataFrame:
    """The items of several arms and seeds in one table."""
    import pandas as pd

    return pd.concat([one.items() for one in evaluated], ignore_index=True)


class Study:
    """What chapters share: a corpus, its captions, images, encoders and their probes, each a run in the store.

    Args:
        parameters: of a chapter; they name the corpus and the size of its images. Without them, the embedded emoji at 32 pixels.
    """

    def __init__(self, store: RunStore | None = None, parameters: Parameters | None = None):
        self.store = store or RunStore()
        self.source = getattr(parameters, "corpus", "emoji")
        self.size = getattr(parameters, "image_size", 32)
        self._options = {
            name: value for name in ("labels", "cluster", "split") if (value := getattr(parameters, name, None))
        }
        self._fingerprints: dict[str, str] = {}

    @cached_property
    def corpus(self) -> Corpus:
        from stablerep.corpus import load_corpus

        return load_corpus(self.source, **self._options)

    @property
    def about(self) -> Corpus:
        """What is asked of the corpus before anything is read: ``fingerprint``, ``labels``, ``cluster``, ``designs`` and ``people``."""
        return self.corpus

    def _all_captions(self) -> list[str]:
        everything = sorted(set(self.corpus.split("train").table["caption"]))
        return sorted(everything, key=lambda caption: hashlib.sha256(f"caption:{caption}".encode()).hexdigest())

    @cached_property
    def _captions(self) -> list[str]:
        return self._all_captions()

    def available_captions(self) -> int:
        return len(self._captions)

    def captions(self, count: int = 0) -> Captions:
        """Training captions in a fixed random order; the first ``count`` of them, or all for 0."""
        available = self.available_captions()
        if count > available:
            if self.source == "emoji":
                raise InputError(f"captions is {count}; the training part has {available}.")
            count = 0  # presets are written for the emoji; a corpus of fewer captions gives all that it has
        return Captions(self.about.fingerprint, count, available, lambda: self._captions)

    @property
    def repeats_captions(self) -> bool:
        """Whether several images share a caption without being designs of one thing, as where captions are made from classes."""
        images, captions = self.counts()
        return not self.about.designs and images > captions

    def counts(self) -> tuple[int, int]:
        """How many images and how many captions the corpus has."""
        return len(self.corpus), self.corpus.table["caption"].nunique()

    def arms(self, *names: str) -> list[Arm]:
        """The arms of a comparison that this corpus can have; all of them, or those of some names."""
        return possible_arms(self.about.designs, names)

    def left_out(self, *names: str) -> str:
        """A sentence on the arms that it cannot have, or nothing."""
        return left_out_sentence(self.about.designs, names)

    def need_people(self) -> None:
        """Refuse a corpus that says nothing of the people it shows."""
        if not self.about.people:
            raise InputError(
                f"corpus is {self.source!r}, which declares no attributes of people; this chapter needs some, such as the emoji's, "
                "or a corpus whose labels are such attributes."
            )

    def generator(self, name: str) -> Generator:
        from stablerep.generator import load_generator

        if name not in _GENERATORS:
            _GENERATORS[name] = load_generator(name)
        return _GENERATORS[name]

    def generator_fingerprint(self, name: str) -> str:
        """What names a generator in the key of a run; its files are read once."""
        from stablerep.generator import generator_fingerprint

        if name not in self._fingerprints:
            self._fingerprints[name] = generator_fingerprint(name)
        return self._fingerprints[name]

    def real_images(self, captions: Captions, *, several: bool = False, at_most: int = 1) -> ImageSet:
        """Real images of some captions: ``at_most`` so many of each, picked by hash, or with ``several`` all of them, as every design."""
        from stablerep.captioned_images import CaptionedImages

        def load() -> CaptionedImages:
            part = self.corpus if several else self.corpus.some_per_caption(at_most)
            return CaptionedImages.from_corpus(part.where(part.table["caption"].isin(captions.texts)), self.size)

        return ImageSet(f"{'several' if several else f'real{at_most}'}-{captions.name}-{self.size}px", load)

    def corpus_images(self, part: Corpus, name: str) -> ImageSet:
        """All images of a part of the corpus, which ``name`` tells from other parts."""
        from stablerep.captioned_images import CaptionedImages

        return ImageSet(
            f"{name}-{part.fingerprint}-{self.size}px", lambda: CaptionedImages.from_corpus(part, self.size)
        )

    def synthetic_run(
        self, captions: Captions | Named, sampling: Sampling, *, images_per_caption: int, generator: str, seed: int
    ) -> Run:
        """Synthetic images of some captions, as shards in the store."""
        from stablerep.generator import default_precision
        from stablerep.synthesis import SynthesisPlan, synthesize

        def make(folder: Path) -> dict:
            plan = SynthesisPlan(
                captions.texts,
                images_per_caption=images_per_caption,
                sampling=sampling,
                seed=seed,
                captions_name=captions.name,
            )
            return synthesize(plan, self.generator(generator), folder).totals

        how = {"captions": len(captions), "images_per_caption": images_per_caption, **asdict(sampling), "seed": seed}
        return self.store.obtain(
            SYNTHESIS,
            parameters=how | {"precision": default_precision()},
            inputs={"captions": captions.name, "generator": self.generator_fingerprint(generator)},
            compute=make,
        )

    def synthetic_images(self, captions: Captions | Named, sampling: Sampling, **which) -> ImageSet:
        """The images of :meth:`synthetic_run`, whose arguments these are."""
        from stablerep.synthesis import SyntheticSet

        run = self.synthetic_run(captions, sampling, **which)

        def load():
            if run.key not in _SETS:
                _SETS.clear()  # one set at a time: the arms of a seed share it
                _SETS[run.key] = SyntheticSet(run.folder).in_memory()
            return _SETS[run.key]

        return ImageSet(run.key, load)

    def arm_images(self, which: Arm, captions: Captions, p: Pretraining, seed: int) -> ImageSet:
        """The images that one arm learns from.

        Where captions repeat, real arms have as many images of a caption as synthetic ones, and methods that know images alone take each
        image as a caption of its own.
        """
        if which.images != "synthetic":
            at_most = p.images_per_caption if self.repeats_captions else 1
            images = self.real_images(captions, several=which.images == "designs", at_most=at_most)
        else:
            sampling = sampling_of(p, p.guidance_scale)
            images = self.synthetic_images(
                captions, sampling, images_per_caption=p.images_per_caption, generator=p.generator, seed=seed
            )
            images = images.first_images(None if self.repeats_captions else which.stored)
        return images

    def encoder_recipe(self, p: Parameters, **options) -> EncoderRecipe:
        """The encoder that a chapter's parameters ask for."""
        from stablerep.encoders import EncoderRecipe

        return EncoderRecipe(
            name=p.encoder, image_size=self.size, **({"stem": p.stem} if hasattr(p, "stem") else {}), **options
        )

    def recipe(self, which: Arm, p: Pretraining, seed: int, captions: int) -> PretrainingRecipe:
        """How one arm learns from so many captions.

        A batch cannot hold a caption twice: where there are few, it is halved, and the steps are doubled, until it holds no more than there are.
        """
        from stablerep.methods import METHODS
        from stablerep.training import PretrainingRecipe
        from stablerep.views import ViewRecipe

        views, steps = p.views_per_step, p.steps
        traits = METHODS[which.method].traits
        per_caption = p.positives if traits.several else traits.views
        alone = self.repeats_captions and traits.ids == "image"
        while not alone and views // per_caption > captions and views % (4 * per_caption) == 0:
            views, steps = views // 2, steps * 2
        return PretrainingRecipe(
            method=which.method, steps=steps, views_per_step=views, images_per_caption=p.positives,
            learning_rate=p.learning_rate, seed=seed, encoder=self.encoder_recipe(p), view=ViewRecipe(size=self.size, crop_min=p.crop_min),
        )  # fmt: skip

    def pretrained(self, which: Arm, captions: Captions, p: Pretraining, seed: int, *, first: int = 0) -> Run | None:
        """The pre-training run of one arm and seed; None for the untrained one.

        ``first`` > 0 learns from the first captions only; their images are those of the whole set, made once.
        """
        from stablerep.methods import METHODS

        if which.method == "random":
            return None
        images = self.arm_images(which, captions, p, seed)
        images = images.only(captions.first(first), captions) if first else images
        if self.repeats_captions and METHODS[which.method].traits.ids == "image":
            images = images.each_alone()
        return self.pretraining(
            images, self.recipe(which, p, seed, first or len(captions)), f"{which.name}, seed {seed}"
        )

    def pretraining(
        self, images: ImageSet, recipe: PretrainingRecipe, progress: str, *, label: str | None = None
    ) -> Run:
        """The pre-training run of any recipe; ``progress`` names its progress bar, ``label`` the column of the corpus with the classes."""
        from stablerep.training import pretrain

        def train(folder: Path) -> dict:
            table = self.corpus.table.drop_duplicates("caption").set_index("caption")
            return pretrain(
                images.load(), recipe, folder, classes=table[label].to_dict() if label else None, progress=progress
            )

        return self.store.obtain(
            PRETRAINING,
            parameters=asdict(recipe) | ({"label": label} if label else {}),
            inputs={"images": images.name},
            compute=train,
        )

    def pretrained_run(self, key: str) -> tuple[Run, PretrainingRecipe]:
        """A finished pre-training by its key, which may be shortened, and its recipe. Raises ``InputError`` when there is none."""
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
        return f"random-{encoder.name}-{encoder.stem}{shape}-{encoder.image_size}px-{seed}"

    def probed(self, run: Run | None, encoder: EncoderRecipe, seed: int, designs: Sequence[str]) -> Run:
        """Per-item results of every probe (columns of :func:`stablerep.probes.suite.evaluate`) for a run's encoder, or for None the untrained one."""
        from stablerep.probes.suite import evaluate

        def probe(folder: Path) -> dict:
            items = evaluate(self.backbone(run, encoder, seed), self.probed_part(designs), self.size)
            items.to_parquet(folder / "results.parquet", index=False)
            return items.groupby("probe")["correct"].mean().to_dict()

        about = self.about
        chosen = {"designs": sorted(designs)} if about.designs else {}
        return self.store.obtain(
            EVALUATION,
            parameters={"size": self.size, "labels": list(about.labels), "cluster": about.cluster, **chosen},
            inputs={"encoder": self.encoder_key(run, encoder, seed), "corpus": about.fingerprint},
            compute=probe,
        )

    def probed_part(self, designs: Sequence[str]) -> Corpus:
        """The corpus, in some of its designs where it has any."""
        return self.corpus.where(self.corpus.table["design"].isin(designs)) if self.corpus.designs else self.corpus

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
                TRANSFER,
                parameters={"set": which.name, "metric": which.metric, "size": encoder.image_size, "limit": limit},
                inputs={"encoder": self.encoder_key(run, encoder, seed), "images": data.fingerprint},
                compute=compute,
            ).table()

        return over_sets(sets, encoder.image_size, limit, probe)

    def evaluated(self, which: Arm, captions: Captions, p: Pretraining, seed: int, *, first: int = 0) -> Evaluated:
        """One arm and seed, trained on the captions or on the ``first`` of them, and probed."""
        run = self.pretrained(which, captions, p, seed, first=first)
        evaluation = self.probed(run, self.encoder_recipe(p), seed, p.probe_designs)
        return Evaluated(which.name, seed, run, evaluation, first or len(captions))


def corpus_options(parameters: Parameters | None) -> dict:
    """The options of :func:`stablerep.corpus.load_corpus` that a chapter's parameters give."""
    found = {name: value for name in ("labels", "cluster", "split") if (value := getattr(parameters, name, None))}
    return found if getattr(parameters, "corpus", "emoji") != "emoji" else {}


def sampling_of(p: Parameters, guidance_scale: float) -> Sampling:
    """How a chapter's parameters make synthetic images, at one guidance scale."""
    from stablerep.generator.sampling import Sampling

    return Sampling(guidance_scale=guidance_scale, steps=p.sampling_steps, sampler=p.sampler)


_GENERATORS: dict[str, Generator] = {}
_SETS: dict = {}
