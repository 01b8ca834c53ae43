"""The registry: a line for each method, read without loading a network."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace

import pytest

from stablerep.methods import METHODS, method_class, methods_with
from stablerep.methods.base import Batch, Method
from stablerep.training import PretrainingRecipe


def test_reading_the_registry_loads_no_network():
    code = "import sys, stablerep.methods; print([m for m in sys.modules if m in ('torch', 'timm', 'stablerep.methods.base')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_loading_one_method_loads_no_other():
    """What determines a run of one method is not the code of another."""
    code = "import sys; from stablerep.methods import method_class; method_class('mae'); print([m for m in sys.modules if m.startswith('stablerep.methods.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(found)) == {"stablerep.methods.base", "stablerep.methods.mae"}


@pytest.mark.parametrize("name", METHODS)
def test_every_line_names_a_method(name):
    entry = METHODS[name]
    assert entry.name == name and entry.colour.startswith("#") and len(entry.colour) == 7
    assert issubclass(method_class(name), Method)
    assert (method_class(name).features_loss is not Method.features_loss) or not entry.traits.contrastive
    assert PretrainingRecipe(method=name, views_per_step=16).traits is entry.traits


def test_titles_are_different_and_traits_are_found():
    assert len({entry.title for entry in METHODS.values()}) == len(METHODS)
    assert methods_with("contrastive") == ["simclr", "clip", "stablerep", "stablerep+", "supcon"]
    assert methods_with("teacher") == ["byol", "moco-v3", "dino"]


def test_a_name_or_a_place_that_is_not_there(monkeypatch):
    with pytest.raises(KeyError, match="simclr2"):
        method_class("simclr2")
    monkeypatch.setitem(METHODS, "lost", replace(METHODS["mae"], name="lost", where="stablerep.methods.mae:Lost"))
    with pytest.raises(AttributeError, match="Lost"):
        method_class("lost")


def test_a_method_without_a_loss_says_so():
    import torch

    class Empty(Method):
        def __init__(self):
            super().__init__()
            self.backbone = torch.nn.Flatten()

    with pytest.raises(NotImplementedError, match="Empty has no loss of its features alone"):
        Empty()(Batch(torch.rand(2, 3, 8, 8), torch.arange(2)))
