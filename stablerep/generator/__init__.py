"""Text-to-image generators: the embedded miniature, Stable Diffusion by name, or any pipeline folder of the same layout.

>>> generator = load_generator("emoji")
>>> images, flagged = generator.sample(["red heart"], [(0, "red heart", 0)], Sampling(guidance_scale=2))

The guidance scale w is the paper's: eps = w * eps(caption) + (1 - w) * eps(empty), so that w = 1 is no guidance. The
``guidance_scale`` of diffusers computes eps(empty) + g * (eps(caption) - eps(empty)), which is the same number: g = w.
"""

from stablerep.generator.folders import EMBEDDED, generator_fingerprint
from stablerep.generator.loading import PRECISIONS, default_precision, load_generator
from stablerep.generator.pipeline import Generator
from stablerep.generator.sampling import SAMPLERS, Sampling

__all__ = [
    "EMBEDDED",
    "PRECISIONS",
    "SAMPLERS",
    "Generator",
    "Sampling",
    "default_precision",
    "generator_fingerprint",
    "load_generator",
]
