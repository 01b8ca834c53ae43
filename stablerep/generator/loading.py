"""Opening a generator: by name, by folder or from the Hugging Face Hub, and what is checked before anything is drawn."""

from __future__ import annotations

from stablerep.device import default_device
from stablerep.errors import InputError, UserError
from stablerep.generator.folders import (
    PIPELINE,
    TEXT_ENCODERS,
    check_index,
    generator_fingerprint,
    generator_folder,
    read_index,
    weights_variant,
)
from stablerep.generator.pipeline import Generator
from stablerep.torchvision_shim import ensure_torchvision_imports

PRECISIONS = ("float32", "bfloat16", "float16")
LARGEST = 4096  # pixels of a side


def load_generator(name: str = "emoji", *, device: str | None = None, precision: str | None = None) -> Generator:
    """Open a generator.

    Args:
        name: ``emoji`` (embedded), a folder with ``model_index.json``, or a name on the Hugging Face Hub such as
            ``stable-diffusion-v1-5/stable-diffusion-v1-5``.
        device: as torch names it; the GPU when there is one, else the CPU.
        precision: ``float32``, ``bfloat16`` or ``float16``; by :func:`default_precision` when left out. On a CPU bfloat16 is faster, but its
            rounding makes images depend on the batch they were made in.

    Raises:
        InputError: no such folder or precision, a pipeline that cannot serve (class, weights, channels, text encoder, size), or
            the Hub cannot be reached; says what would be valid.
    """
    device = device or default_device()
    precision = precision or default_precision(name, device)
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; valid ones are {', '.join(PRECISIONS)}.")
    folder, variant = generator_folder(name), None
    if folder:
        index = read_index(folder)
        check_index(name, index)
        variant = weights_variant(folder, index)
    pipeline = _opened(name, folder or name, folder is not None, variant, device, precision)
    check_pipeline(name, pipeline)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    return Generator(_frozen(pipeline), name, generator_fingerprint(name), precision)


def _opened(name: str, source, local: bool, variant: str | None, device: str, precision: str):
    """The pipeline of diffusers on the processor, quiet."""
    ensure_torchvision_imports()
    import torch
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    # An AutoencoderTiny in the place of an AutoencoderKL is meant. Captions that are too long are counted and named once for a set
    # (stablerep.tokenizer.truncated); the warning of transformers, that longer ones fail, is not true here.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # weights are held in float32 on a CPU, where half precision is storage only
    dtype = torch.float32 if device == "cpu" else getattr(torch, precision)
    try:
        if not local:  # a small file says what it is before gigabytes are fetched
            check_index(name, StableDiffusionPipeline.load_config(source))
        options = {"variant": variant} if variant else {}
        return StableDiffusionPipeline.from_pretrained(
            source, dtype=dtype, use_safetensors=True, local_files_only=local, **options
        )
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"generator {name} could not be loaded: {str(error).splitlines()[0]}") from error


def check_pipeline(name: str, pipeline) -> None:
    """Refuse parts that do not fit together, so that nothing fails at the first batch. Raises ``InputError``, one sentence."""
    unet, vae, text, tokenizer = (
        getattr(pipeline, part, None) for part in ("unet", "vae", "text_encoder", "tokenizer")
    )
    said = None
    if None in (unet, vae, text, tokenizer):
        said = "lacks its denoiser, autoencoder, text encoder or tokenizer"
    elif type(pipeline).__name__ != PIPELINE:
        said = f"is a {type(pipeline).__name__}; a {PIPELINE} is needed"
    elif type(text).__name__ not in TEXT_ENCODERS:
        said = f"reads captions with {type(text).__name__}; a CLIP text encoder is needed"
    elif not (unet.config.in_channels == unet.config.out_channels == vae.config.latent_channels):
        said = (
            f"has a denoiser from {unet.config.in_channels} to {unet.config.out_channels} channels and latents of "
            f"{vae.config.latent_channels}; they must agree"
        )
    elif isinstance(width := unet.config.cross_attention_dim, int) and width != text.config.hidden_size:
        said = f"has captions of width {text.config.hidden_size} and a denoiser that reads {width}"
    elif unet.config.time_cond_proj_dim is not None:
        said = "has the guidance scale built in (a consistency model); w could not be chosen"
    elif tokenizer.model_max_length > text.config.max_position_embeddings:
        said = (
            f"has a tokenizer of {tokenizer.model_max_length} tokens and a text encoder of "
            f"{text.config.max_position_embeddings}; set model_max_length in tokenizer/tokenizer_config.json"
        )
    elif not isinstance(size := unet.config.sample_size, int) or size < 1:
        said = f"has a sample_size of {size}; one whole number, the side of the latents, is needed"
    elif (side := size * pipeline.vae_scale_factor) % 8 or side > LARGEST:
        said = f"draws {side} pixels a side; a multiple of 8 up to {LARGEST} is needed"
    if said:
        raise InputError(f"generator {name} {said}.")


def _frozen(pipeline):
    """The pipeline without gradients, its convolutions in the order of memory that is fastest."""
    import torch

    for part in (pipeline.unet, pipeline.vae):
        part.to(memory_format=torch.channels_last).requires_grad_(False).eval()
    return pipeline


def default_precision(name: str, device: str | None = None) -> str:
    """The precision in which a generator draws when none is named, on the device that :func:`load_generator` would take.

    ``float16`` on a GPU, ``float32`` on a CPU; the embedded generator, which gains nothing from less, has ``float32`` on both, so that
    a set of its images has the same name wherever it is drawn.
    """
    half = name != "emoji" and (device or default_device()).startswith("cuda")
    return "float16" if half else "float32"
