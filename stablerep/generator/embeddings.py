"""Captions as the text encoder of a pipeline sees them, each encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ENCODED_TOGETHER = 64  # captions


@dataclass
class CaptionEmbeddings:
    """The embeddings of the latest captions.

    Attributes:
        pipeline: whose text encoder is asked.
        capacity: captions that are kept; a set of millions must not fill the memory with them.
    """

    pipeline: Any
    capacity: int = 1024
    kept: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    def of(self, captions: Sequence[str]) -> torch.Tensor:
        """Embeddings [N, tokens, width] of N captions, on the pipeline's device."""
        import torch

        new = [c for c in dict.fromkeys(captions) if c not in self.kept]
        with torch.inference_mode():
            for start in range(0, len(new), ENCODED_TOGETHER):
                some = new[start : start + ENCODED_TOGETHER]
                encoded, _ = self.pipeline.encode_prompt(some, self.pipeline.device, 1, False)
                self.kept.update(zip(some, encoded))
        embeddings = torch.stack([self.kept[c] for c in captions])
        for old in list(self.kept)[: -self.capacity]:
            del self.kept[old]
        return embeddings
