"""Transfer: a frozen encoder probed on many sets, each by its own metric."""

from stablerep.transfer.sets import METRICS, TRANSFER_SETS, LabelledImages, TransferSet, open_set
from stablerep.transfer.suite import AT_HAND, PROBES, over_sets, probe_set, transfer, transfer_average, transfer_scores

__all__ = [
    "AT_HAND", "METRICS", "PROBES", "TRANSFER_SETS", "LabelledImages", "TransferSet", "open_set", "over_sets", "probe_set",
    "transfer", "transfer_average", "transfer_scores",
]  # fmt: skip
