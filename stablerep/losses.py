"""The contrastive losses of the study. One function per equation; a method is a choice of ids.

| method | call |
|---|---|
| SimCLR | ``multi_positive`` with ids = image index, two views of each image |
| supervised contrastive | ``multi_positive`` with ids = class |
| StableRep | ``multi_positive`` with ids = caption, several generated images of each |
| CLIP | ``image_text`` with one image and one caption per id |
| StableRep+ | ``multi_positive`` + ``image_text`` on the same images |

``multi_positive_among`` is the same loss with other candidates than the anchors: those of all processes, or those of a :class:`FeatureQueue`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LONELY = ("zero", "skip")


def _cross_entropy_to_positives(logits: Tensor, positive: Tensor, lonely: str = "zero") -> Tensor:
    """Mean over rows of H(p, softmax(logits)), p uniform over ``positive`` [A, B]. A row without positives counts as 0, or not at all."""
    count = positive.sum(1, keepdim=True)
    log_probability = F.log_softmax(logits, dim=1).masked_fill(~positive, 0.0)  # keeps -inf out of 0 * -inf
    rows = -(log_probability / count.clamp_min(1)).sum(1)
    return rows.mean() if lonely == "zero" else rows.sum() / (count > 0).sum().clamp_min(1)


def _check(features: Tensor, ids: Tensor, name: str) -> None:
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"{name} features have shape {tuple(features.shape)} and type {features.dtype}; float [N, D] is needed."
        )
    if ids.shape != features.shape[:1] or ids.is_floating_point():
        raise ValueError(
            f"{name} ids have shape {tuple(ids.shape)} and type {ids.dtype}; integer [{len(features)}] is needed."
        )


def multi_positive(features: Tensor, ids: Tensor, *, temperature: float = 0.1, lonely: str = "zero") -> Tensor:
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
        lonely: what an anchor without positives does: ``zero``, as in the authors' code, adds zero to the sum and one to the
            count; ``skip`` leaves it out of the mean. Its image stays a negative of the others either way.

    Returns:
        Scalar; 0 when no anchor has a positive.

    Raises:
        ValueError: wrong shapes or types, fewer than two rows, a temperature that is not positive, or another ``lonely``.

    Differences from the authors' code: self-pairs are masked by -inf instead of -1e9, and logits are always float32.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} image was given; a contrastive loss needs at least two.")
    itself = torch.arange(len(features), device=features.device)
    return multi_positive_among(features, ids, features, ids, itself=itself, temperature=temperature, lonely=lonely)


def multi_positive_among(
    anchors: Tensor, anchor_ids: Tensor, candidates: Tensor, candidate_ids: Tensor, *, itself: Tensor | None = None,
    temperature: float = 0.1, lonely: str = "zero",
) -> Tensor:  # fmt: skip
    """:func:`multi_positive` with the candidates named apart from the anchors: features of other processes, or of a queue.

    With a queue, the masks follow from the ids as within a batch: what the queue holds of an anchor's caption is its positive.

    Args:
        anchors: float [A, D]; normalized here. anchor_ids: integer [A].
        candidates: float [B, D]; normalized here. candidate_ids: integer [B].
        itself: int64 [A], the place of each anchor among the candidates, -1 where it is not there; None is -1 for all.

    Returns:
        Scalar, the mean over anchors.

    Raises:
        ValueError: wrong shapes or types, a temperature that is not positive, or another ``lonely``.
    """
    _check(anchors, anchor_ids, "image")
    _check(candidates, candidate_ids, "candidate")
    if anchors.shape[1] != candidates.shape[1]:
        raise ValueError(
            f"anchors have {anchors.shape[1]} dimensions, candidates {candidates.shape[1]}; they must agree."
        )
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be positive.")
    if lonely not in LONELY:
        raise ValueError(f"lonely is {lonely!r}; valid values are {', '.join(LONELY)}.")
    with torch.autocast(anchors.device.type, enabled=False):
        z = F.normalize(anchors.float(), dim=1)  # AxD
        logits = z @ F.normalize(candidates.float(), dim=1).T / temperature  # AxB
    positive = anchor_ids[:, None] == candidate_ids[None, :]
    if itself is not None:
        same = itself[:, None] == torch.arange(len(candidates), device=itself.device)
        logits, positive = logits.masked_fill(same, -torch.inf), positive & ~same
    return _cross_entropy_to_positives(logits, positive, lonely)


def image_text(
    image_features: Tensor, text_features: Tensor, image_ids: Tensor, text_ids: Tensor, *, logit_scale: Tensor | float
) -> Tensor:
    r"""The image-text loss of StableRep+ (Tian et al. 2023, section 3.3): the mean of both directions, multi-positive.

    .. math:: L = \tfrac12 (L_{i2t} + L_{t2i}), \quad \text{logits} = s \; I T^\top,

    each direction a cross-entropy to the uniform distribution over the partners with the same id. With unique ids it is
    CLIP's loss (Radford et al. 2021, figure 3). The half belongs to this loss: StableRep+ adds it to :func:`multi_positive` with
    weight 1, as the authors' code does (``models/losses.py``: w1 = w2 = 1).

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
        raise ValueError(
            f"images have {image_features.shape[1]} dimensions, texts {text_features.shape[1]}; they must agree."
        )
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


class FeatureQueue:
    """The latest features of earlier steps with their ids, as more candidates for a loss (He et al. 2020, section 3.2).

    The queue holds features without gradient. Ids must mean the same in every step: a caption's number in the set, not in the batch.
    An image that is in the batch and, from an earlier step, in the queue is a positive like any other of its caption.

    Args:
        size: how many features it keeps. width: their dimensions.
    """

    def __init__(self, size: int, width: int, *, device: torch.device | str = "cpu") -> None:
        if size < 1 or width < 1:
            raise ValueError(f"size is {size}, width {width}; a queue needs at least 1 of each.")
        self.size = size
        self.features, self.ids = torch.empty(0, width, device=device), torch.empty(0, dtype=torch.int64, device=device)

    def push(self, features: Tensor, ids: Tensor) -> None:
        """Add features float [N, D] with their ids; the oldest beyond ``size`` leave."""
        _check(features, ids, "queued")
        if features.shape[1] != self.features.shape[1]:
            raise ValueError(
                f"features have {features.shape[1]} dimensions, the queue {self.features.shape[1]}; they must agree."
            )
        self.features = torch.cat([self.features, features.detach().float()])[-self.size :]
        self.ids = torch.cat([self.ids, ids.detach().long()])[-self.size :]

    def multi_positive(
        self, features: Tensor, ids: Tensor, *, temperature: float = 0.1, lonely: str = "zero"
    ) -> Tensor:
        """:func:`multi_positive` of a batch whose candidates are the batch and what the queue holds. Does not push."""
        return multi_positive_among(
            features, ids, torch.cat([features.float(), self.features]), torch.cat([ids.long(), self.ids]),
            itself=torch.arange(len(features), device=features.device), temperature=temperature, lonely=lonely,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Tensor]:
        return {"features": self.features, "ids": self.ids}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.features, self.ids = state["features"], state["ids"]
