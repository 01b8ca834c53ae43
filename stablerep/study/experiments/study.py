"""The study: asks the store for what a chapter needs and computes what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stablerep.errors import InputError
from stablerep.study.experiments.arms import Arm
from stablerep.study.experiments.evaluated import Evaluated
from stablerep.study.experiments.images import Captions, ImageSet
from stablerep.study.experiments.learning import Learning
from stablerep.study.experiments.steps import EVALUATION, TRANSFER
from stablerep.study.store.runs import Run

if TYPE_CHECKING:
    from stablerep.encoders import EncoderRecipe
    from stablerep.study.parameters.base import Parameters, Pretraining


class Study(Learning):
    """What chapters share: sources, arms that learn from them, encoders and their probes, each a run in the store."""

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

    def evaluated_on(
        self, images: ImageSet, which: Arm, captions: Captions, p: Pretraining, seed: int, *, label: str | None = None
    ) -> Evaluated:
        """An arm's method on other images of the captions than the arm's own, and probed; ``label`` names a column of what makes positives."""
        images, apart = self.as_learned(images, captions, p, which.method)
        run = self.pretraining(images, self.recipe(which, p, seed, apart), f"{which.name}, seed {seed}", label=label)
        return Evaluated(which.name, seed, run, self.probed(run, self.encoder_recipe(p), seed, p), len(captions))

    def evaluated(self, which: Arm, captions: Captions, p: Pretraining, seed: int, *, first: int = 0) -> Evaluated:
        """One arm and seed, trained on the captions or on the ``first`` of them, and probed."""
        run = self.pretrained(which, captions, p, seed, first=first)
        untrained = "" if which.trained else which.method
        evaluation = self.probed(run, self.encoder_recipe(p), seed, p, untrained=untrained)
        return Evaluated(which.name, seed, run, evaluation, first or len(captions))
