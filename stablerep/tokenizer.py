"""Captions to tokens: a byte-pair vocabulary in CLIP's conventions, learned from the study's own captions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
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


def tokenize(tokenizer, captions: Sequence[str]) -> torch.Tensor:
    """Token ids [N, context length], padded and cut as ``StableDiffusionPipeline`` does it."""
    return tokenizer(
        list(captions),
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
