"""What a split at random would leak, in words."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.solutions import leaked


def leaks_in_words(sizes: pd.Series) -> str:
    """The share of images with another image of their concept in training, if half of all images were drawn: at the mean number of images of a
    concept, as the mean over concepts, and over all images.

    Args:
        sizes: the number of images of each concept, one at least.
    """
    shares, mean, common = 1 - 0.5 ** (sizes - 1), sizes.mean(), int(sizes.mode().iloc[0])
    at_mean = 1 - 0.5 ** (mean - 1)
    over_images = leaked([name for name, count in enumerate(sizes) for _ in range(count)], 0.5)
    return (
        f"A concept has {mean:.1f} images in the mean, for which that is {100 * at_mean:.1f} %. The mean over concepts is {100 * shares.mean():.1f} %, "
        f"{'lower' if shares.mean() < at_mean else 'no lower'}: the curve is concave, so that its mean cannot lie above its value at the mean k. A few concepts with many images pull "
        f"the mean k up; {100 * (sizes == common).mean():.0f} % of concepts have {common}, for which it is {100 * (1 - 0.5 ** (common - 1)):.1f} %. Over images instead "
        f"of concepts the share is {100 * over_images:.1f} %, since concepts with many images count for more."
    )
