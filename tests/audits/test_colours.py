"""What readers see: colours of what is not white, wherever it stands."""

from __future__ import annotations

import torch

from stablerep.audits.colours import ColourAndShape, ColourHistogram, look_for
from stablerep.probes.extraction import features_of


def square(colour: tuple[int, int, int], corner: int = 4, side: int = 12, size: int = 32) -> torch.Tensor:
    """A square of one colour on white, uint8 [1, 3, size, size]."""
    image = torch.full((1, 3, size, size), 255, dtype=torch.uint8)
    image[0, :, corner : corner + side, corner : corner + side] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return image


BROWN, YELLOW = (120, 80, 50), (255, 200, 60)


def colours(images: torch.Tensor) -> torch.Tensor:
    return features_of(ColourHistogram(), images)


def test_a_histogram_is_of_what_is_not_white():
    here, there, larger, bigger = (
        colours(image)[0] for image in (square(BROWN), square(BROWN, 15), square(BROWN, 4, 20), square(BROWN, 8, 24, 64))
    )  # fmt: skip
    torch.testing.assert_close(here.square().sum(), torch.tensor(1.0))  # shares of the inked pixels
    for other in (there, larger, bigger):
        torch.testing.assert_close(here, other)
    assert (here > 0).sum() <= 8  # the bins around one colour
    assert (here * colours(square(YELLOW))[0]).sum() < 0.05


def test_a_little_noise_changes_little():
    """Where bins had hard borders, one grey level would move a whole area to another bin."""
    near = tuple(value + 3 for value in BROWN)
    assert (colours(square(BROWN))[0] * colours(square(near))[0]).sum() > 0.95


def test_a_white_image_has_no_colours():
    blank = torch.full((1, 3, 16, 16), 255, dtype=torch.uint8)
    assert not colours(blank).any() and features_of(ColourAndShape(), blank).isfinite().all()


def test_tones_are_read_from_colours_and_all_else_from_shape_too():
    moved = torch.cat([square(BROWN), square(BROWN, 15)])
    tone, other = (features_of(look_for(name)(), moved) for name in ("tone", "age"))
    torch.testing.assert_close(tone[0], tone[1])
    assert other.shape[1] > tone.shape[1] and not torch.allclose(other[0], other[1])
