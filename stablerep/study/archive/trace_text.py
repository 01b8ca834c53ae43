"""A chain as text: an indented tree in which runs that differ in their seeds alone share a line."""

from __future__ import annotations

import json
from collections.abc import Iterable

from stablerep.study.archive.trace import Chain, Link

# What the words on a run say already; these parameters are not named again beside them.
_SAID = {
    "pretraining": {"method", "encoder.name", "steps", "views_per_step", "seed"},
    "synthesis": {"captions", "images_per_caption", "guidance_scale", "seed"},
    "transfer": {"set"},
}


def describe_chain(chain: Chain) -> str:
    """The chain from what was asked for down to the last inputs, then what computed it, in lines."""
    lines = [
        chain.what + (f", of the chapter {chain.chapter}" if chain.chapter and chain.what != chain.chapter else "")
    ]
    if about := chain.about:
        lines.append(
            f"notebook {about['key']}: preset {about['preset']}"
            + "".join(f", {k} = {v}" for k, v in about["changed"].items())
        )
        lines += [f"  {name} {value}" for name, value in about["inputs"].items()]
        own = chain.execution.provenance
        lines.append(
            f"  executed in {own['seconds']:,.0f} s by {made_by(own)}" if own else "  its run is no longer in the store"
        )
    if chain.stored:
        made, given = chain.stored["provenance"], chain.stored["parameters"]
        lines.append(
            f"{'compared with' if chain.live else 'drawn from'} the stored results of {made['created'][:10]}: preset {given['preset']}"
            + "".join(f", {name} = {given[name]}" for name in ("seed", "seeds") if name in given)
        )
        inputs = [(name, chain.stored[name]) for name in ("corpus", "generator") if name in chain.stored]
        lines += [f"  {name} {value}" for name, value in [*inputs, ("library", made.get("library", "unknown"))]]
        lines += [f"  {name} sha256 {digest[:16]}" for name, digest in sorted(chain.stored["sha256"].items())]
        lines.append(f"  computed by {made_by(made)}")
    lines += chain.wrong + _tree(chain)
    made = [link.provenance for link in chain.links.values() if link.provenance]
    lines += sorted({f"computed by {made_by(provenance)}" for provenance in made})
    if made:
        seconds = sum(provenance["seconds"] for provenance in made)
        lines.append(f"{seconds:,.0f} s in {len(made)} {'run' if len(made) == 1 else 'runs'}")
    return "\n".join(lines)


def made_by(provenance: dict) -> str:
    """Version, commit, torch and machine of one record, in words."""
    version, torch, device = provenance["stablerep"], provenance["packages"].get("torch"), provenance["device"]
    return f"stablerep {version}, {commit_of(provenance, 12)}, torch {torch}, on {device}"


def commit_of(provenance: dict, digits: int = 40) -> str:
    """The commit of one record, in words."""
    git = provenance.get("git")
    return f"commit {git['commit'][:digits]}{' with changes' if git.get('dirty') else ''}" if git else "no commit"


def describe_link(link: Link) -> str:
    """A few words on one run, without its seed."""
    if link.missing:
        return "no longer in the store"
    what = link.provenance.get("what") or link.step
    return what.removesuffix(f", seed {link.parameters.get('seed')}")


def _tree(chain: Chain) -> list[str]:
    lines, shown = [], set()
    alike, differing = _Signatures(chain.links), _differing(chain.links.values())

    def add(keys: list[str], depth: int, role: dict[str, str]) -> None:
        groups: dict[str, list[Link]] = {}
        for key in keys:
            groups.setdefault(json.dumps([alike.of(key), role.get(key, "")]), []).append(chain.links[key])
        for group in groups.values():
            one, known = group[0], {link.key for link in group} <= shown
            seeds = [str(link.parameters["seed"]) for link in group if "seed" in link.parameters]
            head = f"{len(group)} x {one.step}" if len(group) > 1 else one.step
            head += f" (seeds {', '.join(seeds)})" if len(seeds) > 1 else f" (seed {seeds[0]})" if seeds else ""
            words = describe_link(one)
            more = "".join(f"; {name} = {value}" for name, value in differing.get(one.key, {}).items())
            seconds = sum(link.provenance.get("seconds", 0) for link in group)
            spent = "" if one.missing or known else f"  {seconds:,.0f} s"
            names = ", ".join(link.key[-16:] for link in group)
            again = " (as above)" if known and (one.needs or one.inputs) else ""
            of = f"{role[one.key]}: " if role.get(one.key) else ""
            lines.append(
                f"{'  ' * depth}{of}{head}{f': {words}' if words != one.step else ''}{more}{spent}  {names}{again}"
            )
            if known:
                continue
            shown.update(link.key for link in group)
            for name in one.inputs:
                values = dict.fromkeys(link.inputs[name] for link in group)
                lines.append(f"{'  ' * (depth + 1)}{name} {', '.join(values)}")
            add(
                list(dict.fromkeys(key for link in group for key in link.needs)),
                depth + 1,
                {k: v for link in group for k, v in link.needs.items()},
            )

    add(chain.first, 0, {})
    return lines


def _flat(values: dict, place: str = "") -> dict[str, object]:
    """Nested parameters by dotted names."""
    found = {}
    for name, value in values.items():
        found |= _flat(value, f"{place}{name}.") if isinstance(value, dict) else {f"{place}{name}": value}
    return found


def _differing(links: Iterable[Link]) -> dict[str, dict[str, object]]:
    """For each run, its parameters that are not the same in all runs of its step, but for seeds and what the words on it say."""
    steps: dict[str, dict[str, dict]] = {}
    for link in links:
        if not link.missing:
            steps.setdefault(link.step, {})[link.key] = _flat(link.parameters)
    found = {}
    for step, flat in steps.items():
        names = dict.fromkeys(
            name for values in flat.values() for name in values if name not in _SAID.get(step, ("seed",))
        )
        names = [name for name in names if len({json.dumps(values.get(name)) for values in flat.values()}) > 1]
        found |= {key: {name: values[name] for name in names if name in values} for key, values in flat.items()}
    return found


class _Signatures:
    """What a run is apart from its seed: step, parameters and inputs, and the same of the runs it needs."""

    def __init__(self, links: dict[str, Link]):
        self.links, self.known = links, {}

    def of(self, key: str) -> list:
        if key not in self.known:
            self.known[key] = []  # so that a record that names itself does not go round for ever
            link = self.links[key]
            rest = {name: value for name, value in link.parameters.items() if name != "seed"}
            # The hash of a synthesis's captions is that of its plan, and an untrained encoder's name ends in its seed.
            read = {name: "" if name == "captions" else value.rpartition("-")[0] if value.startswith("random-") else value
                    for name, value in link.inputs.items()}  # fmt: skip
            needs = sorted(([self.of(other), role] for other, role in link.needs.items()), key=json.dumps)
            self.known[key] = [link.step, link.missing, rest, read, needs]
        return self.known[key]
