"""The metadata of an export: what its files are and how runs made them, in the vocabulary of RO-Crate 1.1 (JSON-LD)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

import stablerep
from stablerep.study.archive.private_paths import Shortener
from stablerep.study.archive.trace import Chain
from stablerep.study.archive.trace_text import commit_of, describe_link
from stablerep.study.root import project_root

if TYPE_CHECKING:
    from rocrate.model import Entity

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
CRATE = "https://w3id.org/ro/crate/1.1"
GONE = "No longer in the run store; only its key is known."
FORMATS = {
    ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".parquet": "application/vnd.apache.parquet", ".tar": "application/x-tar",
    ".cff": "application/yaml", "": "text/plain",
}  # fmt: skip


class Crate:
    """An export as it is described: every file, and an action for each run and each executed notebook, with the software that did it, what
    went in and what came out."""

    def __init__(self, files: dict[str, tuple[int, str]], shortener: Shortener) -> None:
        """Args:
        files: size in bytes and SHA-256 of every file but the metadata and the list of checksums, by name.
        shortener: takes paths out of parameters and inputs.
        """
        from rocrate.rocrate import ROCrate

        self.crate, self.shortener, self.ends = ROCrate(version="1.1"), shortener, []
        self.crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # younger than this version of the crate
        self.files = {
            name: self._file(name, {"contentSize": str(size), "sha256": digest})
            for name, (size, digest) in sorted(files.items())
        }
        self._file(SUMS, {"description": "The SHA-256 of every other file."})

    def describe(self, chains: list[Chain]) -> dict:
        """The content of ``ro-crate-metadata.json``."""
        links = {key: link for chain in chains for key, link in chain.links.items()}
        chapters = {chain.about["key"]: chain for chain in chains if chain.chapter}
        actions = {}
        for key in sorted(links.keys() - chapters.keys()):
            link, title = links[key], f"{links[key].step}: {describe_link(links[key])}"
            by = {"description": GONE} if link.missing else self._done_by(link.provenance)
            read = [*self._references(link.needs), *self._inputs(link.inputs), *self._values(key, link.parameters)]
            actions[key] = self._action(key, title, by, read, self._named(f"runs/{key}/"))
        for key, chain in sorted(chapters.items()):
            about, name = chain.about, chain.chapter
            library = about["inputs"]["library"]
            own = chain.execution.provenance
            by = self._done_by(own) if own else {"instrument": self._software(f"library {library}", identifier=library)}
            read = [
                *self._references(chain.first), *self._inputs(about["inputs"]), *self._values(key, about["parameters"]),
                *self._named(f"reference/{name}/"),
            ]  # fmt: skip
            made = self._named(f"notebooks/{name}.ipynb", f"tables/{name}/", f"runs/{key}/")
            actions[key] = self._action(key, f"executing the notebook {name}", by, read, made)
            if chain.stored:
                self.ends.append(chain.stored["provenance"]["created"])
        self._root(
            ", ".join(chain.chapter or chain.first[0] for chain in chains), [actions[key] for key in sorted(actions)]
        )
        return self.crate.metadata.generate()

    def _root(self, about: str, actions: list[Entity]) -> None:
        import yaml

        cited = yaml.safe_load((project_root() / "CITATION.cff").read_text())
        paper = cited["references"][0]
        makers = [
            self._add(f"#author-{quote(one['name'])}", "Organization", name=one["name"]) for one in cited["authors"]
        ]
        described = {
            "name": f"{cited['title']}: {about}", "description": "Executed notebooks, their tables, and the records of the runs behind them.",
            "datePublished": max(self.ends, default="1970-01-01")[:10], "license": self.files["LICENSE"], "author": makers if len(makers) > 1 else makers[0],
            "publisher": makers[0], "mentions": actions,
            "citation": self._add(paper["url"], "ScholarlyArticle", name=paper["title"], url=paper["url"]),
        }  # fmt: skip
        for name, value in described.items():
            self.crate.root_dataset[name] = value

    def _add(self, place: str, kind: str, **properties) -> Entity:
        from rocrate.model import ContextEntity

        return self.crate.add(ContextEntity(self.crate, place, {"@type": kind, **properties}))

    def _file(self, name: str, properties: dict) -> Entity:
        suffix = PurePosixPath(name).suffix
        kind = {"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}
        return self.crate.add_file(dest_path=name, properties={"name": name, **properties, **kind})

    def _named(self, *starts: str) -> list[Entity]:
        return [entity for name, entity in self.files.items() if name.startswith(starts)]

    def _action(self, key: str, title: str, by: dict, read: list, made: list[Entity]) -> Entity:
        title = self.shortener.text(title, key, anywhere=True)
        return self._add(f"#{key}", "CreateAction", name=title, object=read, result=made, **by)

    def _done_by(self, provenance: dict) -> dict:
        """The software, with its commit, and the time at which it was done."""
        self.ends.append(provenance["created"])
        version, git = provenance["stablerep"], provenance.get("git") or {}
        which = f"{version}, {commit_of(provenance)}"
        identifier = {"identifier": git["commit"]} if git else {}
        return {
            "instrument": self._software(which, softwareVersion=which, **identifier),
            "endTime": provenance["created"],
        }

    def _software(self, which: str, **more) -> Entity:
        known = {"name": "stablerep", "softwareVersion": stablerep.__version__}
        return self._add(f"#stablerep-{quote(which.replace(' ', '-'))}", "SoftwareApplication", **known | more)

    @staticmethod
    def _references(keys: Iterable[str]) -> list[dict]:
        return [{"@id": f"#{key}"} for key in keys]

    def _inputs(self, inputs: dict[str, str]) -> list[Entity]:
        """Things that are known by their hash."""
        return [
            self._add(f"#{quote(name)}-{quote(value, safe='')}", "CreativeWork", name=name, identifier=value)
            for name, value in self.shortener.values(inputs).items()
        ]

    def _values(self, key: str, parameters: dict) -> list[Entity]:
        return [
            self._add(f"#{key}:{quote(name, safe='')}", "PropertyValue", name=name, value=json.dumps(value))
            for name, value in sorted(self.shortener.values(parameters).items())
        ]
