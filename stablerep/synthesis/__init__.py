"""Synthetic sets: captions x l images, in webdataset shards that come out the same however often the work was cut.

>>> plan = SynthesisPlan(captions=["red heart", "dog face"], images_per_caption=4)
>>> made = synthesize(plan, load_generator("emoji"), folder)
>>> made.in_memory().images.shape
torch.Size([8, 3, 32, 32])
"""

from stablerep.synthesis.plan import SynthesisPlan
from stablerep.synthesis.reading import SyntheticSet, set_fingerprint
from stablerep.synthesis.streaming import ShardBatches
from stablerep.synthesis.writing import synthesize

__all__ = ["ShardBatches", "SynthesisPlan", "SyntheticSet", "set_fingerprint", "synthesize"]
