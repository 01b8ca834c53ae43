"""Unified Concept Editing: a generator is changed in closed form, so that it reads some captions as others (Gandikota et al. 2024, arXiv 2308.14761).

A caption reaches a denoiser through linear maps of its embeddings. Each such map W is replaced by the one that sends every embedding c of an
edited caption to where it is wanted, v, and the embeddings p of captions to preserve to where they went, in the sense of least squares
(equation 7, with a weight for what is preserved and a ridge that keeps W where no caption says anything):

.. math:: W' = \\Big(\\sum_e v_e c_e^T + \\lambda \\sum_p W p p^T + r W\\Big) \\Big(\\sum_e c_e c_e^T + \\lambda \\sum_p p p^T + r I\\Big)^{-1}

Here what is wanted is what W makes of another embedding t, so that v = W t. Then W stands in front of every term, W' = W M, and the matrix M is
the same for all maps that read the same embeddings.

**What is aligned.** All captions are cut or padded to the same number of tokens, and the embedding at each place of an edited caption is read as the one at the same
place of the other caption, padding included, since denoisers read it too. A text encoder of CLIP looks back alone, so up to the first token that differs
both have the same embeddings, and there the pair says that what is read stays. (The authors' code leaves these out and begins at the last word of either caption, so that it aligns
other places where captions differ in length.)

**Which maps.** In Stable Diffusion 1 and 2 captions enter by the keys and values of every cross-attention, and the paper edits these. The miniature has
a second way: a pooled embedding of the caption joins the time (``addition_embed_type`` ``text``). An edit that left it out would leave the
generator a whole vector of the old caption. So the linear map behind the pooling is edited too, with the pooled embeddings as its inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stablerep.errors import InputError
from stablerep.generator.embeddings import CaptionEmbeddings
from stablerep.tokenizer import tokenize

if TYPE_CHECKING:
    from torch import Tensor, nn

PRESERVATION = 1.0  # lambda: what is preserved weighs as much as what is edited, as in the paper's equation
RIDGE = 0.01  # an embedding of the miniature has a squared length of some hundreds


@dataclass(frozen=True)
class Edit:
    """How a caption is to be read.

    Attributes:
        caption: the one that is edited.
        towards: other captions with their weights. The caption's embedding c is to be read as c + sum of weight * (the other's embedding - c).
            With one other caption and weight 1 it is read as that caption, which erases what it says beyond it; with less it moves part
            of the way. Captions that name an attribute move it towards those whom they name, which is the paper's debiasing.
    """

    caption: str
    towards: Mapping[str, float]


def correction(
    sources: Tensor, targets: Tensor, preserved: Tensor, *, preservation: float = PRESERVATION, ridge: float = RIDGE
) -> Tensor:
    """The matrix M of the edited maps W' = W M (equation 7 with v = W t): float64 [D, D].

    Args:
        sources, targets: float [N, D], embeddings that are edited, and those as which they are to be read. preserved: float [P, D]; there may be none.
        preservation: lambda, the weight of a preserved embedding beside that of an edited one. ridge: r.

    Raises:
        InputError: shapes that do not fit, a preservation below 0, or a ridge that is not above 0, without which there may be no solution.
    """
    import torch

    if sources.shape != targets.shape or sources.ndim != 2 or preserved.shape[1:] != sources.shape[1:]:
        raise InputError(
            f"sources, targets and preserved have shapes {[list(one.shape) for one in (sources, targets, preserved)]}; [N, D], [N, D] and [P, D] "
            "are needed."
        )
    if not 0 <= preservation < math.inf:
        raise InputError(f"preservation is {preservation}; it is a weight, 0 or more.")
    if not 0 < ridge < math.inf:
        raise InputError(f"ridge is {ridge}; it is a number above 0, such as {RIDGE}.")
    c, t, p = (one.detach().cpu().double() for one in (sources, targets, preserved))
    seen = c.T @ c + preservation * p.T @ p + ridge * torch.eye(c.shape[1], dtype=torch.float64)
    change = torch.linalg.solve(seen, (t - c).T @ c, left=False)  # less rounding than M itself
    return change + torch.eye(c.shape[1], dtype=torch.float64)


def edit(
    pipeline, edits: Sequence[Edit], preserved: Sequence[str], *, preservation: float = PRESERVATION, ridge: float = RIDGE
) -> list[str]:  # fmt: skip
    """Edit a ``StableDiffusionPipeline`` in place: the miniature or Stable Diffusion. It is saved and opened as any other.

    Args:
        preserved: captions whose reading is to stay. The empty caption, from which guidance departs, is always one of them.
        preservation, ridge: of :func:`correction`.

    Returns:
        The names of the maps that were changed.

    Raises:
        InputError: no edits, a caption that is edited twice or edited and preserved, one that has the same tokens as what it is moved
            towards, or a denoiser that captions enter in another way.
    """
    import torch

    _check(edits, preserved)
    layers, kept = token_maps(pipeline.unet), list(dict.fromkeys([*preserved, ""]))
    others = [caption for one in edits for caption in (one.caption, *one.towards)]
    captions = list(dict.fromkeys([*kept, *others]))
    place = {caption: k for k, caption in enumerate(captions)}
    ids, embeddings = tokenize(pipeline.tokenizer, captions), CaptionEmbeddings(pipeline).of(captions)
    how, mine = {"preservation": preservation, "ridge": ridge}, [place[one.caption] for one in edits]
    for one in edits:
        _check_tokens(ids, place, one)
    sources, targets = embeddings[mine].flatten(0, 1), moved(embeddings, place, edits).flatten(0, 1)
    of_tokens = correction(sources, targets, embeddings[: len(kept)].flatten(0, 1), **how)
    corrections = dict.fromkeys(layers, of_tokens)
    for name, layer in pooled_map(pipeline.unet).items():
        vectors = pooled_embeddings(pipeline.unet, embeddings)
        layers[name] = layer
        corrections[name] = correction(vectors[mine], moved(vectors, place, edits), vectors[: len(kept)], **how)
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight.copy_((layer.weight.cpu().double() @ corrections[name]).to(layer.weight))
    return list(layers)


def token_maps(unet) -> dict[str, nn.Linear]:
    """The maps that read the embedding of every token, by name: keys and values of each attention that looks at captions.

    They are found by what they do, not by their names: in every U-Net of diffusers an attention knows whether it looks at something
    beside the image, and nothing but captions is looked at where no image is given.

    Raises:
        InputError: captions enter the denoiser in a way that this does not find.
    """
    from diffusers.models.attention_processor import Attention

    config = unet.config
    if config.get("encoder_hid_dim_type") or config.get("addition_embed_type") not in (None, "text"):
        ways = {name: config.get(name) for name in ("encoder_hid_dim_type", "addition_embed_type")}
        raise InputError(
            f"captions enter the denoiser by {ways}; those of Stable Diffusion 1 and 2 and of the miniature can be edited, where the first is None, "
            "and the second None or 'text'."
        )
    found = {
        f"{name}.{part}": getattr(module, part)
        for name, module in unet.named_modules()
        if isinstance(module, Attention) and module.is_cross_attention
        for part in ("to_k", "to_v")
    }
    if not found:
        raise InputError("the denoiser has no attention that looks at captions, so that there is nothing to edit.")
    return found


def pooled_map(unet) -> dict[str, nn.Linear]:
    """The map that reads the pooled embedding of a caption, by name, where captions join the time; else nothing."""
    return {"add_embedding.proj": unet.add_embedding.proj} if unet.config.get("addition_embed_type") == "text" else {}


def pooled_embeddings(unet, embeddings: Tensor) -> Tensor:
    """What the map behind the pooling is given for captions with these embeddings of tokens, [N, tokens, D]: float [N, D]."""
    import torch

    found = []
    handle = unet.add_embedding.proj.register_forward_hook(lambda module, inputs, output: found.append(inputs[0]))
    try:
        with torch.no_grad():
            unet.add_embedding(embeddings)
    finally:
        handle.remove()
    return found[0]


def moved(embeddings: Tensor, place: Mapping[str, int], edits: Sequence[Edit]) -> Tensor:
    """As what each edited caption is to be read (:class:`Edit`): of embeddings [captions, ..., D] in the order of ``place``, [edits, ..., D]."""
    import torch

    found = []
    for one in edits:
        own = embeddings[place[one.caption]]
        found.append(own + sum(weight * (embeddings[place[name]] - own) for name, weight in one.towards.items()))
    return torch.stack(found)


def _check_tokens(ids: Tensor, place: Mapping[str, int], one: Edit) -> None:
    """Refuse captions that are the same to the text encoder, by their tokens [captions, tokens]."""
    for name in one.towards:
        if (ids[place[name]] == ids[place[one.caption]]).all():
            raise InputError(
                f"{one.caption!r} and {name!r} have the same tokens, as far as they are read; an edit needs captions that differ."
            )


def _check(edits: Sequence[Edit], preserved: Sequence[str]) -> None:
    """Refuse edits that contradict each other, before anything is computed."""
    if not edits:
        raise InputError("no caption is to be edited; an edit needs one at least.")
    names = [one.caption for one in edits]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{twice[0]!r} is to be edited twice; each caption can be read in one way.")
    if both := sorted(set(names) & {*preserved, ""}):
        raise InputError(f"{both[0]!r} is to be edited and to be preserved; it is one of the two.")
    if alone := [one.caption for one in edits if not one.towards]:
        raise InputError(f"{alone[0]!r} is moved towards no caption; an edit needs one at least.")
