"""The script by which generated people are labelled, on made-up images."""

from __future__ import annotations

import label_people
import numpy as np
import pandas as pd
import pytest
import torch
from label_people import COLUMNS, MARGIN, SIDE, contact_sheet, join, write_sheet
from PIL import Image

from stablerep.audits.labelled import IMAGE, compare_labels
from stablerep.audits.people import KNOWN_CLASSES
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.generator import generator_fingerprint
from stablerep.study.chapters import bias_generator, resolve
from stablerep.study.experiments.images import ImageSet

MADE = {
    "guidance_scale": 2.0,
    "guidance_interval": "everywhere",
    "generator": "abc",
    "sampling_steps": 8,
    "sampler": "dpm++",
    "seed": 0,
}


@pytest.fixture
def made():
    """Fifty images, each of a grey that tells which it is."""
    images = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None] * 4, (50, 3, 8, 8))
    about = pd.DataFrame({"caption": [f"c{k // 5}" for k in range(50)], "image": [k % 5 for k in range(50)]}).assign(
        **MADE
    )
    return images, about[IMAGE]


def test_a_sheet_shows_each_image_in_its_place(made):
    sheet = np.asarray(contact_sheet(made[0]))
    assert sheet.shape == (3 * (SIDE + MARGIN), COLUMNS * SIDE, 3)
    centre = [
        sheet[k // COLUMNS * (SIDE + MARGIN) + MARGIN + SIDE // 2, k % COLUMNS * SIDE + SIDE // 2, 0] for k in range(50)
    ]
    assert centre == list(range(0, 200, 4))
    assert (sheet[:MARGIN, :SIDE] < 100).any()  # its number


def test_labels_of_a_sheet_come_back_with_what_each_image_is(made, tmp_path):
    folder, target = tmp_path / "sheet", tmp_path / "data" / "labelled.csv"
    write_sheet(folder, *made, 20, seed=1)
    key = pd.read_csv(folder / "key.csv", index_col="number")
    with Image.open(folder / "sheet.png") as sheet:
        shown = [sheet.getpixel((k * SIDE + SIDE // 2, MARGIN + SIDE // 2))[0] // 4 for k in range(20)]
    assert [f"c{k // 5}" for k in shown] == key["caption"].tolist() and [k % 5 for k in shown] == key["image"].tolist()
    assert shown != sorted(shown)  # in random order
    labels = pd.read_csv(folder / "labels.csv", index_col="number")
    assert labels.columns.tolist() == list(KNOWN_CLASSES) and labels.index.tolist() == list(range(1, 21))
    labels.assign(tone="dark", gender="cannot tell").to_csv(folder / "labels.csv")
    assert join(folder, target) == 20
    readings = made[1].assign(tone="dark", gender="man")
    found = compare_labels(target, readings, KNOWN_CLASSES)["agreement"].set_index("attribute")
    assert (
        found.loc["tone", "images"] == 20 and found.loc["tone", "agreement"] == 1 and found.loc["gender", "both"] == 0
    )


def test_images_are_those_that_the_chapter_reads(monkeypatch):
    """Of every guidance scale, under the names by which its readings know them."""
    p = resolve("bias_generator", {"preset": "smoke"})

    def drawn(p, study, captions, w):
        images = torch.full((8, 3, 32, 32), int(w), dtype=torch.uint8)
        return ImageSet(
            "made", lambda: CaptionedImages(images, torch.arange(4).repeat_interleave(2), captions.texts, "made")
        )

    monkeypatch.setattr(bias_generator, "made", drawn)
    images, about = label_people.generated({"preset": "smoke", "neutral_captions": 4})
    assert images[:, 0, 0, 0].tolist() == about["guidance_scale"].tolist() == [1] * 8 + [4] * 8
    assert about["image"].tolist() == [0, 1] * 8 and about["caption"].nunique() == 4 and list(about) == IMAGE
    assert set(about["generator"]) == {generator_fingerprint("emoji")} and set(about["sampling_steps"]) == {
        p.sampling_steps
    }


def test_what_is_wrong_is_told(made, tmp_path, capsys):
    with pytest.raises(InputError, match="images is 51; 50 were generated"):
        write_sheet(tmp_path, *made, 51, seed=0)
    write_sheet(tmp_path, *made, 4, seed=0)
    with pytest.raises(InputError, match="holds labels already"):
        write_sheet(tmp_path, *made, 4, seed=0)
    labels = pd.read_csv(tmp_path / "labels.csv", index_col="number").assign(tone="dark", gender="king")
    labels.to_csv(tmp_path / "labels.csv")
    with pytest.raises(InputError, match="gender of image 1 is 'king'; it is one of woman, man, person, cannot tell"):
        join(tmp_path, tmp_path / "out.csv")
    labels[:3].to_csv(tmp_path / "labels.csv")
    with pytest.raises(InputError, match="labels.csv has 3 numbers and key.csv 4"):
        join(tmp_path, tmp_path / "out.csv")
    with pytest.raises(SystemExit):
        label_people.main([str(tmp_path), "--join"])
    assert "each image needs one label" in capsys.readouterr().err
