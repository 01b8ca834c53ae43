"""Views: shapes, ranges, what is random for each image, and the cases in which a view is known exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from stablerep.views import MEAN, STD, ViewRecipe, _blur, _draw, _luma, _turn_hue, make_views, normalize

STILL = ViewRecipe(crop_min=1, aspect=1, flip=0, jitter=0, grey=0, blur=0)  # changes nothing


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n=6, height=32, width=32, seed=0):
    return torch.randint(0, 256, (n, 3, height, width), generator=rng(seed), dtype=torch.uint8)


def smooth_pictures(n=4, size=64):
    """Colour gradients: resizing hardly changes them."""
    ramp = torch.linspace(0, 255, size)
    one = torch.stack([ramp[None].expand(size, size), ramp[:, None].expand(size, size), torch.full((size, size), 90.0)])
    return one.round().byte().expand(n, 3, size, size).clone()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 44), (96, 64), (8, 8)])
@pytest.mark.parametrize("size", [24, 32])
def test_views_have_the_asked_size_and_range_whatever_the_image(height, width, size):
    views = make_views(pictures(5, height, width), ViewRecipe(size=size), rng())
    assert views.shape == (5, 3, size, size) and views.dtype == torch.float32
    assert views.min() >= -1e-6 and views.max() <= 1 + 1e-6  # up to the rounding of interpolation
    assert views.std() > 0.01


def test_images_of_a_batch_get_crops_and_colours_of_their_own():
    same = pictures(1).expand(16, -1, -1, -1)
    for recipe in (
        replace(STILL, crop_min=0.2), replace(STILL, aspect=1.5, crop_min=0.3), replace(STILL, jitter=1.0),
        replace(STILL, blur=1.0, blur_sigma=(1.0, 20.0)),
    ):  # fmt: skip
        views = make_views(same, recipe, rng())
        distance = torch.cdist(views.flatten(1), views.flatten(1)) + torch.eye(16)
        assert distance.min() > 1e-3, recipe


@pytest.mark.parametrize("name", ["flip", "grey", "jitter", "blur"])
def test_a_probability_is_a_share_of_the_images_of_a_batch(name):
    recipe = replace(STILL, **{name: 0.3}, blur_sigma=(5.0, 20.0))
    images = pictures(1).expand(400, -1, -1, -1)
    changed = (make_views(images, recipe, rng()) - images.float() / 255).abs().amax((1, 2, 3)) > 1e-4
    assert 0.22 < changed.float().mean() < 0.38  # three and a half standard deviations


def test_the_state_of_the_generator_alone_decides_the_views():
    images, recipe = pictures(), ViewRecipe()
    torch.manual_seed(1)
    first = make_views(images, recipe, rng(3))
    torch.manual_seed(2)
    assert torch.equal(first, make_views(images, recipe, rng(3)))
    assert not torch.equal(first, make_views(images, recipe, rng(4)))


def test_views_leave_their_images_and_the_global_generator_alone():
    images = pictures()
    before, state = images.clone(), torch.get_rng_state()
    make_views(images, ViewRecipe(), rng())
    assert torch.equal(images, before) and torch.equal(state, torch.get_rng_state())


def test_a_recipe_that_changes_nothing_gives_the_image():
    images = pictures()
    torch.testing.assert_close(make_views(images, STILL, rng()), images.float() / 255, atol=1e-5, rtol=0)


def test_jitter_of_strength_zero_changes_nothing():
    images = pictures()
    recipe = replace(STILL, jitter=1.0, brightness=0, contrast=0, saturation=0, hue=0)
    torch.testing.assert_close(make_views(images, recipe, rng()), images.float() / 255, atol=1e-5, rtol=0)


def test_a_certain_flip_mirrors_left_and_right():
    images = pictures()
    views = make_views(images, replace(STILL, flip=1.0), rng())
    torch.testing.assert_close(views, images.float().flip(3) / 255, atol=1e-5, rtol=0)


def test_a_certain_grey_has_equal_channels_and_keeps_luma():
    images = pictures()
    views = make_views(images, replace(STILL, grey=1.0), rng())
    assert torch.equal(views[:, 0], views[:, 1]) and torch.equal(views[:, 1], views[:, 2])
    red, green, blue = (images.float() / 255).unbind(1)
    torch.testing.assert_close(views[:, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-5, rtol=0)


def test_crops_keep_at_least_the_asked_share_and_stay_inside():
    """Each pixel's colour is its own place, so a view tells where it was cut."""
    place = torch.linspace(0, 255, 32).round().byte()
    image = torch.stack(
        [place[None].expand(32, 32), place[:, None].expand(32, 32), torch.zeros(32, 32, dtype=torch.uint8)]
    )
    views = make_views(image.expand(300, -1, -1, -1), replace(STILL, crop_min=0.25, aspect=4 / 3), rng())
    width = (views[:, 0, :, -1] - views[:, 0, :, 0]).mean(1)
    height = (views[:, 1, -1, :] - views[:, 1, 0, :]).mean(1)
    # a view of s pixels spans (s - 1) / s of its crop; colours are rounded and the border is extended by half a pixel
    area, ratio = width * height, width / height
    assert area.min() > 0.25 - 0.05 and area.max() <= 1.001
    assert ratio.min() > 0.75 - 0.05 and ratio.max() < 4 / 3 + 0.08
    assert area.max() - area.min() > 0.5 and ratio.max() - ratio.min() > 0.4
    for start, length in ((views[:, 0, :, 0].mean(1), width), (views[:, 1, 0, :].mean(1), height)):
        place = (start / (1 - length))[length < 0.7]  # where in the room that it has
        assert len(place) > 50 and place.min() < 0.12 and place.max() > 0.88 and 0.4 < place.mean() < 0.6


def test_a_hue_turn_of_zero_or_one_circle_is_the_identity():
    x = pictures().float() / 255
    for turn in (0.0, 1.0):
        torch.testing.assert_close(_turn_hue(x, torch.full((6,), turn)), x, atol=1e-5, rtol=0)


def test_a_hue_turn_keeps_luma_and_changes_colour():
    x = 0.5 + 0.1 * (
        pictures().float() / 255 - 0.5
    )  # far from the edges of the colour cube, so that nothing is clamped
    turned = _turn_hue(x, torch.linspace(0.1, 0.9, 6))
    torch.testing.assert_close(_luma(turned), _luma(x), atol=1e-5, rtol=0)
    assert ((turned - x).abs().amax((1, 2, 3)) > 0.01).all()
    torch.testing.assert_close(_turn_hue(turned, -torch.linspace(0.1, 0.9, 6)), x, atol=1e-5, rtol=0)


def test_a_hue_turn_leaves_greys_alone():
    grey = torch.rand(4, 1, 8, 8, generator=rng()).expand(4, 3, 8, 8)
    torch.testing.assert_close(_turn_hue(grey, torch.tensor([0.1, 0.3, -0.4, 0.5])), grey, atol=1e-5, rtol=0)


def drawn(x: torch.Tensor, recipe: ViewRecipe) -> dict[str, torch.Tensor]:
    return _draw(len(x), recipe, rng(), x.device)[0]


def test_blur_keeps_constants_and_means_and_reduces_contrast():
    recipe = replace(STILL, blur=1.0, blur_sigma=(5.0, 20.0))
    constant = torch.rand(4, 3, 1, 1, generator=rng()).expand(4, 3, 32, 32)
    torch.testing.assert_close(_blur(constant, recipe, drawn(constant, recipe)), constant, atol=1e-5, rtol=0)
    dot = torch.zeros(4, 3, 32, 32)
    dot[:, 1, 16, 16] = 1
    blurred = _blur(dot, recipe, drawn(dot, recipe))
    torch.testing.assert_close(blurred.sum((2, 3)), dot.sum((2, 3)), atol=1e-5, rtol=0)
    assert (blurred[:, 1].amax((1, 2)) < 0.9).all() and (blurred[:, [0, 2]] == 0).all()
    torch.testing.assert_close(blurred, blurred.transpose(2, 3), atol=1e-6, rtol=0)


def test_blur_is_the_gaussian_of_its_deviation():
    """A deviation of 14 pixels of 224 is 2 pixels of 32."""
    recipe = replace(STILL, blur=1.0, blur_sigma=(14.0, 14.0))
    line = torch.zeros(1, 3, 32, 32)
    line[:, :, :, 16] = 1
    weights = torch.exp(-0.5 * (torch.arange(-5.0, 6.0) / 2) ** 2)
    torch.testing.assert_close(
        _blur(line, recipe, drawn(line, recipe))[0, 0, 10, 11:22], weights / weights.sum(), atol=1e-5, rtol=0
    )


def test_larger_images_are_resized_smoothly_first():
    """One white pixel in a large black image must not be skipped, nor shine at full strength."""
    dot = torch.zeros(1, 3, 256, 256, dtype=torch.uint8)
    dot[:, :, 101, 77] = 255
    view = make_views(dot, STILL, rng())
    assert 0 < view.sum() and view.max() < 0.2
    whole = F.interpolate(smooth_pictures().float() / 255, size=(32, 32), mode="area")
    assert (make_views(smooth_pictures(), STILL, rng()) - whole).abs().mean() < 0.02


def test_normalize_centres_on_the_statistics_of_imagenet():
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    x = torch.stack([mean, mean + std, mean - 2 * std]).view(3, 3, 1, 1).expand(3, 3, 4, 4)
    expected = torch.tensor([0.0, 1.0, -2.0]).view(3, 1, 1, 1).expand(3, 3, 4, 4)
    torch.testing.assert_close(normalize(x), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 32, 32), "float32"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), r"shape \(3, 32, 32\)"),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8), r"shape \(2, 32, 32, 3\)"),
    ],
)
def test_views_refuse_what_is_not_a_batch_of_images(images, message):
    with pytest.raises(ValueError, match=message):
        make_views(images, ViewRecipe(), rng())


@pytest.mark.parametrize("change", [{"crop_min": 0}, {"crop_min": 1.2}, {"size": 4}, {"size": 4096}])
def test_a_recipe_refuses_values_out_of_range(change):
    (name, value), *_ = change.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        ViewRecipe(**change)


def detour(images, size):
    """Each image on its own to ``size`` pixels a side and back."""
    whole = images.shape[-2:]
    options = {"mode": "bilinear", "antialias": True}
    one = [
        F.interpolate(F.interpolate(x[None].float() / 255, size=size, **options), size=whole, **options) for x in images
    ]
    return torch.cat(one)


def test_downsampling_with_certainty_and_one_size_is_that_detour():
    images = pictures()
    views = make_views(images, replace(STILL, downsample=1.0, downsample_sizes=(12,)), rng())
    torch.testing.assert_close(views, detour(images, (12, 12)), atol=1e-5, rtol=0)
    assert (views - images.float() / 255).abs().max() > 0.1


def test_downsampling_keeps_colours_where_the_picture_is_flat():
    """The middle of squares of eight pixels."""
    squares = pictures(3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    views = make_views(squares, replace(STILL, downsample=1.0, downsample_sizes=(16,)), rng())
    inner = torch.tensor([3, 4])
    places = (8 * torch.arange(4)[:, None] + inner).flatten()
    torch.testing.assert_close(
        views[:, :, places][..., places], squares[:, :, places][..., places].float() / 255, atol=1e-5, rtol=0
    )


def test_downsampling_leaves_constants_and_images_that_are_smaller_alone():
    recipe = replace(STILL, downsample=1.0, downsample_sizes=(7, 16))
    flat = pictures(5, 1, 1).expand(5, 3, 32, 32)
    torch.testing.assert_close(make_views(flat, recipe, rng()), flat.float() / 255, atol=1e-5, rtol=0)
    small, recipe = pictures(5, 16, 16), replace(recipe, downsample_sizes=(16, 20))
    assert torch.equal(make_views(small, recipe, rng()), make_views(small, STILL, rng()))


def test_the_shorter_side_is_drawn_and_the_shape_of_the_image_kept():
    images = pictures(4, 32, 48)
    recipe = replace(STILL, downsample=1.0, downsample_sizes=(16,))
    expected = make_views((detour(images, (16, 24)) * 255).round().byte(), STILL, rng())
    torch.testing.assert_close(make_views(images, recipe, rng()), expected, atol=1e-2, rtol=0)


def test_a_share_of_the_views_is_downsampled_each_size_as_often_and_the_others_stay_as_they_are():
    images = pictures(1).expand(600, -1, -1, -1)
    recipe = ViewRecipe(downsample=0.3)
    views, without = make_views(images, recipe, rng()), make_views(images, ViewRecipe(), rng())
    changed = (views != without).flatten(1).any(1)
    assert 0.23 < changed.float().mean() < 0.37  # almost four standard deviations
    still = make_views(images, replace(STILL, downsample=0.3), rng())
    errors = torch.stack([(still - detour(images[:1], (s, s))).abs().amax((1, 2, 3)) for s in recipe.downsample_sizes])
    of_size = (errors < 1e-4).sum(1)
    assert of_size.sum() == changed.sum() and of_size.min() > 0.33 * changed.sum()  # four standard deviations


def test_downsampling_that_is_off_draws_nothing_and_on_takes_no_numbers_from_the_others():
    images, numbers = pictures(), [rng(5) for _ in range(3)]
    plain = make_views(images, ViewRecipe(), numbers[0])
    assert torch.equal(plain, make_views(images, ViewRecipe(downsample=0.0, downsample_sizes=(4, 9)), numbers[1]))
    make_views(images, ViewRecipe(downsample=1.0), numbers[2])
    assert all(torch.equal(n.get_state(), numbers[0].get_state()) for n in numbers)
    again = [make_views(images, ViewRecipe(downsample=0.5), rng(5)) for _ in range(2)]
    assert torch.equal(*again)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"downsample": -0.1}, "downsample is -0.1; it is a probability"),
        ({"downsample": 1.5}, "downsample is 1.5; it is a probability"),
        ({"downsample": float("nan")}, "downsample is nan; it is a probability"),
        ({"downsample": 0.5, "downsample_sizes": ()}, r"downsample_sizes is \(\); it names sides of 1 to 31 pixels"),
        ({"downsample": 0.5, "downsample_sizes": (0, 8)}, r"downsample_sizes is \(0, 8\)"),
        ({"downsample": 0.5, "downsample_sizes": (8, 32)}, r"downsample_sizes is \(8, 32\)"),
        ({"downsample": 0.5, "downsample_sizes": (0.5,)}, r"downsample_sizes is \(0.5,\)"),
    ],
)
def test_downsampling_refuses_values_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        ViewRecipe(**change)
