"""What a frozen encoder knows: linear probe, nearest neighbours, and one-shot recognition across designs."""

from stablerep.probes.linear import L2_STRENGTHS, linear_probe, standardize
from stablerep.probes.logistic import LogisticRegression
from stablerep.probes.nearest import knn_probe, one_shot_across_designs

__all__ = ["L2_STRENGTHS", "LogisticRegression", "knn_probe", "linear_probe", "one_shot_across_designs", "standardize"]
