"""From a figure or table back to what it was made from: the notebook, its runs, their inputs, seeds, versions."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stablerep.study.chapters import STORED, stored_record
from stablerep.study.notebooks import project_root
from stablerep.study.parameters import SCHEMAS
from stablerep.study.provenance import hash_file
from stablerep.study.provenance_page import CHAPTERS
from stablerep.study.runs import RunStore


@dataclass
class Link:
    """One run of a chain: its record's ``step``, ``parameters`` and ``provenance``; ``inputs`` that are no runs; ``needs``, keys of those that are.

    ``missing``: the run is no longer in the store, and only its key is known.
    """

    key: str
    step: str
    missing: bool = False
    parameters: dict = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)


@dataclass
class Chain:
    """What a figure, table or chapter was made from.

    Attributes:
        what: as it was asked for; ``chapter``; ``about``: the executed notebook's ``metadata.stablerep``.
        first: keys of the runs that nothing else in the chain needs; ``links``: all of them by key.
        stored: for a chapter drawn from stored results, their record; ``wrong``: sentences on stored tables that are not what it says.
    """

    what: str
    chapter: str
    about: dict
    first: list[str] = field(default_factory=list)
    links: dict[str, Link] = field(default_factory=dict)
    stored: dict | None = None
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict:
        return asdict(self)


def figure_names(root: Path) -> dict[str, str]:
    """The chapter of each figure, from the committed notebooks."""
    found = {}
    for name in SCHEMAS:
        for cell in json.loads((root / "notebooks" / f"{name}.ipynb").read_text())["cells"]:
            if figure := cell["metadata"].get("mystnb", {}).get("figure", {}).get("name"):
                found[figure] = name
    return found


def chapter_of(what: str) -> str:
    """The chapter of a figure (``fig-...``), a table (``compare/arms``) or itself.

    Raises:
        ValueError: nothing of that name; names the nearest.
    """
    from stablerep.study.chapters import HEADLINES

    figures = figure_names(project_root())
    name, _, table = what.partition("/")
    tables = {name: {f.stem for f in (STORED / name).glob("*.parquet")} | {HEADLINES[name].table} for name in SCHEMAS}
    if what in figures:
        return figures[what]
    if name in SCHEMAS and (not table or table in tables[name]):
        return name
    known = [*SCHEMAS, *figures, *(f"{name}/{table}" for name, some in tables.items() for table in sorted(some))]
    near = difflib.get_close_matches(what, known, n=1, cutoff=0.4)
    raise ValueError(f"there is no figure, table or chapter {what!r}; {f'the nearest is {near[0]}' if near else 'chapters are ' + ', '.join(SCHEMAS)}.")


def executed_notebook(chapter: str, folder: Path | None = None) -> dict:
    """The notebook of a chapter as the book has it.

    Args:
        folder: of a book's pages, or of executed notebooks; ``book/chapters`` by default.

    Raises:
        ValueError: it was not executed by this project.
    """
    folder = Path(folder or project_root() / CHAPTERS)
    path = next((p for p in (folder / f"{chapter}.ipynb", folder / "_sources" / CHAPTERS / f"{chapter}.ipynb") if p.is_file()), None)
    notebook = json.loads(path.read_text()) if path else {"metadata": {}}
    if "inputs" not in (notebook["metadata"].get("stablerep") or {}):
        raise ValueError(f"{chapter} was not executed yet, or not by `stablerep`; `stablerep book` does it.")
    return notebook


def trace(what: str, store: RunStore | None = None, folder: Path | None = None) -> Chain:
    """The chain behind a figure, a table, a chapter, or a run in the store (whose key may be shortened).

    Raises:
        ValueError: nothing of that name, or a chapter that was not executed.
    """
    store = store or RunStore()
    if run := store.find(what) if "-" in what and not what.startswith("fig-") else None:
        chain = Chain(what, "", {}, [run.key])
    else:
        chapter = chapter_of(what)
        about = executed_notebook(chapter, folder)["metadata"]["stablerep"]
        chain = Chain(what, chapter, about, list(about["runs"]))
        if not about["parameters"]["live"]:
            chain.stored = stored_record(chapter)
            chain.wrong = [
                f"results/{chapter}/{name} is not the file that its record names." for name, digest in chain.stored["sha256"].items()
                if not (STORED / chapter / name).is_file() or hash_file(STORED / chapter / name) != digest
            ]  # fmt: skip
    sets = synthetic_sets(store)
    waiting = list(chain.first)
    while waiting:
        key = waiting.pop()
        if key not in chain.links:
            chain.links[key] = found = read_link(key, store, sets)
            waiting += found.needs
    needed = {key for link in chain.links.values() for key in link.needs}
    chain.first = [key for key in chain.first if key not in needed]
    return chain


def synthetic_sets(store: RunStore) -> dict[str, str]:
    """The key of each synthesis by the fingerprint of its set, with which the fingerprints of all its parts begin."""
    from stablerep.synthesis import set_fingerprint

    return {
        set_fingerprint(info["inputs"]["captions"], info["inputs"]["generator"], info["parameters"]["precision"]): info["key"]
        for info in store.records() if info["step"] == "synthesis"
    }  # fmt: skip


def read_link(key: str, store: RunStore, sets: dict[str, str]) -> Link:
    """One run, from its record."""
    run = store.find(key)
    if run is None:
        return Link(key, key[:-17], missing=True)
    needs, inputs = list(run.info["provenance"].get("uses", ())), {}
    for name, value in run.info["inputs"].items():
        made = [synthesis for fingerprint, synthesis in sets.items() if value.startswith(fingerprint)]
        if store.find(value):
            needs.append(value)
        elif made:
            needs.append(made[0])
        else:
            inputs[name] = value
    return Link(key, run.info["step"], False, run.info["parameters"], inputs, list(dict.fromkeys(needs)), run.info["provenance"])


def describe_chain(chain: Chain) -> str:
    """The chain as text: an indented tree, runs that differ in their seed alone in one line."""
    lines = [chain.what + (f", of the chapter {chain.chapter}" if chain.chapter and chain.what != chain.chapter else "")]
    if about := chain.about:
        lines.append(f"notebook {about['key']}: preset {about['preset']}" + "".join(f", {k} = {v}" for k, v in about["changed"].items()))
        lines += [f"  {name} {value}" for name, value in about["inputs"].items()]
    if chain.stored:
        made = chain.stored["provenance"]
        lines.append(f"stored results of {made['created'][:10]}, preset {chain.stored['parameters']['preset']}, stablerep {made['stablerep']}, library {made['library']}, {made['device']}")
        lines += [f"  {name} sha256 {digest[:16]}" for name, digest in chain.stored["sha256"].items()] + chain.wrong
    versions = [link.provenance for link in chain.links.values() if link.provenance]
    shown: set[str] = set()

    def tree(keys: list[str], depth: int) -> None:
        for group in _alike([chain.links[key] for key in keys]):
            one, seeds = group[0], [str(link.parameters["seed"]) for link in group if "seed" in link.parameters]
            several = f"{len(group)} x " if len(group) > 1 else ""
            varied = f", seeds {', '.join(seeds)}" if len(seeds) > 1 else ""
            lines.append(f"{'  ' * depth}{several}{_words(one)}{varied}  {', '.join(link.key[-16:] for link in group)}")
            if not shown >= {link.key for link in group}:
                shown.update(link.key for link in group)
                lines.extend(f"{'  ' * (depth + 1)}{name} {value}" for name, value in one.inputs.items())
                tree(list(dict.fromkeys(key for link in group for key in link.needs)), depth + 1)
            elif one.needs:
                lines[-1] += " (as above)"

    tree(chain.first, 0)
    for made in {(p["stablerep"], (p["git"] or {}).get("commit", "no commit")[:12], p["device"], p["packages"]["torch"]) for p in versions}:
        lines.append(f"computed by stablerep {made[0]}, commit {made[1]}, torch {made[3]}, on {made[2]}")
    if versions:
        lines.append(f"{sum(p['seconds'] for p in versions):,.0f} s in {len(versions)} runs")
    return "\n".join(lines)


def _words(link: Link) -> str:
    from stablerep.study.planning import describe_run

    if link.missing:
        return f"{link.step}, no longer in the store:"
    return f"{link.step}: {describe_run(link.step, {k: v for k, v in link.parameters.items()})}"


def _alike(links: list[Link]) -> list[list[Link]]:
    """Runs of one step and one kind of input whose parameters are the same but for the seed; each seed once in a group."""
    groups: dict[str, list[list[Link]]] = {}
    for link in links:
        rest = {name: value for name, value in link.parameters.items() if name != "seed"}
        fed = sorted(link.inputs), sorted(key[:-17] for key in link.needs)
        found = groups.setdefault(json.dumps([link.step, link.missing, rest, fed], sort_keys=True), [])
        seed = link.parameters.get("seed")
        open_ones = [group for group in found if seed is None or seed not in {one.parameters["seed"] for one in group}]
        if open_ones:
            open_ones[0].append(link)
        else:
            found.append([link])
    return [group for found in groups.values() for group in found]
