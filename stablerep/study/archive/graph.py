"""The metadata of an export: what its files are and how runs made them, in the vocabulary of RO-Crate 1.1 (JSON-LD)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import stablerep
from stablerep.study.archive.private_paths import Shortener
from stablerep.study.archive.trace import Chain, Link
from stablerep.study.archive.trace_text import commit_of, describe_link
from stablerep.study.root import project_root
from stablerep.study.store.provenance import hash_file

if TYPE_CHECKING:
    from rocrate.model import Entity

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
CRATE = "https://w3id.org/ro/crate/1.1"
GONE = "No longer in the run store; only its key is known."
FORMATS = {
    ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".parquet": "application/vnd.apache.parquet",
    ".tar": "application/x-tar", ".cff": "application/yaml", "": "text/plain",
}  # fmt: skip


class Crate:
    """An export as it is described: every file, and an action for each run and each executed notebook, with the
    software that did it, what went in and what came out."""

    def __init__(self, files: dict[str, Path], shortener: Shortener) -> None:
        """Args:
        files: every file but the metadata and the list of checksums, by its name in the export.
        shortener: takes paths out of parameters and inputs.
        """
        from rocrate.rocrate import ROCrate

        self.crate, self.shortener, self.ends = ROCrate(version="1.1"), shortener, []
        self.crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # younger than this version of the crate
        self.files = {
            name: self._file(name, contentSize=str(path.stat().st_size), sha256=hash_file(path))
            for name, path in sorted(files.items())
        }
        self._file(SUMS, description="The SHA-256 of every other file.")

    def describe(self, chains: list[Chain]) -> dict:
        """The content of ``ro-crate-metadata.json``."""
        links = {key: link for chain in chains for key, link in chain.links.items()}
        actions = {key: self._action(link, f"{link.step}: {describe_link(link)}") for key, link in links.items()}
        for chain in chains:
            if name := chain.chapter:
                read = self._named(f"reference/{name}/")
                made = self._named(f"notebooks/{name}.ipynb", f"tables/{name}/")
                link, title = chain.execution, f"executing the notebook {name}"
                actions[link.key] = self._action(link, title, read, made)
            if chain.stored:
                self.ends.append(chain.stored["provenance"]["created"])
        about = ", ".join(chain.chapter or chain.first[0] for chain in chains)
        self._describe_root(about, [actions[key] for key in sorted(actions)])
        return self.crate.metadata.generate()

    def _action(self, link: Link, title: str, read: Sequence[Entity] = (), made: Sequence[Entity] = ()) -> Entity:
        """What made a run and the files ``made`` from other runs, hashed inputs, parameters and the files ``read``."""
        runs = [{"@id": f"#{key}"} for key in link.needs]
        inputs = [
            self._add(f"#{quote(name)}-{quote(value, safe='')}", "CreativeWork", name=name, identifier=value)
            for name, value in self.shortener.values(link.inputs).items()
        ]
        values = [
            self._add(f"#{link.key}:{quote(name, safe='')}", "PropertyValue", name=name, value=json.dumps(value))
            for name, value in sorted(self.shortener.values(link.parameters).items())
        ]
        about = {
            "name": self.shortener.text(title, link.key, anywhere=True),
            "object": [*runs, *inputs, *values, *read],
            "result": [*made, *self._named(f"runs/{link.key}/")],
        }
        return self._add(f"#{link.key}", "CreateAction", **about, **self._done(link))

    def _done(self, link: Link) -> dict:
        """The software, with its commit, and the time at which it was done, as far as they are known."""
        if link.missing and "library" not in link.inputs:
            return {"description": GONE}
        if link.missing:  # the execution of a notebook, which says itself what it was made from
            library = link.inputs["library"]
            return {"instrument": self._software(f"library {library}", stablerep.__version__, library)}
        made = link.provenance
        self.ends.append(made["created"])
        which = f"{made['stablerep']}, {commit_of(made)}"
        software = self._software(which, which, made["git"] and made["git"]["commit"])
        return {"instrument": software, "endTime": made["created"]}

    def _software(self, which: str, version: str, identifier: str | None) -> Entity:
        known = {"identifier": identifier} if identifier else {}
        place = f"#stablerep-{quote(which.replace(' ', '-'))}"
        return self._add(place, "SoftwareApplication", name="stablerep", softwareVersion=version, **known)

    def _describe_root(self, about: str, actions: list[Entity]) -> None:
        import yaml

        cited = yaml.safe_load((project_root() / "CITATION.cff").read_text())
        paper = cited["references"][0]
        makers = [
            self._add(f"#author-{quote(one['name'])}", "Organization", name=one["name"]) for one in cited["authors"]
        ]
        described = {
            "name": f"{cited['title']}: {about}",
            "description": "Executed notebooks, their tables, and the records of the runs behind them.",
            "datePublished": max(self.ends, default="1970-01-01")[:10],
            "license": self.files["LICENSE"],
            "author": makers if len(makers) > 1 else makers[0],
            "publisher": makers[0],
            "mentions": actions,
            "citation": self._add(paper["url"], "ScholarlyArticle", name=paper["title"], url=paper["url"]),
        }
        for name, value in described.items():
            self.crate.root_dataset[name] = value

    def _add(self, place: str, kind: str, **properties) -> Entity:
        from rocrate.model import ContextEntity

        return self.crate.add(ContextEntity(self.crate, place, {"@type": kind, **properties}))

    def _file(self, name: str, **properties: str) -> Entity:
        suffix = PurePosixPath(name).suffix
        kind = {"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}
        return self.crate.add_file(dest_path=name, properties={"name": name, **properties, **kind})

    def _named(self, *starts: str) -> list[Entity]:
        return [entity for name, entity in self.files.items() if name.startswith(starts)]
