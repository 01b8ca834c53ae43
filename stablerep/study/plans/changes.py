"""Why a run is new although an earlier one is much like it: the code, parameters or inputs by which the two differ."""

from __future__ import annotations

from collections.abc import Iterable

from stablerep.study.markdown import some_of

CLOSE = 3  # differences beyond which two runs are not alike


def why_new(identity: dict, modules: dict[str, str], records: Iterable[dict]) -> str:
    """By what the most similar run of the same step differs, in a few words; empty when none is similar.

    Args:
        identity: of :meth:`stablerep.study.store.runs.RunStore.identity`, of a run that does not exist.
        modules: hash of each module that its code is made of.
        records: of the runs that exist.
    """
    alike = [(_differing(info, identity), info) for info in records if info["step"] == identity["step"]]
    parts, info = min(alike, key=lambda one: len(one[0]), default=((), None))
    if info is None or len(parts) > CLOSE:
        return ""
    return ", ".join([*_changed_code(info, identity, modules, shared=bool(parts)), *parts])


def _differing(old: dict, new: dict) -> list[str]:
    """Parameters and inputs that are not the same, in words."""
    before, now = flattened(old["parameters"]), flattened(new["parameters"])
    parameters = [f"{name} {now.get(name)} instead of {before.get(name)}" for name in _changed(before, now)]
    return parameters + [f"other {name}" for name in _changed(old["inputs"], new["inputs"])]


def _changed(before: dict, now: dict) -> list[str]:
    return [name for name in before | now if before.get(name) != now.get(name)]


def _changed_code(old: dict, new: dict, modules: dict[str, str], *, shared: bool) -> list[str]:
    """With ``shared`` only of modules that both have: other parameters, such as another method, call other modules, and none of these changed."""
    if old.get("code") == new.get("code"):
        return []
    before = old["provenance"].get("modules")
    if not before:
        return ["its code was not recorded"]
    names = sorted(name for name in _changed(before, modules) if not shared or (name in before and name in modules))
    return [f"the code of {some_of(names)} has changed"] if names else []


def flattened(values: dict, place: str = "") -> dict[str, object]:
    """Nested parameters by dotted names."""
    found = {}
    for name, value in values.items():
        found |= flattened(value, f"{place}{name}.") if isinstance(value, dict) else {f"{place}{name}": value}
    return found
