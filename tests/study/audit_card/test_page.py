"""The page of a card: its colours can be read in both modes, and what lies in its folder is not replaced unasked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stablerep.errors import InputError
from stablerep.study.audit_card import page
from stablerep.study.audit_card.page import Card, check_place, write
from stablerep.study.audit_card.parts import Number, Section

STYLE = (Path(page.__file__).parent / "page.html").read_text()


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", [0, 1])
def test_text_and_marks_stand_out_in_both_modes(mode):
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[mode]))
    assert set(colours) == {"paper", "ink", "quiet", "line", "panel", "one", "two", "link"}
    for text in ("ink", "quiet", "link"):
        assert all(contrast(colours[text], colours[ground]) >= 4.5 for ground in ("paper", "panel")), text
    assert all(contrast(colours[mark], colours["paper"]) >= 3 for mark in ("one", "two"))


def small_card(fingerprint: str = "a") -> Card:
    names = ("what.images", "what.captions", "flagged.blank", "flagged.repeated", "flagged.shared", "flagged.small")
    numbers = (*(Number(name, name, 1, "images") for name in names), Number("diversity.ratio", "ratio", 0.5, "ratio"))
    section = Section("what", "What <b>", "How.", "Limits.", numbers, (("caption", "a & b"),), left_out="why")
    return Card("Audit of a <set>", fingerprint, (section,), (("seed", "0"),))


def test_what_a_card_holds_is_text(tmp_path):
    html, data = write(small_card(), tmp_path / "new" / "folder")
    text = html.read_text()
    assert "Audit of a &lt;set&gt;" in text and "What &lt;b&gt;" in text and "a &amp; b" in text and "Left out:" in text
    assert json.loads(data.read_text())["sections"]["what"]["numbers"][0]["value"] == 1


def test_a_card_is_replaced_by_one_of_the_same_images_or_where_that_is_asked_for(tmp_path):
    assert check_place(tmp_path, "a", overwrite=False) == ""
    write(small_card("a"), tmp_path)
    assert "same images" in check_place(tmp_path, "a", overwrite=False)
    with pytest.raises(
        InputError,
        match=r"holds the card of other images; name another folder by --out, or replace it by --overwrite\.",
    ):
        check_place(tmp_path, "b", overwrite=False)
    assert "is replaced" in check_place(tmp_path, "b", overwrite=True)
    (tmp_path / "card.json").write_text("[1]")
    with pytest.raises(InputError, match=r"holds a card\.html that is no card"):
        check_place(tmp_path, "a", overwrite=False)
