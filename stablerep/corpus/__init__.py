"""Captions and images, from the embedded emoji and clip art or from a reader's own files, behind one interface.

>>> corpus = load_corpus("emoji")
>>> corpus.table.columns.tolist()[:4]
['id', 'caption', 'concept', 'keywords']
>>> images = corpus.images(32)          # uint8 tensor [N, 3, 32, 32]
"""

from stablerep.corpus.captioned import Corpus
from stablerep.corpus.embedded import emoji_fingerprint
from stablerep.corpus.emoji import DESIGNS
from stablerep.corpus.sources import load_corpus
from stablerep.corpus.splits import SPLITS
from stablerep.corpus.summary import Summary, summarize

__all__ = ["DESIGNS", "SPLITS", "Corpus", "Summary", "emoji_fingerprint", "load_corpus", "summarize"]
