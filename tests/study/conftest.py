"""What every run of a store writes down about the machine is asked for once; and a generator that costs nothing."""

from __future__ import annotations

from functools import cache

import pytest

from stablerep.study.experiments import image_sets, sources
from stablerep.study.store import provenance
from tests.study.stand_ins import StubGenerator


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
def stub(monkeypatch):
    """A generator that costs nothing, by the name of stub."""
    generator = StubGenerator()
    monkeypatch.setitem(sources._GENERATORS, "stub", generator)
    monkeypatch.setattr("stablerep.generator.autoencoder_training.reconstruct", generator.reconstruct)
    monkeypatch.setattr("stablerep.generator.generator_fingerprint", lambda name: generator.fingerprint)
    monkeypatch.setattr(image_sets, "_SETS", {})
    return generator
