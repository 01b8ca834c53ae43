"""Parts that a set does not name are made by a rule that knows no order."""

from __future__ import annotations

import numpy as np
import pytest

from stablerep.probes import three_parts


def test_parts_are_made_where_a_set_names_too_few():
    ids, strata = np.arange(100).astype(str), np.array(["a"] * 40 + ["b"] * 60)
    named = np.array(["train"] * 20 + ["validation"] * 20 + ["train"] * 40 + ["validation"] * 20, object)
    parts = three_parts(named, strata, ids)
    assert (parts[named == "validation"] == "test").all()
    train = parts[named == "train"]
    assert [(train[:20] == "validation").sum(), (train[20:] == "validation").sum()] == [4, 8]  # a fifth of each class
    order = np.random.default_rng(0).permutation(100)
    assert (three_parts(named[order], strata[order], ids[order]) == parts[order]).all()
    assert (named == np.array(["train"] * 20 + ["validation"] * 20 + ["train"] * 40 + ["validation"] * 20)).all()
    with pytest.raises(ValueError, match="it needs a training part and one to test on"):
        three_parts(np.array(["train"] * 5, object), strata[:5], ids[:5])
