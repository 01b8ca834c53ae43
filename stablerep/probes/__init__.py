"""What a frozen encoder knows: linear probes, nearest neighbours, one-shot and few-shot recognition, zero-shot by names."""

from stablerep.probes.extraction import features_of
from stablerep.probes.few_shot import FEW_SHOT_METHODS, few_shot_accuracy, few_shot_episodes, few_shot_probe
from stablerep.probes.linear import L2_STRENGTHS, linear_probe, mean_per_class, standardize, top_1
from stablerep.probes.logistic import LogisticRegression
from stablerep.probes.multi_label import eleven_point_map, multi_label_probe
from stablerep.probes.nearest import knn_probe, one_shot_across_designs
from stablerep.probes.paper import BASE_RATES, paper_linear_probe, train_heads
from stablerep.probes.parts import three_parts
from stablerep.probes.zero_shot import EMOJI_TEMPLATES, PHOTOGRAPH_TEMPLATES, class_text_features, zero_shot_probe

__all__ = [
    "BASE_RATES",
    "EMOJI_TEMPLATES",
    "FEW_SHOT_METHODS",
    "L2_STRENGTHS",
    "PHOTOGRAPH_TEMPLATES",
    "LogisticRegression",
    "class_text_features",
    "eleven_point_map",
    "features_of",
    "few_shot_accuracy",
    "few_shot_episodes",
    "few_shot_probe",
    "knn_probe",
    "linear_probe",
    "mean_per_class",
    "multi_label_probe",
    "one_shot_across_designs",
    "paper_linear_probe",
    "standardize",
    "three_parts",
    "top_1",
    "train_heads",
    "zero_shot_probe",
]  # fmt: skip
