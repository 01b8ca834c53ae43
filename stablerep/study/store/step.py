"""A step: one kind of run, declared once. Its name and code are part of its runs' keys; the rest describes their costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stablerep.study.store.code import code_modules

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """What the runs of one kind have in common.

    Attributes:
        name: in lower case, such as ``pretraining``.
        version: raised when the same parameters and code come to mean another result, as another layout of tables.
        describe: a few words on a run, from its parameters.
        code: entries of :func:`stablerep.study.store.code.code_modules`, or a function from parameters to them.
        amount: how much of what ``rate`` counts a run has, from its parameters.
        rate: how much of it is done in a second; None when the time does not depend on it.
        seconds: what a run takes whatever its amount. Both were measured on two cores of an Intel Xeon with AVX-512.
        alike: what runs have in common that cost the same for the same amount; from parameters and inputs.
        disk: bytes of a run, from its parameters.
    """

    name: str
    version: int = 1
    describe: Callable[[Values], str] = field(default=lambda parameters: "")
    code: tuple[str, ...] | Callable[[Values], tuple[str, ...]] = ()
    amount: Callable[[Values], float] = field(default=lambda parameters: 1.0)
    rate: float | None = None
    seconds: float = 0.0
    alike: Callable[[Values, Mapping[str, str]], list] = field(default=lambda parameters, inputs: [])
    disk: Callable[[Values], float] = field(default=lambda parameters: 2e5)

    def modules(self, parameters: Values) -> dict[str, str]:
        """The hash of every module that a run of these parameters can call, by name."""
        return code_modules(self.code(parameters) if callable(self.code) else self.code)

    def kind(self, parameters: Values, inputs: Mapping[str, str]) -> list:
        """Runs of one kind cost the same for the same amount."""
        return [self.name, *self.alike(parameters, inputs)]

    def estimate(self, parameters: Values) -> float:
        """Seconds, by the rates alone."""
        return self.seconds + (self.amount(parameters) / self.rate if self.rate else 0.0)

    def about(self, parameters: Values, inputs: Mapping[str, str]) -> dict:
        """What the record of a run says of it besides its identity: its code, words on it, and what its costs go by."""
        return {
            "modules": self.modules(parameters),
            "what": self.describe(parameters),
            "kind": self.kind(parameters, inputs),
            "amount": self.amount(parameters),
            "disk": self.disk(parameters),
        }
