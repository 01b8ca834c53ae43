"""The arithmetic of large sets, and that the page *Scaling out* prints nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stablerep.generator import load_generator
from stablerep.study.costs import RATES, SECONDS
from stablerep.study.scaling_arithmetic import ASSUMED_BYTES, EMBEDDED_BYTES, need, storage_table, synthesis_table, training_steps
from stablerep.synthesis import SynthesisPlan, synthesize
from tests.conftest import TINY_CAPTIONS

ROOT = Path(__file__).parents[2]
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
    """From the page's text, with numbers of its own."""
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
    assert f"| {RATES['synthesis']:.0f} images a second |" in PAGE
    assert f"| {RATES['pretraining']:,.0f} views a second |" in PAGE
    assert f"| {SECONDS['evaluation']} s |" in PAGE
    assert f"assumes {ASSUMED_BYTES // 1000} kB" in PAGE
    assert 43 * 6 * 32 == 8256 and "8,256 views in a step (43 captions × 6 images on 32 GPUs)" in PAGE


@pytest.mark.slow
def test_the_measured_size_of_an_image(tmp_path):
    plan = SynthesisPlan(TINY_CAPTIONS, images_per_caption=4, guidance_scale=2.0, steps=8)
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
            assert any(plain in one or plain.removesuffix(" --learning-rate 3.2e-3") in one for one in scripts.splitlines()), line
