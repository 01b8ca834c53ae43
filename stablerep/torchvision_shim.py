"""Let torchvision's transforms be imported beside a torch that lacks its compiled operators.

The only torchvision wheel that pip finds for some platforms is built for CUDA. Beside a CPU-only torch its operators do
not load, and ``import torchvision`` fails with *operator torchvision::nms does not exist*; timm, transformers and diffusers
all import it. The study uses none of those operators: declaring their schemas is enough. Where torchvision works by
itself nothing is done.
"""

from __future__ import annotations

_library = None  # keeps the declared schemas alive as long as the process


def ensure_torchvision_imports() -> bool:
    """Make ``import torchvision`` work. Returns True when schemas had to be declared, False when nothing was done."""
    global _library
    import importlib.util
    import sys

    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return False
    try:
        import torchvision  # noqa: F401

        return False
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # leave no half-imported package behind
    import torch

    _library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return True
