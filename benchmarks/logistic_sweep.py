"""The sweep over 45 penalties against scikit-learn's, in one run: seconds, their ratio, and how far the log-losses lie apart.

    python benchmarks/logistic_sweep.py [--label group|subgroup] [--encoder resnet10t] [--together 1 3 9]

Features of an untrained encoder on the embedded emoji, standardized. scikit-learn is run warm-started from its neighbour and, with
``--cold``, each fit on its own. All stop by their own rules (scikit-learn's ``max_iter`` raised from 100 to 1000, so that it may converge); the objective of
every solution is then computed in double precision, so that a faster sweep cannot hide behind a worse solution.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
import torch.nn.functional as F

from stablerep.encoders import EncoderRecipe, extract_features
from stablerep.probes import L2_STRENGTHS, LogisticRegression, standardize
from stablerep.study.experiments.study import Study
from stablerep.training import random_backbone


def objective(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, l2: float) -> tuple[float, float]:
    """(mean log-loss, mean log-loss + penalty) in double precision."""
    weights = weights.double()
    loss = F.cross_entropy(x.double() @ weights[:-1] + weights[-1], y).item()
    return loss, loss + l2 / 2 * weights[:-1].square().sum().item()


def theirs(x: torch.Tensor, y: torch.Tensor, *, warm: bool, iterations: int) -> list[torch.Tensor]:
    """scikit-learn's solutions from the strongest to the weakest penalty."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression as Reference

    found, model, rows, labels = [], Reference(max_iter=iterations, warm_start=warm), x.numpy(), y.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in sorted(L2_STRENGTHS, reverse=True):
            model.set_params(C=1 / strength)
            model.fit(rows, labels)
            found.append(torch.from_numpy(np.vstack([model.coef_.T, model.intercept_])))
    return found


def timed(work) -> tuple[float, list]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--label", choices=("group", "subgroup"), default="group")
    parser.add_argument("--encoder", default="resnet10t")
    parser.add_argument("--together", type=int, nargs="+", default=[1, 3, 9])
    parser.add_argument("--iterations", type=int, default=1000, help="scikit-learn's max_iter")
    parser.add_argument(
        "--cold", action="store_true", help="also scikit-learn without warm starts, which takes longest"
    )
    options = parser.parse_args()
    study = Study()
    corpus = study.corpus
    corpus = corpus.where((corpus.table["skin_tone"] == 0) & (corpus.table["split"] == "train"))
    backbone = random_backbone(EncoderRecipe(name=options.encoder, stem="published"), 0)
    (x,) = standardize(extract_features(backbone, corpus.images(study.size)))
    names = sorted(set(corpus.table[options.label]))
    y = torch.tensor([names.index(name) for name in corpus.table[options.label]])
    print(f"{len(x)} images, {x.shape[1]} features, {len(names)} classes, {len(L2_STRENGTHS)} penalties", flush=True)
    penalties = [strength / len(x) for strength in sorted(L2_STRENGTHS, reverse=True)]
    runs = {
        f"ours, {together} at a time, to {tolerance:g}": lambda together=together, tolerance=tolerance: [
            weights
            for _, weights in LogisticRegression(x, y, len(names)).sweep(
                penalties, together=together, tolerance=tolerance
            )
        ]
        for tolerance in (1e-5, 1e-7)  # enough to choose by, as the probe does; and the default of a fit
        for together in options.together
    }
    runs["scikit-learn, warm"] = lambda: theirs(x, y, warm=True, iterations=options.iterations)
    if options.cold:
        runs["scikit-learn, cold"] = lambda: theirs(x, y, warm=False, iterations=options.iterations)
    seconds, losses = {}, {}
    for name, work in runs.items():
        seconds[name], found = timed(work)
        losses[name] = np.array([objective(x, y, weights, l2) for l2, weights in zip(penalties, found)])
        ratio = seconds[name] / seconds[next(iter(runs))]
        apart = losses[name] - losses[next(iter(runs))]
        print(
            f"{name:28s} {seconds[name]:8.1f} s, {ratio:6.1f} times the first; log-loss minus the first's {apart[:, 0].min():+.1e} to "
            f"{apart[:, 0].max():+.1e}, objective {apart[:, 1].min():+.1e} to {apart[:, 1].max():+.1e}", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
