"""What every run of a store writes down about the machine is asked for once; a corpus and a generator in the place of large ones."""

from __future__ import annotations

from functools import cache

import pytest

from stablerep.study.experiments import image_sets, sources
from stablerep.study.experiments.study import Study
from stablerep.study.store import provenance
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import StubGenerator, plain_corpus


@pytest.fixture(scope="session", autouse=True)
def circumstances_asked_once():
    """A run takes down the state of the checkout and the versions of a dozen packages: two processes and a dozen files, which take longer
    than what most runs of these tests compute, and come to the same for all of them. Other folders and packages are asked about as ever.
    """
    state, version = provenance.git_state, provenance.installed_version
    checkout, pinned = cache(lambda: state(provenance.PROJECT)), cache(version)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            provenance,
            "git_state",
            lambda folder, **how: checkout() if folder == provenance.PROJECT and not how else state(folder, **how),
        )
        patch.setattr(
            provenance, "installed_version", lambda name: pinned(name) if name in provenance.PACKAGES else version(name)
        )
        yield


@pytest.fixture
def photographs(tmp_path):
    """A study of a corpus without designs, whose captions are made from classes: four images of each of twelve."""
    made = Study(RunStore(tmp_path / "runs"))
    made.corpus = plain_corpus(12, 4)
    return made


@pytest.fixture
def stub(monkeypatch):
    generator = StubGenerator()
    monkeypatch.setitem(sources._GENERATORS, "stub", generator)
    monkeypatch.setattr("stablerep.generator.autoencoder_training.reconstruct", generator.reconstruct)
    monkeypatch.setattr("stablerep.generator.generator_fingerprint", lambda name: generator.fingerprint)
    monkeypatch.setattr(image_sets, "_SETS", {})
    monkeypatch.setattr(sources, "_PIXELS", {})
    return generator
