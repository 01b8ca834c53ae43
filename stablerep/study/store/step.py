"""A step: one kind of run, declared once. Its name and code are part of its runs' keys; the rest tells their costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stablerep.study.store.code import code_modules

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """What the runs of one kind have in common; functions are given their parameters."""

    name: str  # in lower case, such as pretraining
    version: int = 1  # raised when the same parameters and code come to mean another result, such as other tables
    describe: Callable[[Values], str] = lambda parameters: ""  # in a few words
    code: tuple[str, ...] | Callable[[Values], tuple[str, ...]] = ()  # entries of :func:`.code.code_modules`
    amount: Callable[[Values], float] = lambda parameters: 1.0  # how much of what ``rate`` counts a run has
    rate: float | None = None  # how much of it is done in a second; None when the time does not depend on it
    seconds: float = 0.0  # what a run takes whatever its amount; both of two cores of an Intel Xeon with AVX-512
    weight: Callable[[Values], float] = lambda parameters: (
        1.0
    )  # how many times as long as usual a run takes for the same amount
    # what runs have in common that cost the same for the same amount, such as the network; given the inputs too
    alike: Callable[[Values, Mapping[str, str]], list] = lambda parameters, inputs: []
    disk: Callable[[Values], float] = lambda parameters: 2e5  # bytes
    announced: bool = True  # whether a line says that a run is being computed

    def modules(self, parameters: Values) -> dict[str, str]:
        """The hash of every module that a run of these parameters can call, by name."""
        return code_modules(self.code(parameters) if callable(self.code) else self.code)

    def kind(self, parameters: Values, inputs: Mapping[str, str]) -> list:
        """Runs of one kind cost the same for the same amount."""
        return [self.name, *self.alike(parameters, inputs)]

    def estimate(self, parameters: Values) -> float:
        """Seconds, by the rates alone."""
        return self.seconds + (self.weight(parameters) * self.amount(parameters) / self.rate if self.rate else 0.0)

    def about(self, parameters: Values, inputs: Mapping[str, str]) -> dict:
        """What the record of a run says of it besides its identity: its code, words on it, and what its costs go by."""
        return {
            "modules": self.modules(parameters),
            "what": self.describe(parameters),
            "kind": self.kind(parameters, inputs),
            "amount": self.amount(parameters),
            "disk": self.disk(parameters),
        }
