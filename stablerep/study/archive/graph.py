"""The metadata of an export: what its files are and how runs made them, in the vocabulary of RO-Crate 1.1 (JSON-LD)."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from urllib.parse import quote

import stablerep
from stablerep.study.archive.private_paths import Shortener
from stablerep.study.archive.trace import Chain, Link
from stablerep.study.archive.trace_text import describe_link
from stablerep.study.root import project_root

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
CRATE = "https://w3id.org/ro/crate/1.1"
CONTEXT = [
    f"{CRATE}/context",
    {"sha256": "http://schema.org/sha256"},
]  # a word that came to schema.org after this version of the crate
GONE = "No longer in the run store; its key is what is known of it."
FORMATS = {
    ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".parquet": "application/vnd.apache.parquet", ".tar": "application/x-tar",
}  # fmt: skip


def crate(chains: list[Chain], files: dict[str, tuple[int, str]], shortener: Shortener) -> dict:
    """The content of ``ro-crate-metadata.json``.

    Args:
        files: size in bytes and SHA-256 of every file but the metadata and the list of checksums, by name.
        shortener: takes paths out of parameters and inputs.
    """
    links = {key: link for chain in chains for key, link in chain.links.items()}
    chapters = [chain for chain in chains if chain.chapter]
    entities: dict[str, dict] = {}
    _Actions(entities, files, shortener).add(links, chapters)
    ends = [entity["endTime"] for entity in entities.values() if "endTime" in entity]
    ends += [chain.stored["provenance"]["created"] for chain in chapters if chain.stored]
    about = ", ".join(chain.chapter or chain.first[0] for chain in chains)
    entities |= {name["@id"]: name for name in _root(about, files, max(ends, default="1970-01-01")[:10], entities)}
    first = [METADATA, "./"]
    return {"@context": CONTEXT, "@graph": [entities[name] for name in [*first, *sorted(entities.keys() - set(first))]]}


def _root(about: str, files: dict[str, tuple[int, str]], published: str, actions: dict[str, dict]) -> list[dict]:
    import yaml

    cited = yaml.safe_load((project_root() / "CITATION.cff").read_text())
    paper = cited["references"][0]
    makers = [
        {"@id": f"#author-{quote(one['name'])}", "@type": "Organization", "name": one["name"]}
        for one in cited["authors"]
    ]
    found = [
        {"@id": METADATA, "@type": "CreativeWork", "conformsTo": {"@id": CRATE}, "about": {"@id": "./"}},
        {
            "@id": "./", "@type": "Dataset", "name": f"{cited['title']}: {about}",
            "description": "Executed notebooks, their tables, and the records of the runs behind them.", "datePublished": published,
            "license": {"@id": "LICENSE"}, "author": [{"@id": maker["@id"]} for maker in makers], "citation": {"@id": paper["url"]},
            "hasPart": [{"@id": quote(name)} for name in sorted([*files, SUMS])],
            "mentions": [{"@id": key} for key, entity in sorted(actions.items()) if entity["@type"] == "CreateAction"],
        },
        {"@id": paper["url"], "@type": "ScholarlyArticle", "name": paper["title"], "url": paper["url"]},
        {"@id": SUMS, "@type": "File", "name": SUMS, "description": "The SHA-256 of every other file.", "encodingFormat": "text/plain"},
        *makers,
    ]  # fmt: skip
    for name, (size, digest) in files.items():
        suffix = PurePosixPath(name).suffix
        entity = {"@id": quote(name), "@type": "File", "name": name, "contentSize": str(size), "sha256": digest}
        found.append(entity | ({"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}))
    return found


class _Actions:
    """An action for each run and each executed notebook, with the software that did it, what went in and what came out."""

    def __init__(self, entities: dict[str, dict], files: dict[str, tuple[int, str]], shortener: Shortener):
        self.entities, self.files, self.shortener = entities, files, shortener

    def add(self, links: dict[str, Link], chapters: list[Chain]) -> None:
        executions = {chain.about["key"] for chain in chapters}
        for key, link in links.items():
            if key not in executions:  # which come below
                made = self.action(
                    key,
                    f"{link.step}: {describe_link(link)}",
                    [name for name in self.files if name.startswith(f"runs/{key}/")],
                )
                made |= {"description": GONE} if link.missing else self.ended(link.provenance)
                self.read(made, link.inputs, list(link.needs), link.parameters)
        for chain in chapters:
            key, about, name = chain.about["key"], chain.about, chain.chapter
            mine = [
                file
                for file in self.files
                if file == f"notebooks/{name}.ipynb" or file.startswith((f"tables/{name}/", f"runs/{key}/"))
            ]
            made = self.action(key, f"executing the notebook {name}", mine)
            library = about["inputs"]["library"]
            own = chain.execution.provenance
            made |= (
                self.ended(own) if own else {"instrument": self.software(f"library {library}", {"identifier": library})}
            )
            self.read(made, about["inputs"], chain.first, about["parameters"])
            made["object"] += [
                {"@id": quote(file)} for file in sorted(self.files) if file.startswith(f"reference/{name}/")
            ]

    def action(self, key: str, title: str, result: list[str]) -> dict:
        title = self.shortener.text(title, key, anywhere=True)
        made = {
            "@id": f"#{key}",
            "@type": "CreateAction",
            "name": title,
            "object": [],
            "result": [{"@id": quote(name)} for name in sorted(result)],
        }
        self.entities[made["@id"]] = made
        return made

    def ended(self, provenance: dict) -> dict:
        """The software, with its commit, and the time at which it was done."""
        git = provenance.get("git") or {}
        commit = f"commit {git['commit']}{' with changes' if git.get('dirty') else ''}" if git else "no commit"
        version = provenance["stablerep"]
        more = {"softwareVersion": f"{version}, {commit}", "identifier": git.get("commit", "")}
        return {"instrument": self.software(f"{version} {commit}", more), "endTime": provenance["created"]}

    def software(self, which: str, more: dict) -> dict:
        made = {
            "@id": f"#stablerep-{quote(which.replace(' ', '-'))}",
            "@type": "SoftwareApplication",
            "name": "stablerep",
        }
        self.entities[made["@id"]] = (
            made | {"softwareVersion": stablerep.__version__} | {name: value for name, value in more.items() if value}
        )
        return {"@id": made["@id"]}

    def read(self, made: dict, inputs: dict[str, str], needs: list[str], parameters: dict) -> None:
        """What an action read: other actions' results, things known by their hash, and parameters."""
        objects = [f"#{need}" for need in needs]
        for name, value in self.shortener.values(inputs).items():
            place = f"#{quote(name)}-{quote(value, safe='')}"
            self.entities[place] = {"@id": place, "@type": "CreativeWork", "name": name, "identifier": value}
            objects.append(place)
        for name, value in sorted(self.shortener.values(parameters).items()):
            place = f"{made['@id']}/{quote(name)}"
            self.entities[place] = {"@id": place, "@type": "PropertyValue", "name": name, "value": json.dumps(value)}
            objects.append(place)
        made["object"] = [{"@id": one} for one in objects]
