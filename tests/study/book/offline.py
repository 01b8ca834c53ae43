"""A check that the pages of the book need no network: what they, their style sheets and their scripts would load."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

_EXTERNAL = re.compile(r"^\s*(https?:|wss?:)?//", re.IGNORECASE)
_CSS_REQUEST = re.compile(r"(?:url\(\s*|@import\s+)[\"']?\s*((?:https?:)?//[^\"')\s;]+)", re.IGNORECASE)
_SCRIPT_IMPORT = re.compile(r"\b(?:import|importScripts|from)\s*\(?\s*[\"'](https?://[^\"']+)", re.IGNORECASE)
_SCRIPT_ADDRESS = re.compile(r"https?://(?!www\.w3\.org/)[^\s\"'<>\\)]+", re.IGNORECASE)
_RESOURCE_RELATIONS = {
    "stylesheet", "icon", "preload", "modulepreload", "prefetch", "prerender", "preconnect", "dns-prefetch", "manifest",
    "apple-touch-icon", "mask-icon",
}  # fmt: skip


class _Requests(HTMLParser):
    """Collects the addresses on other machines that a page asks for by itself. Links that a reader follows are none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._inside = tag
        candidates = [attributes.get("src", ""), attributes.get("poster", "")]
        candidates += [part.split()[0] for part in attributes.get("srcset", "").split(",") if part.strip()]
        if tag == "object":
            candidates.append(attributes.get("data", ""))
        if tag in ("use", "image", "feimage"):
            candidates += [attributes.get("href", ""), attributes.get("xlink:href", "")]
        if tag == "link" and _RESOURCE_RELATIONS & set(attributes.get("rel", "").lower().split()):
            candidates.append(attributes.get("href", ""))
        self.found += [f"<{tag}> {address.strip()}" for address in candidates if _EXTERNAL.match(address)]
        self.found += [f"<{tag} style> {address}" for address in _CSS_REQUEST.findall(attributes.get("style", ""))]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.found += [f"<style> {address}" for address in _CSS_REQUEST.findall(data)]
        elif self._inside == "script":
            self.found += [f"<script> {address}" for address in _SCRIPT_ADDRESS.findall(data)]


def check_offline(html: Path) -> list[str]:
    """What the pages, style sheets and scripts under ``html`` would load from other machines: ``file: <element> address``."""
    html = Path(html)
    found = []
    for path in sorted(html.rglob("*")):
        requests: list[str] = []
        if path.suffix == ".html":
            parser = _Requests()
            parser.feed(path.read_text(encoding="utf-8"))
            requests = parser.found
        elif path.suffix == ".css":
            requests = [f"url {address}" for address in _CSS_REQUEST.findall(path.read_text(encoding="utf-8"))]
        elif path.suffix in (".js", ".mjs"):
            requests = [f"import {address}" for address in _SCRIPT_IMPORT.findall(path.read_text(encoding="utf-8"))]
        found += [f"{path.relative_to(html)}: {request}" for request in requests]
    return found
