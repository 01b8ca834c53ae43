"""The losses against a slow reference in plain Python, closed forms, and the reductions that the table in losses.py promises."""

from __future__ import annotations

import itertools
import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from stablerep.losses import FeatureQueue, image_text, multi_positive, multi_positive_among
from stablerep.methods.contrastive import contrastive_loss

IDS = {
    "two views each": [0, 1, 2, 3, 0, 1, 2, 3],
    "three each": [5, 5, 5, 9, 9, 9, -2, -2, -2],
    "uneven": [0, 0, 0, 0, 1, 1, 2, 3],
    "one caption": [4, 4, 4, 4, 4],
    "nobody has a partner": [0, 1, 2, 3, 4],
    "two rows": [7, 7],
}


def unit(row):
    """A row of numbers divided by its length."""
    length = sum(v * v for v in row) ** 0.5
    return [v / length for v in row]


def direction(anchors, candidates, anchor_ids, candidate_ids, scale, *, skip_self):
    """Mean cross-entropy of anchors to their positives, one number at a time; works on floats and on float64 scalars."""
    losses = []
    for a, anchor in enumerate(anchors):
        others = [b for b in range(len(candidates)) if not (skip_self and a == b)]
        scores = {b: scale * sum(u * v for u, v in zip(anchor, candidates[b])) for b in others}
        total = sum(s.exp() for s in scores.values())
        positives = [b for b in others if candidate_ids[b] == anchor_ids[a]]
        terms = [-(scores[b].exp() / total).log() for b in positives]
        losses.append(sum(terms) / len(terms) if terms else 0.0 * total)
    return sum(losses) / len(losses)


def slow_multi_positive(features, ids, temperature):
    rows = [unit(list(row)) for row in features]
    return direction(rows, rows, ids, ids, 1 / temperature, skip_self=True)


def slow_image_text(images, texts, image_ids, text_ids, scale):
    images, texts = [unit(list(row)) for row in images], [unit(list(row)) for row in texts]
    there = direction(images, texts, image_ids, text_ids, scale, skip_self=False)
    back = direction(texts, images, text_ids, image_ids, scale, skip_self=False)
    return (there + back) / 2


def features(n, d=6, seed=0, length=3.0):
    return length * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value_and_gradients(function, *inputs):
    inputs = [x.clone().requires_grad_(True) for x in inputs]
    value = function(*inputs)
    return value.detach().double(), [g.double() for g in torch.autograd.grad(value, inputs)]


@pytest.mark.parametrize(("name", "temperature", "d"), list(itertools.product(IDS, (0.07, 0.1, 0.5, 2.0), (2, 6))))
def test_multi_positive_equals_the_slow_reference_in_value_and_gradient(name, temperature, d):
    ids = IDS[name]
    x = features(len(ids), d)
    expected, (expected_gradient,) = value_and_gradients(lambda z: slow_multi_positive(z, ids, temperature), x)
    got, (gradient,) = value_and_gradients(
        lambda z: multi_positive(z, torch.tensor(ids), temperature=temperature), x.float()
    )
    assert got.item() == pytest.approx(expected.item(), abs=1e-5, rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-5, rtol=1e-5)


PAIRS = {
    "CLIP": ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    "texts in another order": ([3, 1, 4, 1, 3, 4], [1, 3, 4]),
    "three images a text": ([0, 0, 0, 1, 1, 1], [0, 1]),
    "several texts an image": ([0, 1], [0, 0, 1, 1, 1]),
    "image without text, text without image": ([0, 1, 8], [0, 1, 9, 1]),
}


@pytest.mark.parametrize(("name", "scale"), list(itertools.product(PAIRS, (1.0, 1 / 0.07, 30.0))))
def test_image_text_equals_the_slow_reference_in_value_and_gradient(name, scale):
    image_ids, text_ids = PAIRS[name]
    inputs = features(len(image_ids), seed=1), features(len(text_ids), seed=2), torch.tensor(scale, dtype=torch.float64)

    def fast(i, t, s):
        return image_text(i, t, torch.tensor(image_ids), torch.tensor(text_ids), logit_scale=s)

    expected, expected_gradients = value_and_gradients(
        lambda i, t, s: slow_image_text(i, t, image_ids, text_ids, s), *inputs
    )
    got, gradients = value_and_gradients(fast, *(x.float() for x in inputs))
    assert got.item() == pytest.approx(expected.item(), abs=1e-5, rel=1e-5)
    for gradient, expected_gradient in zip(gradients, expected_gradients):
        torch.testing.assert_close(gradient, expected_gradient, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("image_weight", "text_weight"), [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0), (0.0, 1.0)])
def test_the_loss_of_stablerep_plus_is_the_weighted_sum_with_half_of_each_direction(image_weight, text_weight):
    """Against both directions of the image-text loss on their own: the half is there once."""
    ids, text_ids = [3, 3, 0, 0, 8, 8], [0, 3, 8]
    inputs = features(6, seed=1), features(6, seed=2), features(3, seed=3), torch.tensor(12.0, dtype=torch.float64)

    def slow(head, images, texts, scale):
        rows, words = [unit(list(row)) for row in images], [unit(list(row)) for row in texts]
        there = direction(rows, words, ids, text_ids, scale, skip_self=False)
        back = direction(words, rows, text_ids, ids, scale, skip_self=False)
        return image_weight * slow_multi_positive(head, ids, 0.2) + text_weight * 0.5 * (there + back)

    def fast(head, images, texts, scale):
        out = {"head": head, "image": images, "text": texts, "scale": scale}
        return contrastive_loss(
            out, torch.tensor(ids), temperature=0.2, image_weight=image_weight, text_weight=text_weight
        )

    expected, expected_gradients = value_and_gradients(lambda *x: slow(*x) + 0 * sum(v.sum() for v in x), *inputs)
    got, gradients = value_and_gradients(fast, *(x.float() for x in inputs))
    assert got.item() == pytest.approx(expected.item(), abs=1e-5, rel=1e-5)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, atol=1e-5, rtol=1e-5)


def test_simclr_is_the_case_of_two_views_with_the_image_as_id():
    n, temperature = 6, 0.2
    z = F.normalize(features(2 * n), dim=1)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool), -1e30)
    partner = torch.arange(2 * n).roll(n)  # NT-Xent: the class of a view is the place of its twin
    expected = F.cross_entropy(logits, partner).item()
    got = multi_positive(z.float(), torch.arange(n).repeat(2), temperature=temperature)
    assert got.item() == pytest.approx(expected, abs=1e-5)


def test_supervised_contrastive_is_the_case_of_classes_as_ids():
    """The form with the mean over positives outside the logarithm."""
    classes = torch.tensor([0, 2, 1, 0, 1, 2, 0, 1])
    z = F.normalize(features(8), dim=1)
    similarity = (z @ z.T / 0.1).exp()
    terms = []
    for a in range(8):
        mine = [b for b in range(8) if b != a and classes[a] == classes[b]]
        rest = sum(similarity[a, b] for b in range(8) if b != a)
        terms.append(-sum(torch.log(similarity[a, b] / rest) for b in mine) / len(mine))
    assert multi_positive(z.float(), classes).item() == pytest.approx((sum(terms) / 8).item(), abs=1e-5)


@pytest.mark.parametrize("n", [2, 3, 17])
def test_identical_features_of_one_caption_give_the_logarithm_of_the_others(n):
    value = multi_positive(torch.ones(n, 4), torch.zeros(n, dtype=torch.long))
    assert value.item() == pytest.approx(math.log(n - 1), abs=1e-5)


@pytest.mark.parametrize("m", [2, 3, 6])
def test_the_floor_with_m_positives_is_log_of_m_minus_one(m):
    """Captions on orthogonal directions and a low temperature: nothing but the positives is left in the denominator."""
    ids = torch.arange(5).repeat_interleave(m)
    z = torch.eye(5)[ids]
    floor = multi_positive(z, ids, temperature=0.02).item()
    assert floor == pytest.approx(math.log(m - 1), abs=1e-5)
    for seed in range(5):
        assert multi_positive(z + 0.3 * features(5 * m, 5, seed, 1.0).float(), ids, temperature=0.02).item() > floor


def test_clip_is_the_case_of_unique_ids():
    images, texts, n, scale = features(7, seed=3), features(7, seed=4), torch.arange(7), 20.0
    logits = scale * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    expected = (F.cross_entropy(logits, n) + F.cross_entropy(logits.T, n)) / 2
    got = image_text(images.float(), texts.float(), n, n, logit_scale=scale)
    assert got.item() == pytest.approx(expected.item(), abs=1e-5)


def test_image_text_is_symmetric_in_its_two_sides():
    images, texts = features(6, seed=5).float(), features(3, seed=6).float()
    image_ids, text_ids = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([2, 0, 1])
    one = image_text(images, texts, image_ids, text_ids, logit_scale=10.0)
    other = image_text(texts, images, text_ids, image_ids, logit_scale=10.0)
    torch.testing.assert_close(one, other)


def test_the_order_of_rows_and_the_names_of_ids_do_not_matter():
    ids = torch.tensor(IDS["uneven"])
    x, order = features(8).float(), torch.randperm(8, generator=torch.Generator().manual_seed(1))
    value = multi_positive(x, ids)
    torch.testing.assert_close(multi_positive(x[order], ids[order]), value)
    torch.testing.assert_close(multi_positive(x, 1000 - 7 * ids), value)


def test_the_length_of_features_does_not_matter():
    ids, x = torch.tensor(IDS["uneven"]), features(8).float()
    lengths = torch.linspace(0.01, 100, 8)[:, None]
    torch.testing.assert_close(multi_positive(x * lengths, ids), multi_positive(x, ids))
    n = torch.arange(8)
    torch.testing.assert_close(
        image_text(x * lengths, x.flip(0), n, n, logit_scale=5.0), image_text(x, 3 * x.flip(0), n, n, logit_scale=5.0)
    )


def test_an_anchor_without_positives_adds_zero_to_the_sum_and_one_to_the_count():
    x = F.normalize(features(3), dim=1)
    ids = torch.tensor([0, 0, 1])
    logits = (x @ x.T / 0.1).masked_fill(torch.eye(3, dtype=torch.bool), -1e30).log_softmax(1)
    assert multi_positive(x.float(), ids).item() == pytest.approx(-(logits[0, 1] + logits[1, 0]).item() / 3, abs=1e-5)
    assert multi_positive(x.float(), torch.arange(3)).item() == 0


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS.keys())
def test_gradients_are_finite_even_where_the_softmax_is_hard(ids):
    x = features(len(ids)).float()
    x[0] = x[-1]  # identical rows
    (gradient,) = value_and_gradients(lambda z: multi_positive(z, torch.tensor(ids), temperature=1e-3), x)[1]
    assert gradient.isfinite().all()


def test_a_row_of_zeros_has_a_finite_loss_and_gradient():
    value, (gradient,) = value_and_gradients(lambda z: multi_positive(z, torch.tensor([0, 0, 1, 1])), torch.zeros(4, 3))
    assert value.isfinite() and gradient.isfinite().all()


def test_half_precision_features_give_a_float32_loss_computed_in_float32():
    ids, x = torch.tensor(IDS["uneven"]), features(8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        one = multi_positive(x, ids)
        other = image_text(x, x, torch.arange(8), torch.arange(8), logit_scale=10.0)
    assert one.dtype == other.dtype == torch.float32
    assert one.item() == pytest.approx(slow_multi_positive(x.double(), ids.tolist(), 0.1).item(), abs=1e-5)
    assert other.item() == pytest.approx(
        slow_image_text(x.double(), x.double(), range(8), range(8), 10.0).item(), abs=1e-5
    )


def test_a_scale_that_is_learned_gets_its_gradient_without_a_warning():
    log_scale = torch.tensor(2.0, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = features(4).float()
        image_text(x, x + 0.1, torch.arange(4), torch.arange(4), logit_scale=log_scale.exp()).backward()
        with pytest.raises(ValueError, match="logit_scale is -"):
            image_text(x, x, torch.arange(4), torch.arange(4), logit_scale=-log_scale)
    assert log_scale.grad.isfinite() and log_scale.grad != 0


@pytest.mark.parametrize(
    ("x", "ids", "options", "message"),
    [
        (torch.ones(4), torch.zeros(4).long(), {}, r"shape \(4,\).*float \[N, D\]"),
        (torch.ones(4, 2).long(), torch.zeros(4).long(), {}, "int64"),
        (torch.ones(4, 2), torch.zeros(4), {}, "ids.*float32"),
        (torch.ones(4, 2), torch.zeros(3).long(), {}, r"ids have shape \(3,\).*\[4\]"),
        (torch.ones(4, 2), torch.zeros(4, 1).long(), {}, r"ids have shape \(4, 1\)"),
        (torch.ones(1, 2), torch.zeros(1).long(), {}, "1 image was given"),
        (torch.ones(4, 2), torch.zeros(4).long(), {"temperature": 0.0}, "temperature is 0.0"),
        (torch.ones(4, 2), torch.zeros(4).long(), {"temperature": -0.1}, "temperature is -0.1"),
        (torch.ones(4, 2), torch.zeros(4).long(), {"temperature": math.nan}, "temperature is nan"),
    ],
)
def test_multi_positive_refuses_bad_input(x, ids, options, message):
    with pytest.raises(ValueError, match=message):
        multi_positive(x, ids, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_features": torch.ones(4)}, r"image features have shape \(4,\)"),
        ({"text_features": torch.ones(3, 5)}, "images have 2 dimensions, texts 5"),
        ({"image_ids": torch.ones(4)}, "image ids.*float32"),
        ({"text_ids": torch.arange(4)}, r"text ids have shape \(4,\)"),
        ({"logit_scale": 0.0}, "logit_scale is 0.0"),
        ({"logit_scale": math.nan}, "logit_scale is nan"),
    ],
)
def test_image_text_refuses_bad_input(change, message):
    good = {
        "image_features": torch.ones(4, 2), "text_features": torch.ones(3, 2),
        "image_ids": torch.arange(4), "text_ids": torch.arange(3), "logit_scale": 1.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        image_text(**(good | change))


@pytest.mark.parametrize("name", IDS)
def test_an_anchor_without_positives_counts_as_zero_or_not_at_all(name):
    """The two choices differ by the share of anchors that have a positive."""
    ids = torch.tensor(IDS[name])
    x = features(len(ids)).float().requires_grad_(True)
    zero, skip = multi_positive(x, ids), multi_positive(x, ids, lonely="skip")
    has = sum((ids == i).sum() > 1 for i in ids)
    if has == 0:
        assert zero.item() == skip.item() == 0.0
        assert torch.equal(torch.autograd.grad(skip, x)[0], torch.zeros_like(x))
    else:
        assert skip.item() == pytest.approx(zero.item() * len(ids) / int(has), rel=1e-6)


def test_another_choice_for_lonely_anchors_is_refused():
    with pytest.raises(ValueError, match="lonely is 'drop'; valid values are zero, skip"):
        multi_positive(features(4).float(), torch.tensor([0, 0, 1, 1]), lonely="drop")


@pytest.mark.parametrize("name", IDS)
def test_a_queue_that_holds_exactly_the_batch_gives_the_plain_loss_and_gradient(name):
    ids = torch.tensor(IDS[name])
    x = features(len(ids)).float()
    queue = FeatureQueue(len(ids), 6)
    queue.push(x, ids)

    def queued(z):  # gradients flow through anchors alone; both roles together are the plain loss
        return multi_positive_among(z, ids, queue.features, queue.ids, itself=torch.arange(len(ids)))

    def other_role(z):
        return multi_positive_among(x, ids, z, ids, itself=torch.arange(len(ids)))

    plain, (gradient,) = value_and_gradients(lambda z: multi_positive(z, ids), x)
    as_anchor, (first,) = value_and_gradients(queued, x)
    as_candidate, (second,) = value_and_gradients(other_role, x)
    assert as_anchor.item() == pytest.approx(plain.item(), abs=1e-6) and as_candidate.item() == pytest.approx(
        plain.item(), abs=1e-6
    )
    torch.testing.assert_close(first + second, gradient, atol=1e-5, rtol=1e-5)


def test_batch_and_queue_together_equal_the_slow_reference():
    ids, old_ids = [0, 1, 2, 0], [2, 2, 7, 0, 1]
    x, old = features(4), features(5, seed=3)
    queue = FeatureQueue(5, 6)
    queue.push(old.float(), torch.tensor(old_ids))
    rows, others = [unit(list(r)) for r in x], [unit(list(r)) for r in old]
    expected = direction(rows, rows + others, ids, ids + old_ids, 10.0, skip_self=True)
    assert queue.multi_positive(x.float(), torch.tensor(ids)).item() == pytest.approx(float(expected), abs=1e-5)


def test_an_empty_queue_changes_nothing_and_the_oldest_leave_first():
    x, ids = features(6).float(), torch.tensor([0, 0, 1, 1, 2, 2])
    queue = FeatureQueue(4, 6)
    assert queue.multi_positive(x, ids).item() == pytest.approx(multi_positive(x, ids).item(), abs=1e-6)
    queue.push(x[:3].requires_grad_(True), ids[:3])
    queue.push(x[3:], ids[3:])
    assert torch.equal(queue.features, x[2:].detach()) and queue.ids.tolist() == [1, 1, 2, 2]
    assert not queue.features.requires_grad
    again = FeatureQueue(4, 6)
    again.load_state_dict(queue.state_dict())
    assert again.multi_positive(x, ids).item() == queue.multi_positive(x, ids).item()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeatureQueue(0, 4), "size is 0"),
        (
            lambda: FeatureQueue(3, 4).push(torch.ones(2, 5), torch.tensor([0, 1])),
            "features have 5 dimensions, the queue 4",
        ),
        (lambda: FeatureQueue(3, 4).push(torch.ones(2, 4), torch.tensor([0])), "queued ids"),
        (
            lambda: multi_positive_among(torch.ones(2, 5), torch.arange(2), torch.ones(3, 4), torch.arange(3)),
            "anchors have 5",
        ),
    ],
)
def test_queues_and_candidates_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
