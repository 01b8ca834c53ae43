"""The contrastive losses of the study. One function per equation; a method is a choice of ids.

| method | call |
|---|---|
| SimCLR | ``multi_positive`` with ids = image index, two views of each image |
| supervised contrastive | ``multi_positive`` with ids = class |
| StableRep | ``multi_positive`` with ids = caption, several generated images of each |
| CLIP | ``image_text`` with one image and one caption per id |
| StableRep+ | ``multi_positive`` + ``image_text`` on the same images |
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def _cross_entropy_to_positives(logits: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows of H(p, softmax(logits)), p uniform over ``positive`` [A, B]. A row without positives counts as 0."""
    target = positive / positive.sum(1, keepdim=True).clamp_min(1)
    log_probability = F.log_softmax(logits, dim=1).masked_fill(~positive, 0.0)  # keeps -inf out of 0 * -inf
    return -(target * log_probability).sum(1).mean()


def _check(features: Tensor, ids: Tensor, name: str) -> None:
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(f"{name} features have shape {tuple(features.shape)} and type {features.dtype}; float [N, D] is needed.")
    if ids.shape != features.shape[:1] or ids.is_floating_point():
        raise ValueError(f"{name} ids have shape {tuple(ids.shape)} and type {ids.dtype}; integer [{len(features)}] is needed.")


def multi_positive(features: Tensor, ids: Tensor, *, temperature: float = 0.1) -> Tensor:
    r"""The multi-positive contrastive loss of StableRep (Tian et al. 2023, section 3.2, equations 1 to 3).

    For anchor a with candidates b != a, features on the unit sphere and temperature t:

    .. math:: q_b = \frac{\exp(a \cdot b / t)}{\sum_j \exp(a \cdot b_j / t)}, \quad
              p_b = \frac{[id_a = id_b]}{\sum_j [id_a = id_j]}, \quad L = -\sum_b p_b \log q_b,

    averaged over anchors. The positives stay in the denominator, so with m images a caption the floor is log(m - 1).
    With two views an image and ids = image index this is SimCLR's NT-Xent (Chen et al. 2020, equation 1).

    Args:
        features: float [N, D], of any length; normalized here.
        ids: integer [N]; images with equal ids are each other's positives.
        temperature: positive; the paper uses 0.1.

    Returns:
        Scalar. As in the authors' code, an anchor without positives adds zero to the sum and one to the count.

    Raises:
        ValueError: wrong shapes or types, fewer than two rows, or a temperature that is not positive.

    Differences from the authors' code: self-pairs are masked by -inf instead of -1e9, logits are always float32, and one
    process is assumed.
    """
    _check(features, ids, "image")
    if len(features) < 2:
        raise ValueError(f"{len(features)} image was given; a contrastive loss needs at least two.")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be positive.")
    with torch.autocast(features.device.type, enabled=False):
        z = F.normalize(features.float(), dim=1)  # NxD
        logits = z @ z.T / temperature  # NxN
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (ids[:, None] == ids[None, :]) & ~itself
    return _cross_entropy_to_positives(logits.masked_fill(itself, -torch.inf), positive)


def image_text(
    image_features: Tensor, text_features: Tensor, image_ids: Tensor, text_ids: Tensor, *, logit_scale: Tensor | float
) -> Tensor:
    r"""The image-text loss of StableRep+ (Tian et al. 2023, section 3.3): the mean of both directions, multi-positive.

    .. math:: L = \tfrac12 (L_{i2t} + L_{t2i}), \quad \text{logits} = s \; I T^\top,

    each direction a cross-entropy to the uniform distribution over the partners with the same id. With unique ids it is
    CLIP's loss (Radford et al. 2021, figure 3).

    Args:
        image_features: float [N, D]; normalized here.
        text_features: float [M, D]; normalized here.
        image_ids: integer [N].
        text_ids: integer [M].
        logit_scale: the factor s > 0 itself, not its logarithm; CLIP starts at 1/0.07.

    Returns:
        Scalar; an image or text without a partner adds zero to its direction's sum and one to its count.

    Raises:
        ValueError: wrong shapes or types, or a scale that is not positive.
    """
    _check(image_features, image_ids, "image")
    _check(text_features, text_ids, "text")
    if image_features.shape[1] != text_features.shape[1]:
        raise ValueError(f"images have {image_features.shape[1]} dimensions, texts {text_features.shape[1]}; they must agree.")
    scale = float(torch.as_tensor(logit_scale).detach())
    if not scale > 0:
        raise ValueError(f"logit_scale is {scale}; it must be positive.")
    with torch.autocast(image_features.device.type, enabled=False):
        images = F.normalize(image_features.float(), dim=1)  # NxD
        texts = F.normalize(text_features.float(), dim=1)  # MxD
        logits = logit_scale * images @ texts.T  # NxM
    positive = image_ids[:, None] == text_ids[None, :]
    i2t = _cross_entropy_to_positives(logits, positive)
    t2i = _cross_entropy_to_positives(logits.T, positive.T)
    return (i2t + t2i) / 2
