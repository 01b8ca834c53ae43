"""What kernels of chapters and processes that compute runs have imported before they begin (:mod:`stablerep.study.notebooks.forked`)."""

import importlib

from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.store.code import library_hash

for name in (
    "ipykernel.ipkernel", "ipykernel.kernelapp", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "matplotlib.backends.backend_svg",
    "matplotlib.pyplot", "pyarrow.parquet", "stablerep.figures.solutions", "stablerep.study.experiments.study", "stablerep.study.notebooks.chapter", "torch",
):  # fmt: skip
    importlib.import_module(name)
for name in chapter_names():
    chapter(name)
library_hash()  # reads every module, so that runs are named by the code that has been loaded, whatever is edited meanwhile
