"""The study: asks the store for what a chapter needs and computes what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.errors import InputError
from stablerep.methods import METHODS
from stablerep.study.experiments.arms import ARMS, Arm, arm
from stablerep.study.experiments.evaluated import Evaluated
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.sources import Sources
from stablerep.study.experiments.steps import EVALUATION, PRETRAINING, TRANSFER
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from stablerep.encoders import EncoderRecipe
    from stablerep.study.parameters.base import Parameters, Pretraining
    from stablerep.training import PretrainingRecipe


def own(p: Parameters, which: Arm, name: str) -> float:
    """The value of a parameter for an arm's method: its own where there is one, such as ``clip_learning_rate``."""
    mine = f"{which.method.replace('-', '_')}_{name}"
    return getattr(p, mine) if hasattr(p, mine) else getattr(p, name)


class Study(Sources):
    """What chapters share: sources, arms that learn from them, encoders and their probes, each a run in the store."""

    def arms(self, *names: str) -> list[Arm]:
        """All arms, or those of some names, without those that need several designs, or classes, where the corpus has none."""
        return [one for one in ([arm(name) for name in names] if names else ARMS) if not self.lacking(one)]

    def left_out(self) -> str:
        """Which arms the corpus cannot have, and why; empty when it can have all."""
        missing: dict[str, list[str]] = {}
        for one in ARMS:
            if what := self.lacking(one):
                missing.setdefault(what, []).append(one.name)
        return " ".join(
            f"This corpus names no {what}, so {', '.join(arms)} {'is' if len(arms) == 1 else 'are'} left out."
            for what, arms in missing.items()
        )

    def lacking(self, which: Arm) -> str:
        """What an arm needs and the corpus does not have; empty where it has all."""
        if which.images == "designs" and len(self.about.designs) < 2:
            return "designs of its captions"
        told = which.trained and METHODS[which.method].traits.ids == "class"
        return "classes" if told and not self.about.labels else ""

    def arm_images(self, which: Arm, captions: Captions, p: Pretraining, seed: int) -> ImageSet:
        """The images that one arm learns from at a seed: synthetic ones are those of the study's own seed, but for arms that draw them anew.

        Where captions repeat, real arms have as many images of a caption as synthetic ones.
        """
        if which.images != "synthetic":
            at_most = p.images_per_caption if self.repeats_captions else 1
            if which.images == "reconstructed":
                return self.seen(self.reconstructed_images(captions, p, at_most=at_most))
            return self.real_images(captions, several=which.images == "designs", at_most=at_most)
        # No more images than are used; they are the first of a larger set, and its run need not be there.
        count = p.images_per_caption if self.repeats_captions or which.stored is None else which.stored
        w = own(p, which, "guidance_scale") if which.guidance_scale is None else which.guidance_scale
        drawn = seed if which.redrawn else p.seed
        return self.seen(self.synthetic_images(captions, p, w, images_per_caption=count, seed=drawn))

    def encoder_recipe(self, p: Parameters) -> EncoderRecipe:
        """The encoder that a chapter's parameters ask for."""
        from stablerep.encoders import EncoderRecipe

        return EncoderRecipe(name=p.encoder, image_size=self.size, stem=p.stem)

    def recipe(self, which: Arm, p: Pretraining, seed: int, captions: int) -> PretrainingRecipe:
        """How one arm learns from so many captions that may share a batch.

        A batch cannot hold a caption twice: while it has more than there are, it is halved, and the steps doubled.
        """
        from stablerep.training import PretrainingRecipe
        from stablerep.views import ViewRecipe

        views, steps = p.views_per_step, p.steps
        traits = METHODS[which.method].traits
        per_caption = p.positives if traits.several else traits.views
        alone = self.repeats_captions and traits.ids == "image"
        while not alone and views // per_caption > captions and views % (4 * per_caption) == 0:
            views, steps = views // 2, steps * 2
        view = ViewRecipe(size=self.size, crop_min=p.crop_min)
        if traits.reads_captions:
            colour = getattr(p, "caption_colour", 1.0)
            view = replace(view, jitter=colour * view.jitter, grey=colour * view.grey)
        encoder = self.encoder_recipe(p)
        if traits.patches:
            encoder = replace(encoder, name=p.patch_encoder, stem="published", patch_size=p.patch_size, depth=p.depth)
        return PretrainingRecipe(
            method=which.method, steps=steps, views_per_step=views, images_per_caption=p.positives if traits.several else 1, seed=seed,
            teacher_momentum=own(p, which, "teacher_momentum") if traits.teacher else 0.0,
            learning_rate=own(p, which, "learning_rate"), encoder=encoder, view=view,
            head_statistics="per-view" if traits.projects else "joint",  # as the authors' code has it
        )  # fmt: skip

    def pretrained(self, which: Arm, captions: Captions, p: Pretraining, seed: int, *, first: int = 0) -> Run | None:
        """The pre-training run of one arm and seed; None for those that no training makes.

        ``first`` > 0 learns from the first captions only; their images are those of the whole set, made once.
        """
        if not which.trained:
            return None
        images = self.arm_images(which, captions, p, seed)
        images = images.only(captions.first(first), captions) if first else images
        learned = captions.first(first) if first else captions
        images, apart = self.as_learned(images, learned, p, which.method)
        recipe = self.recipe(which, p, seed, apart)
        label = self.about.labels[-1] if METHODS[which.method].traits.ids == "class" else None
        return self.pretraining(images, recipe, f"{which.name}, seed {seed}", label=label)

    def as_learned(self, images: ImageSet, captions: Captions, p: Parameters, method: str) -> tuple[ImageSet, int]:
        """Images as a method takes them into batches, and how many of their captions may share one.

        Where captions repeat, methods that know images alone take each image as a caption of its own.
        """
        apart = len(captions)
        if p.one_per_concept and self.about.designs:
            images, apart = images.grouped(lambda: self.clusters), len({self.clusters[one] for one in captions.texts})
        if self.repeats_captions and METHODS[method].traits.ids == "image":
            images = images.each_alone()
        return images, apart

    def pretraining(
        self, images: ImageSet, recipe: PretrainingRecipe, progress: str, *, label: str | None = None
    ) -> Run:
        """The pre-training run of a recipe; ``progress`` names its bar, ``label`` the column that holds the classes."""
        from stablerep.training import pretrain

        def train(folder: Path) -> dict:
            table = self.corpus.table.drop_duplicates("caption").set_index("caption")
            classes = table[label].to_dict() if label else None
            return pretrain(images.load(), recipe, folder, classes=classes, progress=progress)

        return self.store.obtain(
            PRETRAINING,
            parameters=asdict(recipe) | ({"label": label} if label else {}),
            inputs={"images": images.name},
            compute=train,
        )

    def pretrained_run(self, key: str) -> tuple[Run, PretrainingRecipe]:
        """A finished pre-training by its key, which may be shortened, and its recipe, or ``InputError``."""
        from stablerep.training import load_recipe

        run = self.store.find(key)
        if run is None or run.info["step"] != "pretraining":
            raise InputError(f"there is no complete pre-training {key!r}; `stablerep runs list` shows those there are.")
        return run, load_recipe(run.folder)

    def backbone(self, run: Run | None, encoder: EncoderRecipe, seed: int, untrained: str = "random"):
        """The frozen encoder of a run, or for None the one of random weights or a floor."""
        from stablerep.probes.floors import floor_backbone
        from stablerep.training import load_backbone, random_backbone

        if run:
            return load_backbone(run.folder)
        return random_backbone(encoder, seed) if untrained == "random" else floor_backbone(untrained)

    def encoder_key(self, run: Run | None, encoder: EncoderRecipe, seed: int, untrained: str = "random") -> str:
        """What names the weights of :meth:`backbone` as an input of another run."""
        if run:
            return run.key
        if untrained != "random":
            return untrained
        shape = f"-patch{encoder.patch_size}" if encoder.patch_size else ""
        shape += f"-depth{encoder.depth}" if encoder.depth else ""
        return f"random-{encoder.name}-{encoder.stem}{shape}-{encoder.image_size}px-{seed}"

    def probed(
        self, run: Run | None, encoder: EncoderRecipe, seed: int, p: Parameters, *, untrained: str = "random"
    ) -> Run:
        """Results of :func:`stablerep.probes.suite.evaluate` for a run's encoder, or for None of what is untrained.

        Raises:
            InputError: the corpus has nothing that a probe could ask for.
        """
        from stablerep.probes.suite import evaluate

        if not self.about.labels and not self.about.designs:
            raise InputError(
                f"corpus is {self.source!r}, which declares no labels, and probes ask for one; labels names columns of classes."
            )

        def probe(folder: Path) -> dict:
            backbone = self.backbone(run, encoder, seed, untrained)
            items = evaluate(backbone, self.probed_part(p.probe_designs), self.size, part=p.probe_part)
            items.to_parquet(folder / "results.parquet", index=False)
            return items.groupby("probe")["correct"].mean().to_dict()

        about = self.about
        how = {"size": self.size, "labels": list(about.labels), "cluster": about.cluster, "part": p.probe_part}
        return self.store.obtain(
            EVALUATION,
            parameters=how | ({"designs": sorted(p.probe_designs)} if about.designs else {}),
            inputs={"encoder": self.encoder_key(run, encoder, seed, untrained), "corpus": self.seen_fingerprint},
            compute=probe,
        )

    def transferred(
        self,
        run: Run | None,
        encoder: EncoderRecipe,
        seed: int,
        sets: Sequence[str],
        *,
        limit: int = 0,
        untrained: str = "random",
        probe: str = "linear",
    ) -> pd.DataFrame:
        """Per-item results as :func:`stablerep.transfer.transfer` gives them, a run for each set that is there; for None of
        what is untrained."""
        from stablerep.transfer import over_sets, probe_set

        other = {} if probe == "linear" else {"probe": probe}

        def probed(which, data):
            def compute(folder: Path) -> dict:
                items = probe_set(self.backbone(run, encoder, seed, untrained), data, which, probe=probe)
                items.to_parquet(folder / "results.parquet", index=False)
                return {"correct": items["correct"].mean()}

            return self.store.obtain(
                TRANSFER,
                parameters={"set": which.name, "metric": which.metric, "size": encoder.image_size, "limit": limit}
                | other,
                inputs={"encoder": self.encoder_key(run, encoder, seed, untrained), "images": data.fingerprint},
                compute=compute,
            ).table()

        return over_sets(sets, encoder.image_size, limit, probed)

    def evaluated(self, which: Arm, captions: Captions, p: Pretraining, seed: int, *, first: int = 0) -> Evaluated:
        """One arm and seed, trained on the captions or on the ``first`` of them, and probed."""
        run = self.pretrained(which, captions, p, seed, first=first)
        untrained = "" if which.trained else which.method
        evaluation = self.probed(run, self.encoder_recipe(p), seed, p, untrained=untrained)
        return Evaluated(which.name, seed, run, evaluation, first or len(captions))
