"""A chain as text: an indented tree in which runs that differ in their seeds alone share a line."""

from __future__ import annotations

import functools
import json

from stablerep.study.archive.trace import Chain, Link
from stablerep.study.plans.changes import flattened

# What the words on a run say already; these parameters are not named again beside them.
_SAID = {
    "pretraining": {"method", "encoder.name", "steps", "views_per_step", "seed"},
    "synthesis": {"captions", "images_per_caption", "guidance_scale", "seed"},
    "transfer": {"set"},
}


def describe_chain(chain: Chain) -> str:
    """The chain from what was asked for down to the last inputs, then what computed it, in lines."""
    of = f", of the chapter {chain.chapter}" if chain.chapter not in ("", chain.what) else ""
    lines = [chain.what + of]
    if about := chain.about:
        changed = "".join(f", {name} = {value}" for name, value in about["changed"].items())
        lines.append(f"notebook {about['key']}: preset {about['preset']}{changed}")
        lines += [f"  {name} {value}" for name, value in about["inputs"].items()]
        own = chain.execution.provenance
        lines.append(
            f"  executed in {own['seconds']:,.0f} s by {made_by(own)}" if own else "  its run is no longer in the store"
        )
    if stored := chain.stored:
        made, given = stored["provenance"], stored["parameters"]
        verb = "compared with" if chain.live else "drawn from"
        seeds = "".join(f", {name} = {given[name]}" for name in ("seed", "seeds") if name in given)
        lines.append(f"{verb} the stored results of {made['created'][:10]}: preset {given['preset']}{seeds}")
        lines += [f"  {name} {stored[name]}" for name in ("corpus", "generator") if name in stored]
        lines.append(f"  library {made.get('library', 'unknown')}")
        lines += [f"  {name} sha256 {digest[:16]}" for name, digest in sorted(stored["sha256"].items())]
        lines.append(f"  computed by {made_by(made)}")
    lines += chain.wrong + _tree(chain)
    runs = [link.provenance for link in chain.links.values() if not link.missing]
    lines += sorted({f"computed by {made_by(provenance)}" for provenance in runs})
    if runs:
        seconds = sum(provenance["seconds"] for provenance in runs)
        lines.append(f"{seconds:,.0f} s in {len(runs)} {'run' if len(runs) == 1 else 'runs'}")
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
    """A line for each run, or for those that differ in their seeds alone; below it what they read."""
    lines, shown, differing = [], set(), _differing(chain.links)

    @functools.cache
    def alike(key: str) -> str:
        """What a run is apart from its seed: step, parameters and inputs, and the same of the runs it needs."""
        link = chain.links[key]
        rest = {name: value for name, value in link.parameters.items() if name != "seed"}
        # The hash of a synthesis's captions is that of its plan, and an untrained encoder's name ends in its seed.
        read = {
            name: value.rpartition("-")[0] if value.startswith("random-") else value
            for name, value in link.inputs.items()
            if name != "captions"
        }
        needs = sorted([alike(other), role] for other, role in link.needs.items())
        return json.dumps([link.step, link.missing, rest, read, needs])

    def add(roles: dict[str, str], depth: int) -> None:
        """Runs that are alike and have the same role, such as ``encoder``, share a line."""
        groups: dict[tuple[str, str], list[Link]] = {}
        for key, role in roles.items():
            groups.setdefault((alike(key), role), []).append(chain.links[key])
        for (_, role), group in groups.items():
            one, known = group[0], {link.key for link in group} <= shown
            line = f"{role}: " if role else ""
            line += f"{len(group)} x {one.step}" if len(group) > 1 else one.step
            if seeds := [str(link.parameters["seed"]) for link in group if "seed" in link.parameters]:
                line += f" ({'seeds' if len(seeds) > 1 else 'seed'} {', '.join(seeds)})"
            if (words := describe_link(one)) != one.step:
                line += f": {words}"
            line += "".join(f"; {name} = {value}" for name, value in differing[one.key].items())
            if not (one.missing or known):
                line += f"  {sum(link.provenance['seconds'] for link in group):,.0f} s"
            line += f"  {', '.join(link.key[-16:] for link in group)}"
            if known and (one.needs or one.inputs):
                line += " (as above)"
            lines.append("  " * depth + line)
            if not known:
                shown.update(link.key for link in group)
                for name in one.inputs:
                    values = dict.fromkeys(link.inputs[name] for link in group)
                    lines.append(f"{'  ' * (depth + 1)}{name} {', '.join(values)}")
                add({key: role for link in group for key, role in link.needs.items()}, depth + 1)

    add(dict.fromkeys(chain.first, ""), 0)
    return lines


def _differing(links: dict[str, Link]) -> dict[str, dict[str, object]]:
    """For each run, its parameters that not all runs of its step share, but for seeds and what the words on it say."""
    flat = {key: flattened(link.parameters) for key, link in links.items()}
    alike: dict[str, list[dict]] = {}
    for key, link in links.items():
        if not link.missing:
            alike.setdefault(link.step, []).append(flat[key])
    found = {}
    for key, link in links.items():
        said, others = _SAID.get(link.step, {"seed"}), alike.get(link.step, [])
        found[key] = {
            name: value
            for name, value in flat[key].items()
            if name not in said and any(other.get(name) != value for other in others)
        }
    return found
