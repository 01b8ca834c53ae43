"""Scenes of drawings: the same for the same id, close to a slow reference, with ink kept, black kept and white a window."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stablerep.camera import Camera, uniform_of
from stablerep.captioned_images import CaptionedImages
from stablerep.corpus import Corpus
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError


def drawings_of(count: int, size: int = 8, *, margin: int = 1, seed: int = 0) -> torch.Tensor:
    """Random colours, some of them black, on white; a white margin around them."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 3, size, size), 255, np.uint8)
    inner = rng.integers(0, 256, (count, 3, size - 2 * margin, size - 2 * margin), np.uint8)
    inner[rng.random(inner.shape[:1] + inner.shape[2:])[:, None].repeat(3, 1) < 0.3] = 0
    images[:, :, margin : size - margin, margin : size - margin] = inner
    return torch.from_numpy(images)


def squares(count: int, size: int = 32, margin: int = 4, colour=(0, 0, 0)) -> torch.Tensor:
    """The same square of one colour on white, many times."""
    images = torch.full((count, 3, size, size), 255, dtype=torch.uint8)
    images[:, :, margin : size - margin, margin : size - margin] = torch.tensor(colour, dtype=torch.uint8).view(3, 1, 1)
    return images


def names(count: int, first: int = 0) -> list[str]:
    return [f"design/{number}" for number in range(first, first + count)]


def slow_uniform(name: str, seed: int) -> list[float]:
    numbers = []
    for half in ("0", "1"):
        text = b":".join([b"camera", str(seed).encode(), half.encode(), name.encode("utf-8", "surrogatepass")])
        numbers += [(whole >> 8) / 16777216 for whole in struct.unpack("<8I", hashlib.sha256(text).digest())]
    return numbers


def slow_scene(drawing: np.ndarray, name: str, camera: Camera, size: int) -> np.ndarray:
    """One scene, float [3, size, size], point by point: four points of each pixel, each looked up in the drawing."""
    u, side = slow_uniform(name, camera.seed), drawing.shape[-1]
    scale = camera.smallest + (1 - camera.smallest) * u[0]
    angle = math.radians(camera.turn * (2 * u[1] - 1))
    room = max(0.0, 1 - scale * (abs(math.cos(angle)) + abs(math.sin(angle))))
    middle = (2 * u[2] - 1) * room, (2 * u[3] - 1) * room
    one, other = ([0.35 + 0.65 * number for number in u[start : start + 3]] for start in (4, 7))
    along = math.cos(2 * math.pi * u[10]), math.sin(2 * math.pi * u[10])

    def level(channel: int, row: int, column: int) -> float:
        inside = 0 <= row < side and 0 <= column < side
        return float(drawing[channel, row, column]) / 255 if inside else 1.0

    def looked_up(channel: int, x: float, y: float) -> float:
        """The drawing at a place of the scene (-1 to 1): moved to the middle, turned back, scaled back, bilinear."""
        x, y = x - middle[0], y - middle[1]
        x, y = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
        x, y = ((1 + part / scale) * side / 2 - 0.5 for part in (x, y))
        column, row = math.floor(x), math.floor(y)
        right, down = x - column, y - row
        return (
            (1 - down) * (1 - right) * level(channel, row, column)
            + (1 - down) * right * level(channel, row, column + 1)
            + down * (1 - right) * level(channel, row + 1, column)
            + down * right * level(channel, row + 1, column + 1)
        )

    scene = np.zeros((3, size, size))
    points = [(2 * i + 1) / (2 * size) - 1 for i in range(2 * size)]
    for row in range(size):
        for column in range(size):
            four = [(x, y) for y in points[2 * row : 2 * row + 2] for x in points[2 * column : 2 * column + 2]]
            paper = [sum(looked_up(channel, x, y) for x, y in four) / 4 for channel in range(3)]
            x, y = (2 * column + 1) / size - 1, (2 * row + 1) / size - 1
            share = ((along[0] * x + along[1] * y) / (abs(along[0]) + abs(along[1])) + 1) / 2
            for channel in range(3):
                colour = (1 - share) * one[channel] + share * other[channel]
                window = 1 - camera.background + camera.background * colour
                scene[channel, row, column] = paper[channel] - min(paper) + min(paper) * window
    return 255 * scene


# Random numbers


def test_numbers_are_those_of_a_slow_reference():
    ids = ["noto/2764", "", "é/1", "a\0b", "\ud800", "red heart/12", "x" * 500]
    for seed in (0, 7, 2**40):
        found = uniform_of(ids, seed)
        assert found.shape == (7, 16) and found.dtype == torch.float32
        assert found.tolist() == [slow_uniform(name, seed) for name in ids]  # 24 bits: a float32 holds them exactly
    assert uniform_of([], 0).shape == (0, 16)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6), st.integers(0, 99))
def test_numbers_of_an_id_do_not_depend_on_other_ids(ids, seed):
    together = uniform_of(ids, seed)
    assert all(torch.equal(together[place], uniform_of([name], seed)[0]) for place, name in enumerate(ids))
    assert 0 <= together.min() and together.max() < 1


def test_numbers_are_uniform_and_unrelated():
    found = uniform_of(names(3000), 0).numpy()
    np.testing.assert_allclose(found.mean(0), 0.5, atol=0.03)
    np.testing.assert_allclose(found.std(0), 12**-0.5, atol=0.02)
    related = np.corrcoef(np.hstack([found, uniform_of(names(3000), 1).numpy()]).T) - np.eye(32)
    assert np.abs(related).max() < 0.1


# Scenes


CAMERAS = {
    "as by default": Camera(),
    "half as strong": Camera.of_strength(0.5, seed=3),
    "turned far, small": Camera(smallest=0.2, turn=90, seed=1),
    "without room": Camera(smallest=0.95, turn=40, background=0.3),
    "on white": Camera(background=0),
    "upright": Camera(turn=0),
}


@pytest.mark.parametrize(("side", "size"), [(8, 8), (12, 7), (6, 9)])
@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_scenes_are_those_of_a_slow_reference(camera, side, size):
    drawings, ids = drawings_of(3, side, margin=0), names(3)
    scenes = camera.scenes(drawings, ids, size)
    assert scenes.shape == (3, 3, size, size) and scenes.dtype == torch.uint8
    for drawing, name, scene in zip(drawings.numpy(), ids, scenes.numpy()):
        assert np.abs(slow_scene(drawing, name, camera, size) - scene).max() < 2


def test_strength_zero_leaves_drawings_and_corpora_as_they_are():
    for camera in (Camera.of_strength(0), Camera.of_strength(0, seed=5), Camera(1, 0, 0)):
        drawings, corpus, data = drawings_of(3), toy(), captioned([2, 1])
        assert camera.still and camera.fingerprint == ""
        assert torch.equal(camera.scenes(drawings, names(3)), drawings)
        assert camera.through(corpus) is corpus and data.through(camera) is data
    assert Camera.of_strength(1) == Camera() and not Camera().still


def test_strength_goes_evenly_from_nothing_to_the_default():
    half = Camera.of_strength(0.5, seed=2)
    assert (half.smallest, half.turn, half.background, half.seed) == (pytest.approx(0.7), 15, 0.15, 2)
    cameras = [Camera.of_strength(strength, seed=seed) for strength in (0.25, 0.5, 1) for seed in (0, 1)]
    assert len({camera.fingerprint for camera in cameras} | {Camera(turn=90).fingerprint}) == 7


def test_a_scene_does_not_depend_on_order_batch_or_neighbours():
    """More drawings than one batch of the camera holds."""
    camera, drawings, ids = Camera(seed=4), drawings_of(300, 16), names(300)
    scenes = camera.scenes(drawings, ids)
    order = np.random.default_rng(0).permutation(300)
    shuffled = camera.scenes(drawings[order], [ids[place] for place in order])
    assert torch.equal(shuffled, scenes[order])
    for count in (1, 7, 127):
        parts = [camera.scenes(drawings[i : i + count], ids[i : i + count]) for i in range(0, 254, count)]
        assert torch.equal(torch.cat(parts)[:254], scenes[:254]), count
    others = drawings.clone()
    others[1::2] = drawings_of(150, 16, seed=9)
    assert torch.equal(camera.scenes(others, ids)[::2], scenes[::2])
    turned_about = (
        drawings.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    )  # the same pixels, stored in another order
    assert torch.equal(camera.scenes(turned_about, ids), scenes)
    assert torch.equal(drawings, drawings_of(300, 16))  # what came in is left alone


def test_a_scene_follows_its_id_and_the_seed():
    drawings = squares(40, 16, 3)
    scenes = Camera().scenes(drawings, names(40))
    assert len({scene.numpy().tobytes() for scene in scenes}) == 40
    assert torch.equal(Camera().scenes(drawings, names(40)), scenes)
    other = Camera(seed=1).scenes(drawings, names(40))
    assert all(not torch.equal(one, two) for one, two in zip(scenes, other))


def test_no_drawings_give_no_scenes():
    nothing = torch.zeros(0, 3, 8, 8, dtype=torch.uint8)
    assert Camera().scenes(nothing, []).shape == (0, 3, 8, 8)
    assert Camera().scenes(nothing, [], 16).shape == (0, 3, 16, 16)


# Ink, black and white


@pytest.mark.parametrize("turn", [0, 15, 45, 90, 135, 180])
def test_no_ink_is_lost_where_the_turned_frame_fits(turn):
    camera, ids = Camera(smallest=0.4, turn=turn, background=0), names(200)
    ink = 255 - camera.scenes(squares(200, 32, 2), ids)[:, 0].double()
    drawn = uniform_of(ids, 0).double()
    scale, angle = 0.4 + 0.6 * drawn[:, 0], torch.deg2rad(turn * (2 * drawn[:, 1] - 1))
    fits = scale * (angle.cos().abs() + angle.sin().abs()) <= 1
    assert fits.sum() > 100
    share = (ink.sum((1, 2)) / (255 * 28**2) / scale**2)[fits]
    assert share.min() > 0.98 and share.max() < 1.02


def test_a_drawing_without_room_stands_in_the_middle():
    """Turned by 45 degrees at nearly full size it does not fit; its centre of ink is the scene's centre."""
    ids = names(40)
    ink = 255 - Camera(smallest=0.95, turn=45, background=0).scenes(squares(40, 32, 8), ids)[:, 0].double()
    angle = torch.deg2rad(45 * (2 * uniform_of(ids, 0)[:, 1] - 1)).abs()
    tight = angle > 0.1
    place = torch.arange(32, dtype=torch.double)
    for axis in (1, 2):
        middle = (ink.sum(axis) * place).sum(1) / ink.sum((1, 2))
        assert tight.sum() > 20 and (middle[tight] - 15.5).abs().max() < 0.1


def test_places_sizes_and_turns_vary_over_their_range():
    """Read off the ink: its amount gives the size, its centre the place."""
    ids = names(400)
    ink = 255 - Camera(background=0, turn=0).scenes(squares(400, 32, 0), ids)[:, 0].double()
    side = ink.sum((1, 2)).div(255).sqrt() / 32
    assert 0.39 < side.min() < 0.41 and 0.99 < side.max() <= 1.001
    assert side.mean() == pytest.approx(0.7, abs=0.02)
    columns = ink.sum(1) > 255
    left, right = columns.double().argmax(1), 31 - columns.flip(1).double().argmax(1)
    small = side < 0.65
    assert left[small].min() == 0 and right[small].max() == 31 and left[small].max() > 10


@pytest.mark.parametrize("camera", [Camera(), Camera(seed=8, turn=60), Camera.of_strength(0.3)])
def test_black_stays_black_and_pure_white_shows_the_background(camera):
    """The same places on white paper say where the ink is: no more than a pixel from it is anything but background."""
    ids, drawings = names(30), squares(30, 32, 6)
    scenes, white = camera.scenes(drawings, ids), torch.full_like(drawings, 255)
    background = camera.scenes(white, ids)
    paper = Camera(camera.smallest, camera.turn, 0, camera.seed).scenes(drawings, ids)
    assert (paper == 0).sum() > 1000 and (scenes[paper == 0] == 0).all()
    near = torch.nn.functional.max_pool2d((255 - paper).float(), 3, 1, 1) > 0
    assert (~near).sum() > 1000 and torch.equal(scenes[~near], background[~near])


def test_a_pure_colour_stays_whatever_the_background():
    drawings, ids = squares(20, 32, 6, colour=(255, 0, 40)), names(20)
    scenes = Camera().scenes(drawings, ids)
    inside = (Camera(background=0).scenes(squares(20, 32, 6), ids) == 0).all(1)
    assert inside.sum() > 1000
    assert scenes.permute(0, 2, 3, 1)[inside].unique(dim=0).tolist() == [[255, 0, 40]]


def test_backgrounds_are_gradients_between_two_light_colours():
    ids, white = names(60), torch.full((60, 3, 16, 16), 255, dtype=torch.uint8)
    full = Camera(background=1).scenes(white, ids).double()
    assert full.min() >= math.floor(0.35 * 255) and full.min() < 110 and full.max() > 245
    # a plane in every channel: what a straight line along rows, columns and diagonals leaves is rounding
    for second in (full.diff(n=2, dim=2), full.diff(n=2, dim=3), full.diff(dim=2).diff(dim=3)):
        assert second.abs().max() <= 2
    # both colours are reached, in two corners, and what lies between them is mixed of both
    drawn = uniform_of(ids, 0).double()
    ends = (0.35 + 0.65 * drawn[:, 4:10]).view(60, 2, 3).sort(1).values * 255
    assert (full.amin((2, 3)) >= ends[:, 0] - 1).all() and (full.amax((2, 3)) <= ends[:, 1] + 1).all()
    width = (ends[:, 1] - ends[:, 0]).clamp_min(1)
    assert ((full.amax((2, 3)) - full.amin((2, 3)) + 2) / width).min() > 0.85
    half = Camera(background=0.5).scenes(white, ids).double()
    assert (half - (255 + full) / 2).abs().max() <= 1
    assert (Camera(background=0).scenes(white, ids) == 255).all()


# Sizes


def test_a_larger_drawing_is_averaged_into_a_smaller_scene():
    drawings, ids = drawings_of(4, 64), names(4)
    assert Camera().scenes(drawings, ids, 32).shape == (4, 3, 32, 32)
    assert Camera().scenes(drawings, ids).shape == (4, 3, 64, 64)
    still = Camera.of_strength(0).scenes(drawings, ids, 32)
    averaged = drawings.double().view(4, 3, 32, 2, 32, 2).mean((3, 5))
    assert (still.double() - averaged).abs().max() <= 0.51  # nothing but the size changes


def test_a_scene_of_a_larger_drawing_is_nearly_that_of_a_smaller_one():
    ids, camera = names(20), Camera()
    large, small = (camera.scenes(squares(20, side, side // 4, (30, 90, 200)), ids, 32).double() for side in (64, 32))
    assert (large - small).abs().mean() < 2


# Corpora and captioned images


def toy(rows: int = 12) -> Corpus:
    """Drawings that follow the row's number, whatever part of the table is drawn."""

    def draw(table: pd.DataFrame, size: int) -> np.ndarray:
        images = [drawings_of(1, size, seed=number)[0].numpy() for number in table["number"]]
        return np.stack(images) if images else np.zeros((0, 3, size, size), np.uint8)

    table = pd.DataFrame({
        "id": names(rows), "caption": [f"caption {i % 5}" for i in range(rows)],
        "split": ["train" if i % 3 else "test" for i in range(rows)], "number": range(rows),
    })  # fmt: skip
    return Corpus(table, "toy", "f00d", draw, labels=("number",), cluster="id", drawings=True, notes=("made up",))


def captioned(sizes: list[int], size: int = 8) -> CaptionedImages:
    """Captions with these numbers of images, in some order."""
    ids = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(5))]
    return CaptionedImages(drawings_of(len(ids), size), ids, [f"caption {i}" for i in range(len(sizes))], "test")


def test_through_changes_pixels_and_fingerprint_of_a_corpus_and_nothing_else():
    corpus, camera = toy(), Camera(seed=2)
    scenes = camera.through(corpus)
    assert torch.equal(scenes.images(16), camera.scenes(corpus.images(16), corpus.table["id"].tolist()))
    assert not torch.equal(scenes.images(16), corpus.images(16))
    assert scenes.table is corpus.table
    kept = ("name", "labels", "cluster", "designs", "people", "drawings", "notes")
    assert [getattr(scenes, name) for name in kept] == [getattr(corpus, name) for name in kept]
    seen = {corpus.fingerprint, *(c.through(corpus).fingerprint for c in (camera, Camera(), Camera.of_strength(0.5)))}
    assert len(seen) == 4
    assert corpus.fingerprint == "f00d" and not torch.equal(corpus.images(8), scenes.images(8))


@given(mask=st.lists(st.booleans(), min_size=12, max_size=12))
@settings(max_examples=10)
def test_rows_chosen_before_or_after_the_camera_have_the_same_scenes(mask):
    corpus, camera = toy(), Camera()
    before, after = camera.through(corpus.where(mask)), camera.through(corpus).where(mask)
    assert before.table.equals(after.table)
    assert torch.equal(before.images(8), after.images(8))
    whole = camera.through(corpus).images(8)
    assert torch.equal(after.images(8), whole[torch.tensor(mask)])
    assert after.fingerprint != corpus.where(mask).fingerprint


def test_parts_of_scenes_are_scenes_of_parts():
    corpus, camera = toy(), Camera()
    for part in (lambda c: c.split("train"), lambda c: c.to_learn_from(), lambda c: c.some_per_caption(1)):
        before, after = camera.through(part(corpus)), part(camera.through(corpus))
        assert before.table["id"].tolist() == after.table["id"].tolist()
        assert torch.equal(before.images(8), after.images(8))


def test_scenes_decoded_on_demand_are_the_same():
    scenes = Camera().through(toy())
    images, whole = OnDemandImages(scenes, 16), scenes.images(16)
    assert torch.equal(images[[5, 0, 11]], whole[[5, 0, 11]]) and torch.equal(images[3], whole[3])
    memory, demand = (CaptionedImages.from_corpus(scenes, 16, in_memory=where) for where in (True, False))
    assert torch.equal(demand.images[:], memory.images) and demand.fingerprint == memory.fingerprint


def test_images_are_named_by_caption_and_place():
    data, camera = captioned([3, 1, 4, 2]), Camera(seed=6)
    scenes = data.through(camera)
    seen, ids = [0] * 4, []
    for caption in data.caption_ids.tolist():
        ids.append(f"caption {caption}/{seen[caption]}")
        seen[caption] += 1
    assert len(set(ids)) == 10
    assert torch.equal(scenes.images, camera.scenes(data.images, ids))
    assert torch.equal(scenes.caption_ids, data.caption_ids) and scenes.captions == data.captions
    assert len({data.fingerprint, scenes.fingerprint, data.through(Camera()).fingerprint}) == 3


def test_images_of_one_caption_have_scenes_of_their_own():
    data = CaptionedImages(squares(6, 16, 3), torch.zeros(6, dtype=torch.long), ["one"], "test")
    assert len({image.numpy().tobytes() for image in data.through(Camera()).images}) == 6


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
@settings(max_examples=15)
def test_parts_may_be_taken_before_or_after_the_camera(sizes, data):
    images, camera = captioned(sizes), Camera()
    few = data.draw(st.integers(1, len(sizes)))
    for part in (lambda d: d.first_captions(few), lambda d: d.only(["caption 0"])):
        before, after = part(images).through(camera), part(images.through(camera))
        assert torch.equal(before.images, after.images) and torch.equal(before.caption_ids, after.caption_ids)
        assert list(before.captions) == list(after.captions)
    assert images.first_captions(1).through(camera).fingerprint != images.first_captions(1).fingerprint


# Bad input


@pytest.mark.parametrize(
    ("drawings", "ids", "message"),
    [
        (
            torch.zeros(3, 8, 8, dtype=torch.uint8),
            ["a"],
            r"drawings have shape \(3, 8, 8\) and type torch.uint8; uint8",
        ),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), ["a"], r"shape \(1, 1, 8, 8\).*uint8 \[N, 3, H, H\] is needed\.$"),
        (torch.zeros(1, 3, 8, 8), ["a"], "type torch.float32; uint8"),
        (torch.zeros(1, 3, 8, 9, dtype=torch.uint8), ["a"], "8 x 9 pixels; the camera takes square ones"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), ["a"], "2 drawings have 1 ids; each needs one"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), ["a", "b"], "1 drawings have 2 ids"),
    ],
)
@pytest.mark.parametrize("camera", [Camera(), Camera.of_strength(0)])
def test_drawings_that_are_none_are_refused(camera, drawings, ids, message):
    with pytest.raises(InputError, match=message):
        camera.scenes(drawings, ids)


@pytest.mark.parametrize("value", [-0.01, 1.01, 2, math.nan, math.inf])
def test_strengths_and_backgrounds_outside_their_range_are_refused(value):
    with pytest.raises(InputError, match=f"strength is {value}; it lies from 0"):
        Camera.of_strength(value)
    with pytest.raises(InputError, match=f"background is {value}; it lies from 0"):
        Camera(background=value)


@pytest.mark.parametrize("value", [-0.5, 0, 0.09, 1.01, math.nan])
def test_sizes_outside_their_range_are_refused(value):
    with pytest.raises(InputError, match=f"smallest is {value}; it is a share of the scene's side, 0.1 to 1"):
        Camera(smallest=value)


@pytest.mark.parametrize("value", [-1, 180.5, math.nan])
def test_turns_outside_their_range_are_refused(value):
    with pytest.raises(InputError, match=f"turn is {value}; it is an angle from 0 to 180 degrees"):
        Camera(turn=value)
