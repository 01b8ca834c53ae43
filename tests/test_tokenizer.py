"""Captions to tokens and back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from stablerep.tokenizer import CONTEXT_LENGTH, VOCABULARY, tokenize, train_tokenizer

CAPTIONS = [
    "red apple", "woman firefighter: medium-dark skin tone", "man firefighter: light skin tone", "person's hand", "two o’clock",
    "piñata", "keycap: 7", "fire engine", "green apple", "dark moon face", "firefighter",
] * 3  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokenizer")


@pytest.fixture(scope="module")
def tokenizer(folder):
    return train_tokenizer(CAPTIONS, folder)


def words_of(text):
    return "".join(text.lower().split())


def test_a_caption_comes_back(tokenizer):
    for caption in CAPTIONS:
        back = tokenizer.decode(tokenize(tokenizer, [caption])[0], skip_special_tokens=True)
        assert words_of(back) == words_of(caption)


def test_letters_never_seen_come_back_too(tokenizer):
    for caption in ("Żółw & ümlaut", "日本 100%", "emoji 🧑🏽‍🚒!", "xyzzy_q"):
        tokens = tokenize(tokenizer, [caption])
        inside = tokens[0, 1 : tokens[0].tolist().index(tokenizer.eos_token_id)]
        assert len(inside) and tokenizer.unk_token_id not in inside.tolist()
        assert words_of(tokenizer.decode(inside)) == words_of(caption)


def test_tokens_are_padded_by_the_end_mark_and_cut_before_it(tokenizer):
    tokens = tokenize(tokenizer, ["red apple", "", "word " * 100])
    assert tokens.shape == (3, CONTEXT_LENGTH) and tokens.dtype == torch.int64
    end = tokenizer.eos_token_id
    assert (tokens[:, 0] == tokenizer.bos_token_id).all() and (tokens[:, -1] == end).all()
    assert (tokens[1, 1:] == end).all()
    assert (tokens[2, :-1] != end).all()
    first = tokens[0].tolist().index(end)
    assert (tokens[0, first:] == end).all() and end not in tokens[0, :first].tolist()


def test_ids_are_below_the_vocabulary_and_the_marks_come_last(tokenizer):
    # text_tower counts on it
    assert tokenizer.eos_token_id == len(tokenizer) - 1 and tokenizer.bos_token_id == len(tokenizer) - 2
    assert len(tokenizer) <= VOCABULARY + 2 * 256
    assert tokenize(tokenizer, CAPTIONS).max() < len(tokenizer)


def test_case_and_spaces_do_not_matter(tokenizer):
    assert torch.equal(tokenize(tokenizer, ["Red  APPLE "]), tokenize(tokenizer, ["red apple"]))


def test_frequent_words_are_one_token(tokenizer):
    tokens = tokenize(tokenizer, ["firefighter"])[0]
    assert tokens.tolist().index(tokenizer.eos_token_id) == 2


def test_the_files_depend_on_the_set_of_captions_alone(tokenizer, folder, tmp_path):
    train_tokenizer(sorted(set(CAPTIONS), reverse=True), tmp_path / "again")
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    train_tokenizer(["something else"], tmp_path / "other")
    assert (tmp_path / "other" / "vocab.json").read_bytes() != (folder / "vocab.json").read_bytes()


def test_the_folder_loads_as_the_pipeline_loads_it(tokenizer, folder):
    from transformers import CLIPTokenizer

    loaded = CLIPTokenizer.from_pretrained(folder)
    assert loaded.model_max_length == CONTEXT_LENGTH
    captions = [*CAPTIONS, "Żółw", "", "word " * 100]
    # what StableDiffusionPipeline.encode_prompt asks of its tokenizer
    asked = loaded(
        captions, padding="max_length", max_length=loaded.model_max_length, truncation=True, return_tensors="pt"
    )
    assert torch.equal(asked.input_ids, tokenize(tokenizer, captions))


def test_the_vocabulary_numbers_its_tokens_without_gaps(folder):
    vocabulary = json.loads((folder / "vocab.json").read_text())
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    for line in (folder / "merges.txt").read_text().splitlines()[1:]:
        assert line.replace(" ", "") in vocabulary


def test_every_process_learns_the_same_vocabulary(tmp_path):
    """Hash tables differ from process to process; a run that was cut goes on in another one. All merges here are equally frequent."""
    captions = [f"{first}{last}" for first in "bdfgklmnprstvz" for last in "aeiouy"]
    code = "import json, sys; from pathlib import Path; from stablerep.tokenizer import train_tokenizer\n"
    code += "train_tokenizer(json.loads(sys.argv[1]), Path(sys.argv[2]))"
    train_tokenizer(captions, tmp_path / "here")
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", code, json.dumps(captions), str(tmp_path / name)], check=True)
        for file in ("vocab.json", "merges.txt"):
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "here" / file).read_bytes()
