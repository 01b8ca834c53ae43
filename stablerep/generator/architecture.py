"""Stable Diffusion in miniature: the parts of a ``diffusers.StableDiffusionPipeline``, a thousandth of the size.

| part | Stable Diffusion 1.5 | here |
|---|---|---|
| image, latent | 512 px, 64 x 64 x 4 | 32 px, 8 x 8 x 10 (at 64 px: 16 x 16 x 10) |
| autoencoder | AutoencoderKL, 84 M weights | AutoencoderTiny, 0.7 M |
| text encoder | CLIP, 12 layers of 768, 123 M | CLIP architecture, 4 layers of 160, 1.6 M, trained along |
| denoiser | U-Net of 4 levels, 860 M | U-Net of 2 levels, 6.7 M |
"""

from __future__ import annotations

from stablerep.tokenizer import CONTEXT_LENGTH
from stablerep.torchvision_shim import ensure_torchvision_imports

RESOLUTION = 32  # pixels of a side, of the embedded generator
SHRINKAGE = 4  # pixels of an image for one of its latent, along a side
LATENT_CHANNELS = 10
TEXT_WIDTH = 160


def new_autoencoder():
    """``AutoencoderTiny`` (the architecture of TAESD): images H x W x 3, latents H/4 x W/4 x 10. It is convolutional: any size will do."""
    ensure_torchvision_imports()
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48),
        decoder_block_out_channels=(48, 48, 48),
        num_encoder_blocks=(0, 2, 2),
        num_decoder_blocks=(2, 2, 1),
        latent_channels=LATENT_CHANNELS,
        upsampling_scaling_factor=2,
    )


def new_denoiser(resolution: int = RESOLUTION):
    """``UNet2DConditionModel`` with cross-attention to the caption's tokens at both levels.

    Its weights do not depend on the resolution of the images (a multiple of 8 pixels), which only says what size is drawn.
    """
    ensure_torchvision_imports()
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=resolution // SHRINKAGE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(112, 128),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,  # diffusers reads this as the number of heads
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",  # time and caption scale and shift the features of every block, not only shift them
        addition_embed_type="text",  # the pooled caption joins the time: says what to draw, cross-attention says where
        addition_embed_type_num_heads=4,
    )


def new_text_encoder(vocabulary_size: int, end_token: int):
    """``CLIPTextModel`` of four layers. It is trained with the denoiser: no public one is this small."""
    ensure_torchvision_imports()
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=CONTEXT_LENGTH,
            bos_token_id=end_token - 1,
            eos_token_id=end_token,
            pad_token_id=end_token,
        )
    )


def new_noise_schedule():
    """The training schedule of Stable Diffusion (scaled linear, 1000 steps) with the velocity target.

    Velocity (Salimans & Ho 2022) weighs all noise levels about evenly, which a short training needs.
    """
    ensure_torchvision_imports()
    from diffusers import DDPMScheduler

    return DDPMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        clip_sample=False,
        steps_offset=1,
    )
