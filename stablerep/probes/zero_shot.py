"""Zero-shot classification: class names, written into captions and encoded, are the classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

# The corpus's captions are bare names, so the bare name comes first; the others say what the images are.
EMOJI_TEMPLATES = ("{}", "{} emoji", "a drawing of {}", "an icon of {}")
PHOTOGRAPH_TEMPLATES = (
    "a photo of {}",
    "a picture showing {}",
    "{} seen up close",
    "{} from far away",
    "a dim photo of {}",
)


def class_text_features(
    encode_text: Callable[[list[str]], Tensor], names: Sequence[str], *, templates: Sequence[str] = EMOJI_TEMPLATES
) -> Tensor:
    """One direction per class: normalize each template's features, average, normalize (Radford et al. 2021, section 3.1.4).

    Args:
        encode_text: captions to float [len(captions), D]; called once per template, with one caption of each class.
        names: what the classes are called in a caption.
        templates: captions with ``{}`` once, in the name's place.

    Returns:
        float32 [len(names), D], normalized.

    Raises:
        ValueError: no names or templates, a name that is empty or stands for two classes, a template without its one ``{}``, or
            features of another shape.
    """
    names, templates = list(names), list(templates)
    if not names or not templates:
        raise ValueError(
            f"there are {len(names)} names and {len(templates)} templates; at least one of each is needed."
        )
    for name in names:
        if not name.strip() or names.count(name) > 1:
            raise ValueError(
                f"name {name!r} occurs {names.count(name)} times; names must not be empty, and each must occur once."
            )
    for template in templates:
        if template.count("{}") != 1:
            raise ValueError(
                f"template {template!r} has {template.count('{}')} places for the name; it needs {{}} once."
            )
    parts = []
    for template in templates:
        found = encode_text([template.replace("{}", name) for name in names])
        if found.ndim != 2 or len(found) != len(names) or not found.isfinite().all():
            raise ValueError(
                f"encode_text gave shape {tuple(found.shape)} for {len(names)} captions; finite [{len(names)}, D] is needed."
            )
        parts.append(F.normalize(found.detach().float(), dim=1))
    return F.normalize(torch.stack(parts).mean(0), dim=1)


def zero_shot_probe(
    features: Tensor, labels: Sequence, encode_text: Callable[[list[str]], Tensor], names: Mapping, *,
    templates: Sequence[str] = EMOJI_TEMPLATES,
) -> pd.DataFrame:  # fmt: skip
    """Zero-shot classification of images by the names of classes (Radford et al. 2021, section 3.1).

    Protocol: the text feature of a class is that of its name averaged over the templates, as :func:`class_text_features` does; an image
    is of the class with the highest cosine similarity. Every class of ``names`` is a candidate, whether an image shows it or not. Nothing
    is fitted or chosen. The templates are our own words, so numbers are comparable within this study, not with published ones. Chance
    is 1 / len(names).

    Args:
        features: image features in the space shared with the texts, float [N, D]; normalized here.
        labels: [N], keys of ``names``.
        encode_text: captions to float [len(captions), D].
        names: what each label is called in a caption, e.g. ``{"animals-nature": "animal or plant"}``.
        templates: ``EMOJI_TEMPLATES``, ``PHOTOGRAPH_TEMPLATES`` or others.

    Returns:
        One row per image: ``truth``, ``prediction``, ``correct``, ``rank`` (of the true class, 1 is the best; top-5 is ``rank <= 5``).
        ``attrs`` hold ``classes`` and ``templates``.

    Raises:
        ValueError: images and labels that do not match, a label without a name, widths that differ, or what
            :func:`class_text_features` refuses.
    """
    if features.ndim != 2 or len(features) != len(labels) or not len(labels) or not features.isfinite().all():
        raise ValueError(
            f"features have shape {tuple(features.shape)} and there are {len(labels)} labels; finite [N, D] and N > 0 are needed."
        )
    known = list(names)
    number = {label: i for i, label in enumerate(known)}
    nameless = sorted({str(label) for label in labels if label not in number})
    if nameless:
        raise ValueError(f"label {nameless[0]!r} has no name; names has {', '.join(map(str, known))}.")
    texts = class_text_features(encode_text, [names[label] for label in known], templates=templates)
    if texts.shape[1] != features.shape[1]:
        raise ValueError(f"images have {features.shape[1]} dimensions, texts {texts.shape[1]}; they must agree.")
    similarity = F.normalize(features.detach().float(), dim=1) @ texts.T.to(features.device)  # N x classes
    order = similarity.argsort(dim=1, descending=True, stable=True).cpu()  # a tie goes to the class named first
    y = torch.tensor([number[label] for label in labels])
    table = pd.DataFrame({"truth": list(labels), "prediction": [known[i] for i in order[:, 0].tolist()]})
    table["correct"] = (order[:, 0] == y).numpy()
    table["rank"] = ((order == y[:, None]).int().argmax(1) + 1).numpy()
    table.attrs = {"classes": len(known), "templates": list(templates)}
    return table
