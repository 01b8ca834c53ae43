"""Captions to tokens: a byte-pair vocabulary in CLIP's conventions, learned from the study's own captions."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stablerep.torchvision_shim import ensure_torchvision_imports

if TYPE_CHECKING:
    import torch

CONTEXT_LENGTH = 24  # tokens, start and end marks included; the longest label of CLDR takes 21
VOCABULARY = 2048  # learned tokens; the two forms of every byte and the two marks come on top


def train_tokenizer(captions: Iterable[str], folder: Path):
    """Learn a byte-pair vocabulary from captions in CLIP's conventions and return it as a ``CLIPTokenizer``.

    The files ``vocab.json`` and ``merges.txt`` in ``folder`` depend on the set of captions alone.
    """
    ensure_torchvision_imports()
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 2,
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
        # Named here, or the trainer would number them in the order of a hash table that differs from process to process, and
        # break ties between merges by those numbers: a run that was cut would go on with another vocabulary.
        special_tokens=[a + "</w>" for a in alphabet],
    )
    tokenizer.train_from_iterator(sorted(set(captions)), trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    # Both forms of every byte (inside and at the end of a word) must exist, or a rare character would be dropped.
    tokens = list(dict.fromkeys([*alphabet, *(a + "</w>" for a in alphabet), *learned["vocab"]]))
    vocabulary = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in learned["merges"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    made = CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=CONTEXT_LENGTH,
        bos_token="<|startoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>", pad_token="<|endoftext|>",
    )  # fmt: skip
    made.save_pretrained(folder)
    return made


def tokenize(tokenizer, captions: Sequence[str], *, padding: str = "max_length") -> torch.Tensor:
    """Token ids [N, context length], padded and cut as ``StableDiffusionPipeline`` does it.

    With ``padding`` ``longest`` they are as many as the longest caption has: a text tower that looks back alone gives the same embeddings,
    sooner.
    """
    return tokenizer(
        list(captions),
        padding=padding,
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids


NAMED = 100  # groups of captions that a Truncation holds; a set of millions may have more


@dataclass(frozen=True)
class Truncation:
    """Captions that a text encoder does not read to their ends.

    Attributes:
        count: captions that are cut.
        coinciding: groups of different captions whose tokens are the same once they are cut: they have the same embedding, and a
            loss over captions counts them as negatives of each other. At most ``NAMED`` groups.
        groups: how many such groups there are.
        captions: how many captions were looked at.
        tokens: how many tokens of a caption are read.
    """

    count: int
    coinciding: tuple[tuple[str, ...], ...]
    groups: int
    captions: int
    tokens: int

    def __str__(self) -> str:
        """One line for the person who waits, empty when no caption is cut."""
        if not self.count:
            return ""
        cut = f"{self.count:,} of {self.captions:,} captions are longer than {self.tokens} tokens; their ends are not read"
        if not self.groups:
            return f"{cut}."
        pair = " and ".join(repr(c if len(c) <= 70 else f"{c[:30]} … {c[-30:]}") for c in self.coinciding[0][:2])
        alike = "1 group of captions is" if self.groups == 1 else f"{self.groups:,} groups of captions are"
        return f"{cut}, and {alike} the same without them: {pair}{'' if self.groups == 1 else ', for example'}."

    def say(self) -> None:
        """Write that line, if there is one, above the bars of progress."""
        from tqdm import tqdm

        if self.count:
            tqdm.write(str(self), file=sys.stderr)


def truncated(tokenizer, captions: Sequence[str]) -> Truncation:
    """Count the captions that ``tokenizer`` cuts and name those that coincide after the cut.

    ``captions`` are different from each other. They are read in blocks; what is kept is 17 bytes for each that fills the context.
    """
    import numpy as np
    from tqdm import tqdm

    length, block = tokenizer.model_max_length, 1024
    digests, places, cuts = ([np.empty(0, kind)] for kind in (np.uint64, np.uint64, bool))
    for start in tqdm(range(0, len(captions), block), desc="length of captions", ncols=100, delay=5):
        some = [str(captions[i]) for i in range(start, min(start + block, len(captions)))]
        whole = tokenizer(
            some, verbose=False
        ).input_ids  # not verbose: its warning, that longer ones fail, is not true here
        full = [
            (start + i, ids) for i, ids in enumerate(whole) if len(ids) >= length
        ]  # only these can coincide by a cut
        cuts.append(np.array([len(ids) > length for _, ids in full], bool))
        places.append(np.array([place for place, _ in full], np.uint64))
        read = (np.array(ids[: length - 1], np.uint32).tobytes() for _, ids in full)
        digests.append(np.array([int.from_bytes(hashlib.sha256(r).digest()[:8], "little") for r in read], np.uint64))
    digest, place, cut = (np.concatenate(parts) for parts in (digests, places, cuts))
    _, inverse, sizes = np.unique(digest, return_inverse=True, return_counts=True)
    coincide = (sizes > 1) & (np.bincount(inverse, weights=cut, minlength=len(sizes)) > 0)  # case alone is no cut
    twice = np.flatnonzero(coincide[inverse])
    found: defaultdict[int, list[str]] = defaultdict(list)
    for i in twice.tolist():
        group = int(inverse[i])
        if len(found) < NAMED or group in found:
            found[group].append(str(captions[int(place[i])]))
    coinciding = tuple(tuple(group) for group in found.values())
    return Truncation(int(cut.sum()), coinciding, int(coincide.sum()), len(captions), length - 2)
