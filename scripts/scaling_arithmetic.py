"""What a large synthetic set takes, as arithmetic: GPU-days and storage from rates that a reader measures on one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stablerep.study.markdown import markdown_table

DAY = 86_400  # seconds
EMBEDDED_BYTES = 2_890  # of a stored image of 32 pixels: PNG and its share of a shard; the mean of 5,120 generated ones
ASSUMED_BYTES = (
    450_000  # of a stored image of 512 pixels, PNG; an assumption: photographs of that size take 300 to 600 kB
)
BOOK_SECONDS = (
    1532  # seventeen chapters at the laptop preset and the pages, from an empty store; measured once on two cores
)
PAPER_VIEWS = 900_000_000  # crops of the paper's "35 epochs", which names an amount of computing (authors' repository)
PAPER_VIEWS_PER_STEP = 43 * 6 * 32  # captions on a GPU, images of a caption, GPUs (authors' repository)


@dataclass(frozen=True)
class Need:
    """A set of ``images``: ``gpu_days`` at a rate, and ``terabytes`` of shards."""

    images: int
    gpu_days: float
    terabytes: float


def need(images: int, *, per_second: float, bytes_per_image: float) -> Need:
    """What a set takes.

    Args:
        per_second: images that one GPU makes in a second; guidance, steps, resolution and precision are in it.

    Raises:
        ValueError: a number that is not positive.
    """
    for name, value in (("images", images), ("per_second", per_second), ("bytes_per_image", bytes_per_image)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; it must be positive.")
    return Need(images, images / per_second / DAY, images * bytes_per_image / 1e12)


def synthesis_table(images: Sequence[int], rates: Sequence[float]) -> str:
    """Markdown: GPU-days by number of images and images a second on one GPU."""
    header = ["images", *(f"{rate:g} image{'s' * (rate != 1)}/s" for rate in rates)]
    rows = [
        [_count(n), *(_days(need(n, per_second=rate, bytes_per_image=1).gpu_days) for rate in rates)] for n in images
    ]
    return markdown_table(header, rows)


def storage_table(images: Sequence[int]) -> str:
    """Markdown: storage by number of images, of 32 pixels as measured and of 512 pixels as assumed."""
    sizes = (EMBEDDED_BYTES, ASSUMED_BYTES)
    rows = [
        [_count(n), *(_storage(need(n, per_second=1, bytes_per_image=size).terabytes) for size in sizes)]
        for n in images
    ]
    return markdown_table(["images", "32 pixels, measured", "512 pixels, assumed"], rows)


def training_steps(images: int, *, passes: float, views_per_step: int) -> int:
    """Optimizer steps in which each image is seen ``passes`` times on average."""
    return round(images * passes / views_per_step)


def _count(images: int) -> str:
    return f"{images // 1_000_000} M"


def _days(days: float) -> str:
    return f"{days:,.1f}" if days < 100 else f"{days:,.0f}"


def _storage(terabytes: float) -> str:
    return f"{terabytes:,.1f} TB" if terabytes >= 1 else f"{1000 * terabytes:,.0f} GB"


if __name__ == "__main__":
    sizes = (1_000_000, 10_000_000, 100_000_000)
    print(synthesis_table(sizes, (1, 5, 20)), storage_table(sizes), sep="\n\n")
