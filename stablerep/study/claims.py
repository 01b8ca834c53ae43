"""The claims under test, and the table of the book's introduction that says which chapter tests each."""

from __future__ import annotations

from dataclasses import dataclass

from stablerep.study.chapters import chapter, chapter_names

MARK = "<!-- claims -->"  # in the introduction, where the table goes


@dataclass(frozen=True)
class Claim:
    """A claim that the book tests, or could."""

    name: str
    text: str
    exhibit: str  # of the paper, or of others, that supports it
    untested: str = "no chapter yet"  # what to say while no chapter tests it


CLAIMS = (
    Claim("C1", "With a well-chosen guidance scale, SimCLR on synthetic images is at least as good as SimCLR on the real images of the same captions.", "Figures 2 and 3, table 1"),
    Claim("C2", "StableRep on synthetic images beats SimCLR and CLIP, real or synthetic, on the same captions.", "Tables 1, 2 and 3"),
    Claim("C3", "Accuracy over the guidance scale is an inverted U, and the best scale of StableRep is lower than that of SimCLR.", "Figure 2, table 6", "no chapter yet; rerun {doc}`chapters/compare` with several scales"),
    Claim("C4", "At a fixed number of images, more images per caption help; at a fixed batch, so does a larger {term}`m`.", "Table 5"),
    Claim("C5", "StableRep+ (with language) on synthetic images needs several times fewer captions than CLIP on real images, by linear probe.", "Figure 6"),
    Claim("C6", "On the same images and with the same contrastive loss, captions as ids beat classes, which beat single images.", "Table 5 of SynCLR"),
    Claim("C7", "Zero-shot, CLIP trained on synthetic images falls behind CLIP trained on real ones.", "Figure 5", "no chapter yet; {doc}`chapters/compare` measures both by probe only"),
    Claim("C8", "Training on synthetic images changes accuracy over groups of people; the bias of the generator may be amplified.", "Table 7, discussion"),
    Claim("C9", "Compositional understanding moves in mixed directions.", "Table 7"),
    Claim("C10", "Generated images are not always faithful to their prompt.", "Figure 7, discussion"),
    Claim("C11", "Synthetic data may contain copies of the generator's training images.", "Discussion"),
    Claim("C12", "Editing the generator can remove a sensitive attribute.", "Discussion"),
    Claim("C13", "Most future models will learn from real and synthetic images together.", "Discussion", "a forecast; no chapter yet"),
    Claim("C14", "Synthetic images do not beat the real images that their generator learned from, retrieved for the same captions.", "Geng et al. 2024, against the paper"),
    Claim("C15", "Text-to-image models may one day be trained on synthetic images; without fresh real ones they get worse.", "Discussion; Alemohammad et al. 2023, Gerstgrasser et al. 2024"),
    Claim("C16", "Synthetic images are of lower quality and resolution than photographs, and that costs accuracy.", "Discussion"),
)  # fmt: skip


def claims_table() -> str:
    """The table in MyST Markdown; the last column names the chapters that test a claim, or says why none does."""
    chapters, rows = chapter_names(), ["* - Id\n  - Claim\n  - Exhibit\n  - Tested in"]
    for claim in CLAIMS:
        tested = ", ".join(f"{{doc}}`chapters/{one}`" for one in chapters if claim.name in chapter(one).CLAIMS)
        rows.append(f"* - {claim.name}\n  - {claim.text}\n  - {claim.exhibit}\n  - {tested or claim.untested}")
    head = (
        ":::{list-table} The claims, where the paper supports them, and where this book tests them.\n"
        ":header-rows: 1\n:name: table-claims\n:widths: 6 52 18 24\n\n"
    )
    return head + "\n".join(rows) + "\n:::"
