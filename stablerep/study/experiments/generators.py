"""Generators that are runs: trained further on images of the study, and images that an encoder picks among theirs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.errors import InputError
from stablerep.study.experiments.image_sets import ImageSets
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.sources import RUN
from stablerep.study.experiments.steps import GENERATOR, GENERATOR_BATCH
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.camera import Camera
    from stablerep.captioned_images import CaptionedImages

LEFT_OVER = ("denoiser", "recipes.json")  # what a training needs until its pipeline is whole
SCORES = (
    "stablerep.training.joint_space", "stablerep.probes.extraction", "stablerep.camera", f"{__name__}:closeness",
)  # fmt: skip


class Generators(ImageSets):
    """What chapters share of training generators."""

    def need_trainable(self, name: str) -> None:
        """Refuse a generator that cannot be trained further, before anything is drawn for it."""
        from stablerep.generator.folders import generator_folder, read_index
        from stablerep.generator.training import AUTOENCODER

        folder = generator_folder(name)
        if folder is None or AUTOENCODER not in (read_index(folder).get("vae") or ()):
            raise InputError(
                f"generator is {name!r}; to be trained further it must be emoji or a pipeline/ of `stablerep train-generator`."
            )

    def trained_further(self, start: str, images: ImageSet, *, steps: int, learning_rate: float, seed: int) -> str:
        """Train a generator further on drawings, or photographs, all of them to learn from; a run that was cut goes on.

        Its autoencoder and tokenizer are kept (:func:`stablerep.generator.training.train_generator`).

        Args:
            start: the generator to go on from, as :attr:`Generated.generator` names it, or as this method does.
            images: brought to the generator's resolution.
            steps: of 64 images.

        Returns:
            What names it in the place of a generator: ``run:`` and the key of the run.

        Raises:
            InputError: when it is computed, a start that no training of ours made.
        """

        def train(folder: Path) -> dict:
            from stablerep.generator.denoiser_training import DenoiserRecipe
            from stablerep.generator.loading import load_generator
            from stablerep.generator.training import train_generator
            from stablerep.synthesis.as_corpus import learned_from

            opened, data = load_generator(self.generator_place(start), precision="float32"), images.load()
            recipe = DenoiserRecipe(
                epochs=steps * GENERATOR_BATCH / len(data.images), batch_size=GENERATOR_BATCH, learning_rate=learning_rate, seed=seed
            )  # fmt: skip
            corpus = learned_from(data, self.corpus)
            train_generator(
                corpus, folder, resolution=opened.resolution, start=opened, denoiser_recipe=recipe, samples=False
            )
            for name in LEFT_OVER:
                path = folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            return {"images": len(data.images), "captions": len(data.captions)}

        run = self.store.obtain(
            GENERATOR,
            parameters={"steps": steps, "learning_rate": learning_rate, "seed": seed}
            | ({"images_by": list(images.code)} if images.code else {}),
            inputs={"start": self.generator_fingerprint(start), "images": images.name},
            compute=train,
        )
        return f"{RUN}{run.key}"

    def closest_to_captions(self, drawings: ImageSet, encoder: Run, count: int) -> ImageSet:
        """Of each caption the ``count`` drawings whose scenes an encoder that reads captions finds closest to it."""

        def score(data: CaptionedImages) -> Tensor:
            return closeness(data, encoder.folder, self.camera)

        return drawings.closest(score, count, self._seen(encoder.key), *SCORES)


def closeness(data: CaptionedImages, encoder: Path, camera: Camera) -> Tensor:
    """Cosine of each image, as a scene, and its caption in the joint space of a finished run: float [N] (Radford et al. 2021, section 2.3).

    Raises:
        InputError: the run's method reads no captions.
    """
    import torch.nn.functional as F

    from stablerep.probes.extraction import features_of
    from stablerep.training.joint_space import load_joint_space

    space = load_joint_space(encoder)
    seen = space.images(features_of(space.backbone, data.through(camera).images))
    read = space.texts(data.captions)[data.caption_ids.to(seen.device)]
    return F.cosine_similarity(seen, read.to(seen.device), dim=1).cpu()
