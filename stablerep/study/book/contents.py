"""The book's table of contents: which chapters it names, and the pages that a reader adds to it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from stablerep.errors import InputError, readable
from stablerep.study import chapters

CONTENTS = "_toc.yml"
CHAPTERS = Path(chapters.CHAPTERS)  # executed notebooks, and the page on their provenance; not under version control


def check_pages(pages: Sequence[Path]) -> None:
    """Refuse pages that could not be built: no Markdown, no text, no title, or an image that is not beside them.

    Raises:
        InputError, MissingError: the page, and what is wrong with it.
    """
    for page in pages:
        if page.suffix != ".md":
            raise InputError(f"{page} is not a Markdown file; add a page such as sweeps/NAME/summary.md.")
        with readable(page):
            text = page.read_text(encoding="utf-8-sig")
        if not re.search(
            r"^#{1,6}\s+\S|^[^\s#>-].*\n(=+|-+)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
        ):
            raise InputError(f"{page} has no title; begin it with a line such as '# My notes'.")
        for image in re.findall(r"!\[[^\]]*\]\(<?([^)>\s]+)", text):
            if "://" not in image and not (page.parent / image).is_file():
                raise InputError(f"{page} shows {image}, which is not there.")


def add_pages(root: Path, source: Path, pages: Sequence[Path]) -> None:
    """Write the table of contents of ``root`` into a book's source, with added pages in a part of their own, and copy these with the images
    beside them."""
    contents = yaml.safe_load((root / CONTENTS).read_text(encoding="utf-8"))
    entries = []
    for number, page in enumerate(pages, 1):
        place = source / "book" / "added" / str(number)
        place.mkdir(parents=True)
        for file in (page, *page.parent.glob("*.png")):
            shutil.copyfile(file, place / file.name)
        entries.append({"file": f"book/added/{number}/{page.stem}"})
    if entries:
        contents["parts"].append({"caption": "Added", "chapters": entries})
    write_yaml(source / CONTENTS, contents)


def write_yaml(path: Path, content: dict) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
