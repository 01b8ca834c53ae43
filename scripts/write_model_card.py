"""Write the model card of the embedded generator from the record of its training: `python scripts/write_model_card.py`.

Every number comes from ``training.json``; nothing is typed by hand. The figure of the losses is drawn when the book is built.
"""

from __future__ import annotations

import json
from pathlib import Path

from stablerep.generator import EMBEDDED
from stablerep.study.book.page_figures import LOSSES
from stablerep.study.markdown import captioned, markdown_table

ROOT = Path(__file__).resolve().parents[1]
RECORD = EMBEDDED / "training"


MEANINGS = {  # of the settings, as the recipes' code has them
    "epochs": "passes over the training images, or as many draws",
    "batch_size": "images",
    "learning_rate": "peak, after a warm-up; then half a cosine to zero",
    "absolute_weight": "of the absolute error, beside the squared error: keeps thin outlines sharp",
    "latent_noise": "standard deviation of the noise that is added to latents, so that the decoder bears what the denoiser gets wrong",
    "scale_weight": "of the error at half size (below)",
    "decoder_epochs": "further passes for the decoder alone",
    "decoder_learning_rate": "peak in these passes",
    "decoder_noise": "in the place of latent noise in these passes",
    "latent_weight": "of what pulls each latent channel to mean 0 and deviation 1",
    "weight_decay": "of the optimizer",
    "caption_dropout": "share of captions that the empty one takes the place of, for guidance",
    "keyword_share": "share of the other captions that get one to three keywords more",
    "average_decay": "of the moving average of the weights, which is what is kept",
    "concept_power": "one minus this is the power of *k* above",
    "seed": "of everything random",
}


def recipe_table(of: str, recipe: dict) -> str:
    rows = [[name.replace("_", " "), f"{value:g}", MEANINGS[name]] for name, value in recipe.items()]
    return captioned(f"The recipe of the {of}.", markdown_table(["setting", "value", "meaning"], rows))


def card() -> str:
    """The text of the card."""
    record = json.loads((RECORD / "training.json").read_text())
    weights, minutes = record["weights"], {k: v / 60 for k, v in record["seconds"].items()}
    size = sum(f.stat().st_size for f in EMBEDDED.rglob("*.safetensors")) / 1e6
    return f"""# Model card: the embedded generator

*Written by `scripts/write_model_card.py` from the record of the training.*

## What it is

A `StableDiffusionPipeline` in miniature: it draws emoji-like pictures of 32 × 32 pixels from short English captions. It exists to let a class
follow, on a laptop, what a text-to-image model does to representation learning. It is no tool for making pictures.

:::{{table}} The parts of the generator.

| part | architecture | weights |
|---|---|---|
| autoencoder | `AutoencoderTiny`, 8 × 8 × 10 latents | {weights["autoencoder"]:,} |
| text encoder | `CLIPTextModel`, own byte-pair vocabulary, trained together with the denoiser | {weights["text_encoder"]:,} |
| denoiser | `UNet2DConditionModel`, two levels with cross-attention | {weights["unet"]:,} |
:::

Stored in half precision ({size:.1f} MB of safetensors) and run in single precision on a CPU. The sampler is DPM-Solver++; there is no safety checker, as the
training images are a closed, reviewed set.

## What it learned from

{record["images"]:,} drawings of {record["captions"]:,} captions ({record["concepts"]:,} training concepts, the five designs that are not held out) of the embedded corpus; see the
[dataset card](/book/dataset_card.md). Validation and test concepts were never seen. Skin-tone and gender words stand in the captions as in CLDR. A concept with
*k* images is sampled in proportion to the square root of *k*, so that the many variants of people do not crowd out things: shares in what the
model draws without a caption therefore differ from shares in the corpus.

## How it was trained

Stage one, the autoencoder ({minutes["autoencoder"]:.0f} minutes, {record["threads"]} thread{"s" * (record["threads"] != 1)} of a {record["device"].upper()}):

{recipe_table("autoencoder", record["autoencoder_recipe"])}

Its error has a part on images decoded at half size from averaged latents, which puts coarse things into coarse
latents {{cite}}`skorokhodov2025diffusability`; in the last passes only the decoder learns.

Stage two, text encoder and U-Net ({minutes["denoiser"]:.0f} minutes), predicting the velocity on Stable Diffusion's noise schedule:

{recipe_table("text encoder and the U-Net", record["denoiser_recipe"])}

{LOSSES}

`stablerep train-generator FOLDER` repeats the training. After an interruption, the same command continues from the last checkpoint.

## How good it is

- Reconstruction: {record["psnr"]["train"]:.1f} dB on training images, {record["psnr"]["test"]:.1f} dB on held-out concepts (mean over images, those of the held-out design included).
- Faithfulness and diversity over the guidance scale, with intervals and real images as a yardstick, are measured in the [generator chapter](/book/chapters/generator.ipynb).

## Limits

- It has seen {record["concepts"]:,} concepts. A caption outside them gives a blend of shapes it knows.
- It renders no text, counts badly, and knows positions only as far as captions name them.
- It mixes the styles of five designs; no caption chooses one.
- Drawings of people follow emoji conventions. They say nothing about real persons, and the model must not be used to depict or judge any.

Licence of the weights: MIT. They were learned from designs under MIT, Apache-2.0 and CC-BY-4.0 licences, whose authors the dataset card names.
"""


def main() -> None:
    (ROOT / "book" / "model_card.md").write_text(card())
    print("book/model_card.md")


if __name__ == "__main__":
    main()
