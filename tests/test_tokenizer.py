"""Captions to tokens and back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.tokenizer import CONTEXT_LENGTH, NAMED, VOCABULARY, tokenize, train_tokenizer, truncated

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


# Captions that are too long


def slow_truncation(tokenizer, captions):
    """Count and groups by comparing all tokens of all captions."""
    length = tokenizer.model_max_length
    whole = [tokenizer(caption, verbose=False).input_ids for caption in captions]
    cut = [len(ids) > length for ids in whole]
    groups: dict[tuple, list[int]] = {}
    for number, ids in enumerate(tokenize(tokenizer, captions).tolist()):
        groups.setdefault(tuple(ids), []).append(number)
    found = [
        tuple(captions[n] for n in group) for group in groups.values() if len(group) > 1 and any(cut[n] for n in group)
    ]
    return sum(cut), found


def test_captions_that_are_cut_are_counted_and_those_that_coincide_named(tokenizer):
    start = "red apple " * 11  # 22 tokens
    captions = [
        "red apple",
        f"{start}",
        f"{start} firefighter",
        f"{start} hand",
        f"green {start}",
        "Red Apple",
        f"{start.upper()}",
    ]
    found = truncated(tokenizer, captions)
    assert (found.count, found.captions, found.tokens) == (3, 7, 22)
    assert found.groups == 1 and found.coinciding == ((captions[1], captions[2], captions[3], captions[6]),)
    # the same in capitals is no matter of length
    assert truncated(tokenizer, [captions[0], captions[5], captions[1], captions[6]]).groups == 0


@given(
    st.lists(
        st.lists(st.sampled_from(["red", "apple", "7"]), min_size=20, max_size=25).map(" ".join),
        unique=True,
        max_size=40,
    )
)
def test_truncation_agrees_with_all_comparisons(tokenizer, captions):
    found = truncated(tokenizer, captions)
    count, groups = slow_truncation(tokenizer, captions) if captions else (0, [])
    assert found.count == count and found.groups == len(groups) and set(found.coinciding) == set(groups)


def test_groups_that_are_named_are_few_and_blocks_do_not_matter(tokenizer):
    captions = [
        f"{a} {b} {c} " * 8 + end for a in "abcdef" for b in "abcdef" for c in "abcdef" for end in ("x", "y", "z")
    ]
    captions += [f"{i}" for i in range(3000)]
    found = truncated(tokenizer, captions)
    assert found.count == 648 and found.groups == 216 and len(found.coinciding) == NAMED
    assert all(len(group) == 3 for group in found.coinciding)


def test_truncation_in_words(tokenizer):
    long = "red apple " * 11
    assert str(truncated(tokenizer, ["red apple"])) == "" == str(truncated(tokenizer, []))
    assert str(truncated(tokenizer, [long + "7", "hand"])) == (
        "1 of 2 captions are longer than 22 tokens; their ends are not read."
    )
    assert str(truncated(tokenizer, [long + "7", long + "hand"])) == (
        "2 of 2 captions are longer than 22 tokens; their ends are not read, and 1 group of captions is the same without them: "
        "'red apple red apple red apple  … ed apple red apple red apple 7'"
        " and 'red apple red apple red apple  … apple red apple red apple hand'."
    )


def test_no_warning_that_is_not_true(tokenizer, caplog):
    truncated(tokenizer, ["word " * 100])
    assert not caplog.records


def test_a_batch_padded_to_its_longest_caption_has_the_same_embeddings(tmp_path):
    from stablerep.encoders import EncoderRecipe
    from stablerep.methods.contrastive import text_tower

    captions = ["red heart", "dog face", "woman health worker: dark skin tone"]
    tokenizer = train_tokenizer(captions, tmp_path)
    torch.manual_seed(0)
    tower = text_tower(len(tokenizer), tokenizer.eos_token_id, EncoderRecipe()).eval()
    full, short = tokenize(tokenizer, captions), tokenize(tokenizer, captions, padding="longest")
    assert short.shape[1] < full.shape[1] and torch.equal(short, full[:, : short.shape[1]])
    with torch.no_grad():
        torch.testing.assert_close(tower(short).pooler_output, tower(full).pooler_output)
