"""The parameters that a run was given, as a page lists them."""

from __future__ import annotations

import pandas as pd

from stablerep.study.chapters import preset_differences
from stablerep.study.parameters.base import Parameters
from stablerep.study.parameters.description import describe_schema


def parameter_table(name: str, parameters: Parameters) -> pd.DataFrame:
    """Value (beside the preset's if it differs), meaning, valid values with unit, and cost by parameter of a chapter."""

    def text(value) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    rows, different = {}, preset_differences(name, parameters)
    for about in describe_schema(type(parameters)):
        value = text(getattr(parameters, about.name))
        if about.name in different:
            value += f" (preset: {text(different[about.name][1])})"
        cost = "" if about.cost == "none" else about.cost
        rows[about.name] = [value, about.help, f"{about.valid} {about.unit}".strip(), cost]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "meaning", "valid", "cost"])
