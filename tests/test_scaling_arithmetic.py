"""The arithmetic of large sets, and that the page *Scaling out* prints nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scaling_arithmetic import (
    ASSUMED_BYTES,
    BOOK_SECONDS,
    EMBEDDED_BYTES,
    PAPER_VIEWS,
    PAPER_VIEWS_PER_STEP,
    need,
    storage_table,
    synthesis_table,
    training_steps,
)  # fmt: skip

from stablerep.generator import Sampling, load_generator
from stablerep.study.experiments.steps import EVALUATION, PRETRAINING, SYNTHESIS
from stablerep.synthesis import SynthesisPlan, synthesize
from stablerep.training import PretrainingRecipe
from tests.conftest import TINY_CAPTIONS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "book" / "scaling_out.md").read_text()
COUNTS = (1_000_000, 10_000_000, 100_000_000)


def test_by_hand():
    found = need(10_000_000, per_second=5, bytes_per_image=450_000)
    assert found.gpu_days == pytest.approx(2_000_000 / 3600 / 24) and found.terabytes == pytest.approx(4.5)
    assert training_steps(27_000_000, passes=35, views_per_step=8256) == 114_462
    for name in ("images", "per_second", "bytes_per_image"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be positive"):
            need(**({"images": 1, "per_second": 1, "bytes_per_image": 1} | {name: 0}))


def test_the_page_prints_these_tables():
    assert synthesis_table(COUNTS, (1, 5, 20)) in PAGE
    assert storage_table(COUNTS) in PAGE


def test_every_number_of_the_tables_again():
    """Computed here once more, with as much tolerance as the rounding has."""
    for line in synthesis_table(COUNTS, (1, 5, 20)).splitlines()[2:]:
        count, *days = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        for rate, value in zip((1, 5, 20), days):
            assert float(value) == pytest.approx(float(count.split()[0]) * 1e6 / rate / (24 * 60 * 60), rel=0.05)
    for line in storage_table(COUNTS).splitlines()[2:]:
        count, *sizes = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        for size, value in zip((EMBEDDED_BYTES, ASSUMED_BYTES), sizes):
            unit = {"GB": 1e9, "TB": 1e12}[value.split()[1]]
            assert float(value.split()[0]) * unit == pytest.approx(float(count.split()[0]) * 1e6 * size, rel=0.2)


def test_the_rates_of_the_page_are_those_of_the_estimates():
    assert f"| {SYNTHESIS.rate:.0f} images a second |" in PAGE
    assert f"| {PRETRAINING.rate:,.0f} views a second |" in PAGE
    assert f"| {EVALUATION.seconds:g} s |" in PAGE
    assert f"assumes {ASSUMED_BYTES // 1000} kB" in PAGE
    assert f"{PAPER_VIEWS_PER_STEP:,} views in a step (43 captions × 6 images on 32 GPUs)" in PAGE
    assert (
        f"about {round(training_steps(PAPER_VIEWS, passes=1, views_per_step=PAPER_VIEWS_PER_STEP), -4):,} steps" in PAGE
    )
    assert f"| {BOOK_SECONDS / 60:.0f} minutes |" in PAGE
    assert f"shards of {SynthesisPlan(['x']).shard_captions} captions" in PAGE
    recipe = PretrainingRecipe()
    assert (
        f"warm-up ({100 * recipe.warmup:.0f} % of the steps; the paper's is about 3 %)" in PAGE
        and recipe.head_statistics == "joint"
    )
    epochs = {15: 0.5, 31: 1.0, 46: 1.5}  # and of warm-up; the authors' repository, CC12M
    assert {round(100 * warm / whole) for whole, warm in epochs.items()} == {3}
    captions, images = re.search(
        r"the (\d+) million captions of CC12M make the\s+(\d+) million images of the last row", PAGE
    ).groups()
    assert int(images) == 10 * int(captions) == COUNTS[-1] / 1e6


def test_no_number_of_the_prose_is_without_a_check():
    """Whoever writes a new number on the page says in these tests where it comes from."""
    prose = PAGE.replace(synthesis_table(COUNTS, (1, 5, 20)), "").replace(storage_table(COUNTS), "")
    prose = re.sub(r"```.*?```|`[^`]*`", "", prose, flags=re.DOTALL)  # commands, names and references
    known = {
        "240", "2,100", "26",  # measured on two cores
        "200", "16", "120", "2,400", "35", "60", "15",  # one H200 with 16 cores: encoders of two references, steps of each, steps a second
        "32", "64", "512", "256", "450",  # pixels (and captions of a shard, and GPUs of the paper), kB
        "10", "100", "12",  # images of a caption, millions of captions and of images, CC12M
        "8,256", "43", "6", "110,000", "5", "3",  # probes of an encoder in seconds; the paper's recipe; per cent of warm-up
        "4",  # NFS 4
    }  # fmt: skip
    assert set(re.findall(r"\d+(?:[,.]\d+)*", prose)) == known


@pytest.mark.slow
def test_the_measured_size_of_an_image(tmp_path):
    plan = SynthesisPlan(TINY_CAPTIONS, images_per_caption=4, sampling=Sampling(steps=8))
    synthesize(plan, load_generator("emoji"), tmp_path, progress=False)
    size = sum(path.stat().st_size for path in tmp_path.glob("shard-*.tar")) / plan.total
    assert size == pytest.approx(EMBEDDED_BYTES, rel=0.25)  # few captions, and not those of the measurement


def test_the_page_shows_the_lines_of_the_scripts():
    """A command on the page that is in a script is there as it is."""
    scripts = "\n".join(path.read_text() for path in (ROOT / "examples" / "slurm").glob("*.sh"))
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        for line in block.splitlines():
            plain = line.removesuffix("\\").strip()
            assert any(
                plain in one or plain.removesuffix(" --learning-rate 3.2e-3") in one for one in scripts.splitlines()
            ), line
