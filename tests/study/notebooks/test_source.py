"""The code that chapters show is the library's own, without its docstrings."""

from __future__ import annotations

import pytest

from stablerep import losses
from stablerep.study.notebooks.source import code_of, source_of


def test_a_function_is_shown_as_it_runs():
    shown = source_of("stablerep.losses:multi_positive_among")
    assert '"""' not in shown and shown.startswith("def multi_positive_among(")
    namespace = dict(vars(losses))
    exec(compile("from __future__ import annotations\n" + shown, "shown", "exec"), namespace)
    assert "raise" not in shown and "_check(" not in shown and "_cross_entropy_to_positives(logits" in shown
    import torch

    x, ids = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 2, 2])
    assert (
        namespace["multi_positive_among"](x, ids, x, ids).item() == losses.multi_positive_among(x, ids, x, ids).item()
    )


def test_a_method_is_moved_to_the_margin():
    shown = source_of("stablerep.methods.byol:BYOL.loss")
    assert shown.startswith("def loss(self, batch: Batch)") and "self.predictor" in shown


def test_a_notebook_gets_a_block_of_python():
    data = code_of("stablerep.seeding:seed_for")
    assert data.startswith("```python\ndef seed_for(") and data.rstrip().endswith("`seed_for` in `stablerep.seeding`")


def test_several_functions_are_one_block():
    data = code_of("stablerep.methods.byol:BYOL.loss", "stablerep.losses:_cross_entropy_to_positives")
    assert data.count("```") == 2 and data.count("\ndef ") == 2
    assert data.endswith("`BYOL.loss` in `stablerep.methods.byol`, `_cross_entropy_to_positives` in `stablerep.losses`")


@pytest.mark.parametrize(
    "name", ["stablerep.losses:nothing", "stablerep.nothing:seed_for", "stablerep.losses", "seed_for"]
)
def test_what_does_not_exist_is_refused(name):
    with pytest.raises(ValueError, match="there is no code of"):
        source_of(name)
