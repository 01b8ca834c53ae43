"""Which items fit a probe, which choose its penalty, and which it is tested on."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from stablerep.errors import InputError


def three_parts(named: np.ndarray, strata: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Train, validation and test of a set that names at least train and one more.

    A set without a test part is tested on its validation part. A set without a validation part gives every fifth training item of each
    stratum (by the hash of its id) to validation.

    Args:
        named: [N] train, validation or test. strata: [N] classes. ids: [N].

    Returns:
        object [N], a new array.

    Raises:
        InputError: there is no training part, or nothing to test on.
    """
    parts = named.copy()
    if not (parts == "test").any():
        parts[parts == "validation"] = "test"
    if not (parts == "train").any() or not (parts == "test").any():
        raise InputError(f"the set names {', '.join(sorted(set(named)))}; it needs a training part and one to test on.")
    if not (parts == "validation").any():
        train = np.flatnonzero(parts == "train")
        rank = pd.Series([hashlib.sha256(str(ids[i]).encode()).hexdigest() for i in train])
        place = rank.groupby(strata[train]).rank(method="first").to_numpy()
        parts[train[place % 5 == 0]] = "validation"
    return parts
