"""Plans: every image once, batches of whole captions inside a shard, and mistakes that are named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.errors import InputError
from stablerep.generator import Sampling
from stablerep.synthesis import SynthesisPlan

plans = st.builds(
    SynthesisPlan,
    captions=st.integers(1, 25).map(lambda n: [f"caption {i}" for i in range(n)]),
    images_per_caption=st.integers(1, 9),
    batch_size=st.integers(1, 20),
    shard_captions=st.integers(1, 12),
)


@given(plans)
def test_every_image_is_planned_once(plan):
    planned = [item for shard in range(plan.shards) for batch in plan.batches(shard) for item in batch.items]
    assert planned == [(c, i) for c in range(len(plan.captions)) for i in range(plan.images_per_caption)]
    assert plan.total == len(planned)


@given(plans)
def test_batches_stay_in_their_shard_and_within_their_size(plan):
    for shard in range(plan.shards):
        batches = list(plan.batches(shard))
        assert [(batch.shard, batch.number) for batch in batches] == [(shard, n) for n in range(len(batches))]
        for batch in batches:
            assert 0 < len(batch.items) <= plan.batch_size
            assert {c for c, _ in batch.items} <= set(plan.shard_range(shard))


@given(plans)
def test_batches_hold_whole_captions_unless_one_is_larger_than_a_batch(plan):
    m = plan.images_per_caption
    for shard in range(plan.shards):
        for batch in plan.batches(shard):
            captions = {c for c, _ in batch.items}
            if m <= plan.batch_size:
                assert len(batch.items) == m * len(captions)
            else:
                assert len(captions) == 1


@given(plans)
def test_shards_cover_the_captions(plan):
    ranges = [plan.shard_range(shard) for shard in range(plan.shards)]
    assert [c for numbers in ranges for c in numbers] == list(range(len(plan.captions)))
    assert all(len(numbers) == plan.shard_captions for numbers in ranges[:-1])
    assert 0 < len(ranges[-1]) <= plan.shard_captions


def test_batches_are_full_where_they_can_be():
    plan = SynthesisPlan([f"c{i}" for i in range(10)], images_per_caption=3, batch_size=7, shard_captions=10)
    assert [len(batch.items) for batch in plan.batches(0)] == [6] * 5
    plan = SynthesisPlan(["a", "b"], images_per_caption=5, batch_size=2)
    assert [batch.items for batch in plan.batches(0)][:3] == [((0, 0), (0, 1)), ((0, 2), (0, 3)), ((0, 4),)]


def test_fingerprint_names_everything_that_is_planned():
    plan = SynthesisPlan(["a", "b"])
    assert SynthesisPlan(("a", "b")).fingerprint == plan.fingerprint
    changes = dict(
        captions=("b", "a"), images_per_caption=9, sampling=Sampling(2.5), seed=1, batch_size=32, shard_captions=8,
        captions_name="another",
    )  # fmt: skip
    assert set(changes) == set(SynthesisPlan.__dataclass_fields__)
    others = {replace(plan, **{name: value}).fingerprint for name, value in changes.items()}
    others |= {
        replace(plan, sampling=sampling).fingerprint
        for sampling in (Sampling(steps=13), Sampling(sampler="ddim"), Sampling(guidance_interval=(0, 5)))
    }
    assert len(others | {plan.fingerprint}) == len(changes) + 4


def test_fingerprint_is_the_same_on_every_machine():
    assert SynthesisPlan(["red heart", "piñata"]).fingerprint == "32ad3c0f5d0dde02"


def test_captions_are_kept_in_their_order_and_cannot_change():
    captions = ["b", "a"]
    plan = SynthesisPlan(captions)
    captions.append("c")
    assert plan.captions == ("b", "a")


class Counted:
    """Ten million captions that are made when they are read."""

    def __init__(self, empty: int = -1) -> None:
        self.read, self.empty = 0, empty

    def __len__(self) -> int:
        return 10_000_000

    def __getitem__(self, number: int) -> str:
        self.read += 1
        return "" if number == self.empty else f"caption {number}"


def test_captions_that_have_a_name_are_not_read():
    captions = Counted()
    plan = SynthesisPlan(captions, captions_name="a part of a corpus")
    assert plan.total == 80_000_000 and plan.shards == 39_063
    others = {
        plan.fingerprint,
        replace(plan, captions_name="another part").fingerprint,
        replace(plan, captions=["a"]).fingerprint,
        replace(plan, seed=1).fingerprint,
    }
    assert len(others) == 4 and replace(plan, captions=Counted()).fingerprint == plan.fingerprint
    assert captions.read == 0
    assert plan.caption(9_999_999) == "caption 9999999" and captions.read == 1
    with pytest.raises(InputError, match="caption 7 is empty"):
        SynthesisPlan(Counted(empty=7), captions_name="a part").caption(7)


def test_parameters_are_flat_and_without_texts():
    plan = SynthesisPlan(["a", "b"], images_per_caption=3, sampling=Sampling(4, 20, "ddim"), seed=5)
    assert plan.parameters == {
        "captions": 2, "images_per_caption": 3, "guidance_scale": 4.0, "steps": 20, "sampler": "ddim", "seed": 5,
        "batch_size": 64, "shard_captions": 256,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"captions": []}, "there are no captions"),
        ({"captions": ["a", " "]}, "caption 1 is empty"),
        ({"captions": ["a", "b", "c", "b", "a"]}, "caption 'b' appears twice"),
        ({"images_per_caption": 0}, "images_per_caption is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"shard_captions": 0}, "shard_captions is 0"),
    ],
)
def test_mistakes_are_named(wrong, said):
    with pytest.raises(ValueError, match=said) as error:
        SynthesisPlan(**{"captions": ["a"]} | wrong)
    assert "\n" not in str(error.value)
