"""How to read a source: every choice that :func:`stablerep.corpus.load_corpus` takes for a reader's own images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from stablerep.corpus.splits import SPLITS
from stablerep.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to read a source. Columns given as one name count as a list of one."""

    image_column: str | None = None  # parquet and Hub; by default the one column that holds images
    caption_column: str | None = None  # by default `text` or `caption`
    labels: tuple[str, ...] | None = None  # columns to probe; by default `label`, or else all class labels
    cluster: str | None = None  # what is resampled and split together; by default the label, the caption or the image
    split: str | None = None  # column that says train, validation or test; by default `split`
    people: tuple[str, ...] = ()  # columns with attributes of people
    templates: tuple[str, ...] | None = None  # captions made from labels: "a photo of a {}", or "{race}, {age}"
    captions: bool = True  # False: images alone will do, and every caption is ""
    part: str | None = None  # keep this part alone: train, validation or test
    resplit: bool = False  # split by hash even where the source names splits
    check: bool = False  # decode every image now, not only when it is asked for

    def __post_init__(self) -> None:
        for name in ("labels", "people", "templates"):
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, (str, Sequence)) or not all(isinstance(item, str) for item in value):
                raise InputError(f"{name} is {value!r}; give a list of texts.")
            value = (value,) if isinstance(value, str) else tuple(value)
            if len(set(value)) < len(value):
                raise InputError(f"{name} is {list(value)}; give each once.")
            object.__setattr__(self, name, value)
        if self.part is not None and self.part not in SPLITS:
            raise InputError(f"part is {self.part!r}; valid parts are {', '.join(SPLITS)}.")
        for name in ("caption_column", "templates"):
            if getattr(self, name) is not None and not self.captions:
                raise InputError(
                    f"{name} is {getattr(self, name)!r} although captions is False; give one or the other."
                )
        if self.split is not None and self.resplit:
            raise InputError(f"split is {self.split!r} although resplit is True; give one or the other.")


def read_options(given: dict[str, object]) -> Options:
    """Options from keywords. Raises ``InputError`` naming an unknown one."""
    valid = [field.name for field in fields(Options)]
    if unknown := sorted(set(given) - set(valid)):
        raise InputError(f"unknown option {', '.join(map(repr, unknown))}; valid options are {', '.join(valid)}.")
    return Options(**given)
