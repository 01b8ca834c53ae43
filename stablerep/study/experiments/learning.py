"""Arms that learn: the images and the recipe of each, and its pre-training as a run in the store."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import InputError
from stablerep.methods import METHODS
from stablerep.study.experiments.arms import ARMS, Arm, arm
from stablerep.study.experiments.generators import Generators
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.steps import PRETRAINING
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from stablerep.encoders import EncoderRecipe
    from stablerep.study.parameters.base import Parameters, Pretraining
    from stablerep.training import PretrainingRecipe


def own(p: Parameters, which: Arm, name: str) -> float:
    """The value of a parameter for an arm's method: its own where there is one, such as ``clip_learning_rate``."""
    mine = f"{which.method.replace('-', '_')}_{name}"
    return getattr(p, mine) if hasattr(p, mine) else getattr(p, name)


class Learning(Generators):
    """What chapters share of learning."""

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
        """The scenes that one arm learns from at a seed: those of :meth:`arm_drawings`."""
        return self.seen(self.arm_drawings(which, captions, p, seed))

    def arm_drawings(self, which: Arm, captions: Captions, p: Pretraining, seed: int) -> ImageSet:
        """The images of one arm at a seed before the camera: synthetic ones are those of the study's own seed, but for arms that draw them anew.

        Where captions repeat, real arms have as many images of a caption as synthetic ones.
        """
        if which.images != "synthetic":
            at_most = p.images_per_caption if self.repeats_captions else 1
            if which.images == "reconstructed":
                return self.reconstructed_images(captions, p, at_most=at_most)
            return self.real_drawings(captions, several=which.images == "designs", at_most=at_most)
        # No more images than are used; they are the first of a larger set, and its run need not be there.
        count = p.images_per_caption if self.repeats_captions or which.stored is None else which.stored
        w = own(p, which, "guidance_scale") if which.guidance_scale is None else which.guidance_scale
        drawn = seed if which.redrawn else p.seed
        return self.synthetic_images(captions, p, w, images_per_caption=count, seed=drawn)

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

    def fills_a_batch(self, which: Arm, captions: Captions, p: Pretraining) -> bool:
        """Whether the captions, where each has images of its own, are enough for a batch of an arm's method, halved as often as it can be."""
        apart = self.captions_apart(captions, p)
        return self.recipe(which, p, p.seed, apart).captions_per_step <= apart

    def captions_apart(self, captions: Captions, p: Parameters) -> int:
        """How many of some captions may share a batch: all, or one of each concept."""
        if p.one_per_concept and self.about.designs:
            return len({self.clusters[one] for one in captions.texts})
        return len(captions)

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
        if p.one_per_concept and self.about.designs:
            images = images.grouped(lambda: self.clusters)
        if self.repeats_captions and METHODS[method].traits.ids == "image":
            images = images.each_alone()
        return images, self.captions_apart(captions, p)

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
            parameters=asdict(recipe)
            | ({"label": label} if label else {})
            | ({"images_by": list(images.code)} if images.code else {}),
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
