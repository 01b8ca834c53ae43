"""Label generated people by eye, blind: `python scripts/label_people.py FOLDER` draws a sheet, `... FOLDER --join` makes the table of it.

The sheet shows images of neutral captions, numbered in random order: `sheet.png`. What each is stands in `key.csv`, which whoever labels does
not open. The labels go into `labels.csv`, a row per number, in the words of the reader (`cannot tell` is one). Joined with the key they
become the table that the chapter on the bias of the generator compares its reader with, `stablerep/audits/people_data/labelled.csv`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stablerep.audits.labelled import IMAGE, LABELLED
from stablerep.audits.people import KNOWN_CLASSES, neutral_captions
from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError

COLUMNS, SIDE, MARGIN = 20, 96, 16  # images in a row of the sheet; pixels of one, and above it for its number


def contact_sheet(images: np.ndarray):
    """A picture of numbered images, from 1, enlarged without smoothing: uint8 [N, 3, H, W] to an image of Pillow."""
    from PIL import Image, ImageDraw

    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (min(COLUMNS, len(images)) * SIDE, rows * (SIDE + MARGIN)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, image in enumerate(images):
        x, y = k % COLUMNS * SIDE, k // COLUMNS * (SIDE + MARGIN)
        enlarged = Image.fromarray(image.transpose(1, 2, 0)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (x, y + MARGIN))
        pen.text((x + 2, y + 2), str(k + 1), fill="black")
    return sheet


def generated(given: dict) -> tuple[np.ndarray, pd.DataFrame]:
    """All images of neutral captions that the chapter on the bias of the generator reads with some parameters, uint8 [N, 3, H, W], and what each is, a row in the columns
    ``IMAGE``. Those that are missing are made, and kept where the chapter finds them."""
    from stablerep.study.chapters import bias_generator, resolve
    from stablerep.study.experiments.images import Named
    from stablerep.study.experiments.people_images import people_in
    from stablerep.study.experiments.study import Study

    p = resolve("bias_generator", given)
    study = Study(parameters=p)
    table = people_in(study.corpus).to_learn_from().table
    captions = Named(neutral_captions(table, p.neutral_captions))
    images, about = [], []
    for w in p.guidance_scales:
        found = bias_generator.made(p, study, captions, w).load()
        images.append(found.images.numpy())
        about.append(
            pd.DataFrame({"caption": np.array(captions.texts, object)[found.caption_ids], "guidance_scale": w})
        )
    rows = pd.concat(about, ignore_index=True).assign(
        generator=study.generator_fingerprint(p.generator), **bias_generator.sampled(p)
    )
    rows["image"] = rows.groupby(["guidance_scale", "caption"]).cumcount()
    return np.concatenate(images), rows[IMAGE]


def write_sheet(folder: Path, images: np.ndarray, about: pd.DataFrame, count: int, seed: int) -> None:
    """``sheet.png``, ``key.csv`` and an empty ``labels.csv`` of so many images, drawn at random.

    Raises:
        InputError: there are fewer images, or the folder holds labels already.
    """
    if count > len(images):
        raise InputError(f"images is {count}; {len(images)} were generated.")
    if (folder / "labels.csv").exists():
        raise InputError(f"{folder} holds labels already; give another folder.")
    chosen = np.random.default_rng(seed).choice(len(images), count, replace=False)
    folder.mkdir(parents=True, exist_ok=True)
    contact_sheet(images[chosen]).save(folder / "sheet.png")
    numbers = pd.RangeIndex(1, count + 1, name="number")
    about.iloc[chosen].set_index(numbers).to_csv(folder / "key.csv")
    pd.DataFrame("", numbers, list(KNOWN_CLASSES)).to_csv(folder / "labels.csv")


def join(folder: Path, target: Path) -> int:
    """Write the labels of a folder, with what each image is, as the table ``target``; how many there are.

    Raises:
        InputError: a label that is missing or is no class, or numbers that are not those of the key.
    """
    key, labels = (pd.read_csv(folder / name, index_col="number") for name in ("key.csv", "labels.csv"))
    if set(key.index) != set(labels.index):
        raise InputError(f"labels.csv has {len(labels)} numbers and key.csv {len(key)}; each image needs one label.")
    for attribute, classes in KNOWN_CLASSES.items():
        for number, label in labels[attribute].items():
            if label not in (*classes, CANNOT_TELL):
                raise InputError(
                    f"{attribute} of image {number} is {label!r}; it is one of {', '.join(classes)}, {CANNOT_TELL}."
                )
    target.parent.mkdir(parents=True, exist_ok=True)
    key.join(labels[list(KNOWN_CLASSES)]).sort_values(IMAGE).to_csv(target, index=False)
    return len(key)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--join", action="store_true", help="make the table of the labels in the folder")
    parser.add_argument("--images", type=int, default=200, help="on the sheet")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    parser.add_argument(
        "--parameters", type=json.loads, default={"preset": "reference"}, help="of the chapter, as JSON"
    )
    asked = parser.parse_args(arguments)
    try:
        if asked.join:
            print(f"{join(asked.folder, LABELLED)} labels in {LABELLED}")
        else:
            write_sheet(asked.folder, *generated(asked.parameters), asked.images, asked.seed)
            print(
                f"label the images of {asked.folder / 'sheet.png'} in {asked.folder / 'labels.csv'}, then run this with --join"
            )
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
