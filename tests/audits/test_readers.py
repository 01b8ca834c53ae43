"""Readers: their confusion by hand, the bar, and that an image is read by a probe that saw nothing of its cluster."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.readers import CANNOT_TELL, ERROR, MOST_UNREAD, Confusion, choose_bar, fit_reader, folds_of
from stablerep.errors import InputError

GENDERS = ("woman", "man", "person")


def test_confusion_by_hand_weighs_clusters_alike():
    truth = ["woman"] * 4 + ["woman", "man", "man"]
    read = ["woman", "woman", "man", CANNOT_TELL, "man", "man", CANNOT_TELL]
    found = Confusion.count(truth, read, ["a"] * 4 + ["b"] * 3, GENDERS[:2])
    np.testing.assert_allclose(found.mean(), [[0.25, 0.625, 0.125], [0, 0.5, 0.5]])
    np.testing.assert_allclose(found.mean(np.array([0, 2])), [[0, 1, 0], [0, 0.5, 0.5]])
    # no man without the second cluster: as over all
    np.testing.assert_allclose(found.mean(np.array([2, 0])), [[0.5, 0.25, 0.25], [0, 0.5, 0.5]])


def test_a_class_that_nothing_shows_has_no_confusion():
    with pytest.raises(InputError, match="no image shows the class 'person'"):
        Confusion.count(["woman", "man"], ["woman", "man"], [1, 2], GENDERS)


def test_the_bar_by_hand():
    top = np.arange(100) / 100
    right = np.ones(100, bool)
    assert choose_bar(top, right) == 0.0  # all is read
    right[:10] = False  # 5 of 95 are too many, 4 of 94 are not
    assert choose_bar(top, right) == 0.06
    weights = np.where(np.arange(100) < 10, 2.0, 1.0)  # each of them counts twice: 4 of 94 do, 6 of 96 do not
    assert choose_bar(top, right, weights) == 0.08
    right[:] = False
    assert choose_bar(top, right) == 0.50  # nothing is read well enough: half of it is


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=4, max_size=60))
def test_the_bar_keeps_to_its_rule(items):
    """Also where many images are as sure as each other."""
    top, right = np.array([p / 20 for p, _ in items]), np.array([ok for _, ok in items])
    bar = choose_bar(top, right)
    read = top >= bar
    assert read.mean() >= 1 - MOST_UNREAD
    wrong = {one: (~right[top >= one]).mean() for one in np.unique(top)}
    assert wrong[bar] <= ERROR or not any(share <= ERROR for one, share in wrong.items() if one < bar)
    assert all(wrong[one] > ERROR for one in wrong if one < bar)


def test_folds_keep_clusters_whole_and_do_not_depend_on_order():
    clusters = [f"c{k // 3}" for k in range(60)]
    fold = folds_of(clusters)
    assert sorted(np.bincount(list(fold.values()))) == [4] * 5
    assert folds_of(clusters[::-1]) == fold
    with pytest.raises(InputError, match="are of 4 clusters; cross-fitting needs at least 5"):
        folds_of(list("abcd") * 5)


def shown(rng, labels, noise: float) -> torch.Tensor:
    """Features in which a label stands in a corner of its own, with noise."""
    corners = np.eye(3)[[GENDERS.index(label) for label in labels]]
    return torch.from_numpy(corners + noise * rng.normal(size=corners.shape)).float()


def test_what_is_plain_is_read_without_error():
    rng = np.random.default_rng(0)
    truth = np.array(GENDERS)[np.arange(150) % 3]
    reader = fit_reader(shown(rng, truth, 0.05), truth, np.arange(150) // 5, GENDERS)
    np.testing.assert_allclose(reader.confusion.mean(), np.eye(3, 4))
    assert reader.read_of_known.tolist() == truth.tolist()
    asked = np.array(GENDERS)[rng.integers(3, size=40)]
    assert reader.read(shown(rng, asked, 0.05), ["new"] * 40).tolist() == asked.tolist()


def test_what_is_blurred_is_read_where_the_reader_is_sure():
    rng = np.random.default_rng(0)
    truth = np.array(GENDERS)[rng.integers(3, size=1500)]
    reader = fit_reader(shown(rng, truth, 0.4), truth, np.arange(1500) // 5, GENDERS)
    asked = np.array(GENDERS)[rng.integers(3, size=1500)]
    for found, labels in ((reader.read_of_known, truth), (reader.read(shown(rng, asked, 0.4), ["new"] * 1500), asked)):
        told = found != CANNOT_TELL
        assert 0.6 < told.mean() < 1 and (found != labels)[told].mean() == pytest.approx(ERROR, abs=0.02)


def test_an_image_is_read_by_a_probe_that_saw_nothing_of_its_cluster():
    """Labels are noise, and a feature of each cluster gives them away to who has seen it: a probe that had would read them all."""
    rng = np.random.default_rng(0)
    clusters = np.arange(40)
    truth = np.array(GENDERS)[rng.integers(3, size=40)]
    features = torch.eye(40).repeat_interleave(6, 0)
    truth, clusters = truth.repeat(6), clusters.repeat(6)
    reader = fit_reader(features, truth, clusters, GENDERS)
    assert (reader.read_of_known == truth).mean() < 0.5
    assert reader.read(features, clusters).tolist() == reader.read_of_known.tolist()
    for cluster in range(40):  # the feature of a cluster never varied for the probe of its fold
        weights = reader.probes[:, cluster].abs().sum(1) > 0
        assert (~weights).nonzero().flatten().tolist() == [reader.fold[str(cluster)]]


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="an image shows 'king'; the classes are woman, man, person"):
        fit_reader(torch.zeros(4, 2), ["woman", "man", "person", "king"], list("abcd"), GENDERS)
