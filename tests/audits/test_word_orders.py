"""Four orders of the words of a sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.word_orders import FUNCTION_WORDS, MOST_WORDS, other_orders, words_of

SENTENCE = "A black dog runs after the small brown cat, over a wet lawn."


def test_words_are_plain_and_not_too_many():
    assert words_of('He said: "Stop!" (Twice.)  A well-known,  old man\'s hat') == [
        "he", "said", "stop", "twice", "a", "well-known", ",", "old", "man's", "hat",
    ]  # fmt: skip
    assert len(words_of("word " * 50)) == MOST_WORDS and words_of("...") == []


def test_each_order_moves_what_it_says():
    words = words_of(SENTENCE)
    content, function, within, threes = other_orders(words)
    function_places = [k for k, word in enumerate(words) if word in FUNCTION_WORDS]
    assert [content[k] for k in function_places] == [words[k] for k in function_places] and content != words
    assert all(function[k] == words[k] for k in range(len(words)) if k not in function_places) and function != words
    groups = [words[k : k + 3] for k in range(0, len(words), 3)]
    assert [sorted(within[k : k + 3]) for k in range(0, len(words), 3)] == [sorted(group) for group in groups]
    text = " ".join(threes)
    assert all(" ".join(group) in text for group in groups) and threes != words


@given(st.lists(st.sampled_from(["the", "a", "dog", "cat", "of"]), max_size=9))
def test_orders_are_new_different_and_always_the_same(words):
    found = other_orders(words)
    assert len(found) <= 4 and words not in found and len({tuple(one) for one in found}) == len(found)
    assert all(sorted(one) == sorted(words) for one in found) and other_orders(words) == found


def test_a_single_word_has_no_other_order():
    assert other_orders(["dog"]) == other_orders(["dog", "dog"]) == other_orders([]) == []
