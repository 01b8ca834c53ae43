"""What is looked at in a pipeline's folder before any weight is loaded: its class, its files, its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from stablerep.errors import InputError

EMBEDDED = Path(__file__).parent / "emoji_diffusion"
PIPELINE = "StableDiffusionPipeline"
TEXT_ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection")
UNSAFE_WEIGHTS = (".bin", ".ckpt", ".pt", ".pth")


def generator_folder(name: str) -> Path | None:
    """The folder of a generator, or None when ``name`` stands for one on the Hugging Face Hub.

    Raises:
        InputError: it is neither, or the folder holds no pipeline.
    """
    path = EMBEDDED if name == "emoji" else Path(name)
    if (path / "model_index.json").is_file():
        return path
    if name == "emoji":
        raise InputError(
            "the embedded generator is not here; `stablerep train-generator FOLDER` trains one: give FOLDER/pipeline."
        )
    if path.is_dir():
        raise InputError(
            f"generator folder {name} has no model_index.json; a StableDiffusionPipeline saved by diffusers has one."
        )
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise InputError(
            f"generator is {name!r}; give 'emoji', a folder with model_index.json, or owner/name on the Hub."
        )
    return None


def read_index(folder: Path) -> dict:
    """The content of ``model_index.json``. Raises ``InputError`` when it is damaged."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}/model_index.json cannot be read: {str(error).splitlines()[0]}.") from error
    if not isinstance(index, dict):
        raise InputError(f"{folder}/model_index.json is no table of a pipeline's parts.")
    return index


def check_index(name: str, index: Mapping) -> None:
    """Refuse a pipeline of another kind than Stable Diffusion 1 and 2 by its ``model_index.json``; one sentence says why."""
    encoders = [
        index[key][1]
        for key in sorted(index)
        if key.startswith("text_encoder") and isinstance(index[key], (list, tuple)) and index[key][-1]
    ]
    kind = index.get("_class_name")
    if len(encoders) > 1:
        raise InputError(
            f"generator {name} is a {kind} with {len(encoders)} text encoders; a {PIPELINE} with one CLIP text encoder is needed."
        )
    if kind != PIPELINE:
        raise InputError(f"generator {name} is a {kind}; a {PIPELINE} is needed.")
    if not encoders or encoders[0] not in TEXT_ENCODERS:
        raise InputError(
            f"generator {name} reads captions with {encoders[0] if encoders else 'nothing'}; a CLIP text encoder is needed."
        )


def weights_variant(folder: Path, index: Mapping) -> str | None:
    """``fp16`` when the folder holds its weights in that variant alone, None when it holds plain safetensors.

    Raises:
        InputError: a part has no safetensors, or some parts are there as the variant alone and others without it.
    """
    plain, half = {}, {}
    for part in (key for key, value in index.items() if isinstance(value, (list, tuple)) and value[-1]):
        files = sorted((folder / part).glob("*"))
        safe = [file.name for file in files if file.suffix == ".safetensors"]
        if not safe:
            if unsafe := [file.name for file in files if file.suffix in UNSAFE_WEIGHTS]:
                raise InputError(_conversion(folder, f"{part}/{unsafe[0]}"))
            continue  # a tokenizer or a scheduler; or weights that are missing, which loading names
        plain[part] = any(".fp16" not in file for file in safe)
        half[part] = any(".fp16" in file for file in safe)
    if all(plain.values()):
        return None
    if all(half.values()):
        return "fp16"
    lacking = next(part for part in half if not half[part])
    other = next(part for part in plain if not plain[part])
    raise InputError(
        f"generator folder {folder} has {other} as fp16 alone and {lacking} without it; all parts must be of one kind."
    )


def _conversion(folder: Path, file: str) -> str:
    code = (
        f"from diffusers import {PIPELINE} as P; "
        f"P.from_pretrained({str(folder)!r}).save_pretrained({f'{folder}-safetensors'!r})"
    )
    return (
        f"generator folder {folder} holds {file} and no safetensors, and opening such a file can run code; if you trust it, "
        f'convert it once with: python -c "{code}".'
    )


def generator_fingerprint(name: str) -> str:
    """Hash of every weight and configuration file of a generator in a folder, so that two folders of the same content are the same
    generator; a name on the Hub stands for itself. Nothing is loaded."""
    folder = EMBEDDED if name == "emoji" else Path(name)
    if not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".safetensors", ".json", ".txt") and file.is_file():
            digest.update(f"{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
