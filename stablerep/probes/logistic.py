"""L2-regularized multinomial logistic regression on fixed features, made for a sweep over many penalties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_LOG = -40.0  # a probability of e^-40 is nothing in float32; without the floor they turn denormal, at which a product is 6 times slower


class LogisticRegression:
    r"""Logistic regression of one labelled set of features, to be fitted with any number of penalties.

    Minimizes mean cross-entropy + l2/2 * |W|^2 (intercepts are free), scikit-learn's ``LogisticRegression(C=1 / (l2 * N))``;
    of two classes, which scikit-learn gives a single weight vector, it is that with ``C=2 / (l2 * N)``.

    Solved by L-BFGS in coordinates that make the problem round. The Hessian is, class k against itself,
    mean_i p_ik (1 - p_ik) x_i x_i^T + l2; in the eigenbasis of the features' second moments (eigenvalues s_j) its diagonal is about
    s_j h_k + l2 with h_k = mean_i p_ik (1 - p_ik), so the weight of direction j and class k is measured in units of
    (s_j h_k + l2)^(-1/2), h taken where the fit starts. The eigenbasis is computed once for all penalties, and a fit may start from a
    neighbour's solution.

    With ``labels`` as a table of zeros and ones every class is a question of its own (an image may show several things): the sum over
    classes of mean binary cross-entropies + l2/2 * |w_k|^2, each class scikit-learn's with ``C=1 / (l2 * N)``.

    Args:
        features: float [N, D].
        labels: int64 [N] below ``classes``, or 0 and 1 [N, classes].
    """

    def __init__(self, features: Tensor, labels: Tensor, classes: int) -> None:
        self.several = labels.ndim == 2
        if self.several and (labels.shape[1] != classes or not ((labels == 0) | (labels == 1)).all()):
            raise ValueError(f"labels have shape {tuple(labels.shape)}; 0 and 1 in [N, {classes}] are needed.")
        if features.ndim != 2 or len(features) != len(labels) or not len(labels):
            raise ValueError(
                f"features have shape {tuple(features.shape)}, labels {tuple(labels.shape)}; [N, D] and [N] are needed."
            )
        if not self.several and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise ValueError(
                f"labels go from {labels.min()} to {labels.max()}; with {classes} classes they go from 0 to {classes - 1}."
            )
        self.classes = classes
        moments, self.basis = torch.linalg.eigh(features.T @ features / len(features))
        self.moments = moments.clamp_min(0)
        self.rotated = torch.cat([features @ self.basis, features.new_ones(len(features), 1)], dim=1)  # Nx(D+1)
        target = (
            labels.to(features)
            if self.several
            else features.new_zeros(len(features), classes).scatter_(1, labels[:, None], 1)
        )
        self.target_moment = (
            self.rotated.T @ target / len(features)
        )  # (D+1)xC: of the gradient, what does not depend on the weights

    def fit(self, l2: float, *, start: Tensor | None = None, tolerance: float = 1e-7, iterations: int = 200) -> Tensor:
        """The weights for one penalty.

        Args:
            start: a solution to start from, e.g. that of a neighbouring ``l2``; zeros by default.
            tolerance: the fit ends when a step lowers the loss by less. 1e-6 left it within 1e-4 of its minimum on the features of this
                study, 1e-5 is enough to choose by.

        Returns:
            float [D + 1, classes]; the last row holds the intercepts.
        """
        return next(self.sweep([l2], start=start, tolerance=tolerance, iterations=iterations))[1]

    def sweep(
        self,
        penalties: Sequence[float],
        *,
        together: int = 1,
        start: Tensor | None = None,
        tolerance: float = 1e-7,
        iterations: int = 200,
    ) -> Iterator[tuple[float, Tensor]]:
        """(l2, weights as :meth:`fit` gives them) for every penalty, from the strongest to the weakest, each when it is found.

        ``together`` penalties at a time are minimized in one optimization of their summed losses, starting from the weakest solution
        before them. One at a time needs the fewest passes, since each then starts next to its solution, and on a CPU is the fastest
        (``benchmarks/logistic_sweep.py``); more at a time fill a device that one problem leaves idle.
        """
        ordered = sorted(penalties, reverse=True)
        for l2 in ordered:
            if not l2 > 0:
                raise ValueError(f"l2 is {l2}; it must be positive.")
        if together < 1:
            raise ValueError(f"together is {together}; at least one penalty is fitted at a time.")
        begin = self.rotated.new_zeros(self.rotated.shape[1], self.classes)
        if start is not None:
            begin[:-1], begin[-1] = self.basis.T @ start[:-1], start[-1]
        for first in range(0, len(ordered), together):
            group = ordered[first : first + together]
            solved = self._minimize(begin, group, tolerance, iterations)
            for l2, weights in zip(group, solved.unbind(1)):
                yield l2, torch.cat([self.basis @ weights[:-1], weights[-1:]])
            begin = solved[:, -1]

    def _minimize(self, begin: Tensor, penalties: list[float], tolerance: float, iterations: int) -> Tensor:
        """Solutions [D + 1, K, classes] of K penalties in the eigenbasis, all starting from ``begin`` [D + 1, classes]."""
        n, d = self.rotated.shape
        k, c = len(penalties), self.classes
        logits = self.rotated @ begin
        probability = logits.sigmoid() if self.several else logits.softmax(1)
        spread = (
            (probability * (1 - probability)).mean(0).clamp_min(1e-4)
        )  # a class that is never likely keeps a finite unit
        l2 = begin.new_tensor(penalties)[:, None].expand(d, k, c).clone()
        l2[-1] = 0  # intercepts are free
        unit = (torch.cat([self.moments, self.moments.new_ones(1)])[:, None, None] * spread + l2).rsqrt()
        scaled = begin[:, None] / unit
        scaled.grad = torch.zeros_like(scaled)
        optimizer = torch.optim.LBFGS(
            [scaled], max_iter=iterations, max_eval=4 * iterations, history_size=10, tolerance_grad=1e-6, tolerance_change=tolerance,
            line_search_fn="strong_wolfe",
        )  # fmt: skip

        def closure() -> Tensor:
            """The loss, with its gradient by hand: half of autograd's time and memory."""
            weights = scaled * unit
            logits = (self.rotated @ weights.view(d, k * c)).view(n, k, c)
            normalizer = F.softplus(logits) if self.several else logits.logsumexp(2, keepdim=True)
            loss = (
                normalizer.mean(0).sum()
                - (weights * self.target_moment[:, None]).sum()
                + (l2 * weights.square()).sum() / 2
            )
            probability = logits.sub_(normalizer).clamp_min_(SMALLEST_LOG).exp_()
            gradient = (
                (self.rotated.T @ probability.view(n, k * c)).view(d, k, c) / n
                - self.target_moment[:, None]
                + l2 * weights
            )
            torch.mul(gradient, unit, out=scaled.grad)
            return loss

        optimizer.step(closure)
        return scaled * unit
