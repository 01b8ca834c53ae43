"""What kernels of chapters and processes that compute runs have imported before they begin (:mod:`stablerep.study.notebooks.forked`)."""

import importlib
import warnings

from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.store.code import library_hash
from stablerep.torchvision_shim import ensure_torchvision_imports

PAGES = (
    "ipykernel.ipkernel", "ipykernel.kernelapp", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf",
    "matplotlib.backends.backend_svg", "matplotlib.pyplot", "pyarrow.parquet", "stablerep.figures.solutions",
    "stablerep.study.experiments.study", "stablerep.study.notebooks.chapter",
)  # fmt: skip
RUNS = (
    "diffusers.models.unets.unet_2d_condition", "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion", "diffusers.models.autoencoders.autoencoder_tiny",
    "lightly.loss", "lightly.models.modules.heads", "scipy.stats", "skimage.color", "skimage.feature", "sklearn.linear_model", "timm", "transformers.models.clip",
)  # fmt: skip

ensure_torchvision_imports()
with warnings.catch_warnings(action="ignore"):  # that there are no widgets for progress bars
    for name in (*PAGES, *RUNS):
        importlib.import_module(name)
for name in chapter_names():
    chapter(name)
library_hash()  # reads every module, so that runs are named by the code that has been loaded, whatever is edited meanwhile
