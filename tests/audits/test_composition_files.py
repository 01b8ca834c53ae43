"""Small files in the layouts of ARO and SugarCrepe: what is read, what is cut out, and what is told of broken ones."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stablerep.audits.composition_files import files_in, fingerprint, folder_of, read_files
from stablerep.audits.regions import cropped
from stablerep.errors import InputError, MissingError

RELATION, ATTRIBUTION = "visual_genome_relation.json", "visual_genome_attribution.json"
COLOURS = {"left": (200, 30, 30), "right": (30, 30, 200)}


def picture(path: Path) -> None:
    """40 x 20 pixels, half red and half blue."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20], pixels[:, 20:] = COLOURS["left"], COLOURS["right"]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def of_pair(**other) -> dict:
    return {
        "image_id": 7, "image_path": "7.png", "bbox_x": 0, "bbox_y": 0, "bbox_w": 20, "bbox_h": 20,
        "true_caption": "the dog is on the grass", "false_caption": "the grass is on the dog", "relation_name": "on",
    } | other  # fmt: skip


def write(folder: Path, **files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def aro(tmp_path) -> Path:
    """All five layouts, each image where its authors keep it."""
    folder = tmp_path / "aro"
    write(
        folder,
        visual_genome_relation=[of_pair(), of_pair(bbox_x=20), of_pair(image_path="gone.png")],
        visual_genome_attribution=[of_pair(attributes=["red", "wet"], relation_name=None)],
    )
    picture(folder / "images" / "7.png")
    sentences = ["A black dog runs after the small cat.", "Dog."]
    write(folder / "coco", coco_karpathy_test=[{"image": "val2014/1.png", "caption": sentences}])
    picture(folder / "coco" / "val2014" / "1.png")
    write(folder / "flickr", flickr30k_test=[{"image": "flickr30k-images/2.png", "caption": sentences[:1]}])
    picture(folder / "flickr" / "flickr30k-images" / "2.png")
    row = {
        "filename": "3.png",
        "caption": "A red cup on a blue table.",
        "negative_caption": "A blue cup on a red table.",
    }
    write(folder / "sugar", swap_att={"0": row, "5": row | {"filename": "4.png"}})
    picture(folder / "sugar" / "val2017" / "3.png")
    return folder


def test_every_layout_is_found_and_read(aro):
    found = {one.name: one for one in read_files(str(aro), 16)}
    assert list(found) == ["VG-Relation", "VG-Attribution", "COCO-Order", "Flickr30k-Order", "SugarCrepe swap_att"]
    assert {name: (len(one.table), one.missing) for name, one in found.items()} == {
        "VG-Relation": (2, 1), "VG-Attribution": (1, 0), "COCO-Order": (1, 0), "Flickr30k-Order": (1, 0), "SugarCrepe swap_att": (1, 1),
    }  # fmt: skip
    relation = found["VG-Relation"].table
    assert (
        relation["caption"].tolist() == ["the dog is on the grass"] * 2
        and relation["foils"].tolist() == [["the grass is on the dog"]] * 2
    )
    assert relation["group"].tolist() == ["on", "on"] and relation["picture"].tolist() == ["7.png"] * 2
    assert found["VG-Attribution"].table["group"].tolist() == ["red and wet"]
    order = found["COCO-Order"].table.iloc[0]
    assert (
        order["row"] == "0.0"
        and order["caption"] == "a black dog runs after the small cat"
        and len(order["foils"]) == 4
    )
    assert all(sorted(one.split()) == sorted(order["caption"].split()) for one in order["foils"])
    assert (
        found["SugarCrepe swap_att"].table["row"].tolist() == ["0"]
        and found["SugarCrepe swap_att"].file == "sugar/swap_att.json"
    )


def test_images_are_the_boxes_of_their_rows(aro):
    regions = read_files(str(aro), 16)[0].regions
    assert len(regions) == 2 and regions[0:2].shape == (2, 3, 16, 16) and regions[0:2].dtype == np.uint8
    for number, side in enumerate(("left", "right")):
        assert regions[number : number + 1][0].reshape(3, -1).mean(1) == pytest.approx(COLOURS[side], abs=1)
    whole = read_files(str(aro), 16)[2].regions[0:1][0].reshape(3, -1).mean(1)
    assert whole == pytest.approx((115, 30, 115), abs=1)


def test_a_region_that_several_rows_ask_about_is_read_once(tmp_path):
    folder = write(
        tmp_path, visual_genome_relation=[of_pair(), of_pair(true_caption="a", false_caption="b"), of_pair(bbox_w=10)]
    )
    picture(folder / "images" / "7.png")
    (one,) = read_files(str(folder), 16)
    assert one.table["image"].tolist() == [0, 0, 1] and len(one.regions) == 2


def test_a_name_is_looked_up_below_the_folder_of_data(aro, monkeypatch):
    monkeypatch.setenv("STABLEREP_DATA", str(aro.parent))
    assert folder_of("aro") == aro.resolve() == folder_of(str(aro))
    with pytest.raises(MissingError, match="files is 'aro2', which is no folder, nor one below STABLEREP_DATA"):
        folder_of("aro2")


def test_some_questions_are_picked_by_hash_not_by_order(tmp_path):
    rows = [of_pair(true_caption=f"caption {k}") for k in range(40)]
    folder = write(tmp_path, visual_genome_relation=rows)
    picture(folder / "images" / "7.png")
    (some,), (same,) = read_files(str(folder), 16, most=10), read_files(str(folder), 16, most=10)
    assert len(some.table) == 10 and some.table.equals(same.table)
    assert some.table["caption"].tolist() != [f"caption {k}" for k in range(10)]


def test_the_fingerprint_is_of_contents_and_images(aro):
    first = fingerprint(str(aro))
    assert fingerprint(str(aro)) == first
    picture(aro / "images" / "gone.png")
    second = fingerprint(str(aro))
    write(aro, visual_genome_relation=[of_pair()])
    assert len({first, second, fingerprint(str(aro))}) == 3


def test_a_folder_without_known_files_is_told(tmp_path):
    write(tmp_path, captions=[])
    with pytest.raises(InputError, match="holds no file of ARO or SugarCrepe; known are visual_genome_relation.json"):
        files_in(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"0": {}}, f"{RELATION} holds dict at its top; a list of rows is needed"),
        ([3], f"{RELATION}, row 0 is int; an object"),
        ([of_pair(), of_pair(false_caption=" ")], f"{RELATION}, row 1: false_caption is ' '; a text is needed"),
        ([of_pair(true_caption=None)], "row 0: true_caption is None"),
        ([of_pair(false_caption="the dog is on the grass")], "row 0: the foil is the caption itself"),
        ([of_pair(bbox_w=0)], r"row 0: bbox_x, bbox_y, bbox_w, bbox_h are \[0, 0, 0, 20\]; four numbers"),
        ([of_pair(bbox_x="left")], "four numbers in pixels are needed"),
        ([of_pair(image_path=7)], "row 0: image_path is 7; a text is needed"),
    ],
)
def test_a_broken_row_is_told_with_its_file(tmp_path, content, said):
    write(tmp_path, visual_genome_relation=content)
    with pytest.raises(InputError, match=said):
        read_files(str(tmp_path), 16)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("swap_att", [{}], "swap_att.json holds list at its top; an object with a row for each name"),
        ("swap_att", {"12": {"filename": "a.png", "caption": "a"}}, "swap_att.json, row 12: negative_caption is None"),
        (
            "coco_karpathy_test",
            [{"image": "a.png", "caption": "a dog"}],
            "row 0: caption is 'a dog'; a list of sentences",
        ),
        ("flickr30k_val", [{"caption": ["a black dog"]}], "flickr30k_val.json, row 0: image is None"),
    ],
)
def test_other_layouts_tell_what_they_lack(tmp_path, name, content, said):
    write(tmp_path, **{name: content})
    with pytest.raises(InputError, match=said):
        read_files(str(tmp_path), 16)


def test_text_that_is_no_json_is_told(tmp_path):
    (tmp_path / RELATION).write_text("[{,]")
    with pytest.raises(InputError, match=f"{RELATION} is no JSON: .*line 1"):
        read_files(str(tmp_path), 16)


def test_images_outside_the_folder_are_not_looked_for(tmp_path):
    folder = write(tmp_path / "aro", visual_genome_relation=[of_pair(image_path="../7.png")])
    picture(tmp_path / "7.png")
    (one,) = read_files(str(folder), 16)
    assert one.missing == 1 and one.table.empty and len(one.regions) == 0


def test_a_broken_image_is_told_with_its_row(tmp_path):
    folder = write(tmp_path, visual_genome_relation=[of_pair(), of_pair(image_path="8.png"), of_pair(bbox_x=90)])
    picture(folder / "images" / "7.png")
    (folder / "images" / "8.png").write_bytes(b"no image")
    (one,) = read_files(str(folder), 16)
    with pytest.raises(InputError, match=f"{RELATION}, row 1: 8.png: it is no whole image"):
        one.regions[1:2]
    with pytest.raises(
        InputError, match=f"{RELATION}, row 2: 7.png: its box, 90 to 110 by 0 to 20, lies outside of its 40 x 20 pixels"
    ):
        one.regions[2:3]


def test_what_of_a_box_lies_outside_is_left_out():
    pixels = np.arange(200, dtype=np.uint8).reshape(10, 20)[..., None].repeat(3, 2)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    cut = np.asarray(Image.open(io.BytesIO(cropped(file.getvalue(), (15, -3, 99, 4)))))
    assert (cut == pixels[:4, 15:]).all()
