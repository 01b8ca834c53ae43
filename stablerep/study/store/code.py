"""The code behind a run: which modules of the library its step can call, and a hash of what they say.

Modules are compared as syntax, so that a comment, a docstring or another line break changes nothing. What they reach
is read from their imports without running them. Modules of :mod:`stablerep.study` ask for results and do not make them:
they are left out, but for functions that a step names itself. Each file is read once in a process, so that a run is
named by the code that the process has loaded, whatever is edited meanwhile.

A registry is data: a line added to it changes no run of other lines. So the modules of registries are compared without
them, and a step that serves one line of a registry names that line.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE, STUDY = "stablerep", "stablerep.study"
_DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef
REGISTRIES = {"stablerep.methods": "METHODS", "stablerep.transfer.sets": "TRANSFER_SETS"}


def code_modules(entries: Iterable[str]) -> dict[str, str]:
    """A hash of 8 hexadecimal digits for every module that ``entries`` reach, by name, in the order of the names.

    Args:
        entries: modules of the science (``stablerep.training``), with all they import in turn; or single functions
            (``stablerep.study.chapters.bias_generator:read``) and lines of registries (``stablerep.methods:METHODS[simclr]``), which count alone.

    Raises:
        ValueError: an entry that is not there.
    """
    return dict(_reached(tuple(entries)))


def code_hash(entry: str) -> str:
    """The hash of one entry of :func:`code_modules` alone, without what it imports. Raises ``ValueError`` where it is not there."""
    if ":" in entry:
        return _line_hash(entry) if entry.endswith("]") else _function_hash(*entry.split(":"))
    return _module(entry)[0]


@functools.cache
def _reached(entries: tuple[str, ...]) -> dict[str, str]:
    found, waiting = {}, list(entries)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = code_hash(name)
        if ":" in name:
            continue
        if name != PACKAGE:
            waiting.append(name.rpartition(".")[0])
        waiting += [one for one in _module(name)[1] if not f"{one}.".startswith(f"{STUDY}.") and _module_path(one)]
    return dict(sorted(found.items()))


def combined(modules: dict[str, str]) -> str:
    """One hash of 16 hexadecimal digits for the modules of :func:`code_modules`."""
    lines = (f"{name} {digest}" for name, digest in sorted(modules.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@functools.cache
def library_hash() -> str:
    """The same for every module of the library, reached by a step or not, and for the tables that pages quote."""
    top = _top()
    found = {path.name: hashlib.sha256(_content(path)).hexdigest()[:8] for path in top.glob("*.csv")}
    for path in top.rglob("*.py"):
        name = ".".join([PACKAGE, *path.relative_to(top).with_suffix("").parts])
        found[name.removesuffix(".__init__")] = _read(path)[0]
    return combined(found)


@functools.cache
def _top() -> Path:
    return Path(importlib.util.find_spec(PACKAGE).submodule_search_locations[0])


@functools.cache
def _module_path(name: str) -> Path | None:
    """The file of a module of the library; None for what is no module of it, such as a function."""
    first, *rest = name.split(".")
    place = _top().joinpath(*rest)
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return file if first == PACKAGE and file.is_file() else None


def _module(name: str) -> tuple[str, tuple[str, ...]]:
    """:func:`_read` of a module by its name."""
    path = _module_path(name)
    if path is None:
        raise ValueError(f"code is {name!r}; it must name a module of {PACKAGE}, or a function as module:function.")
    return _read(path, without=REGISTRIES.get(name, ""))


@functools.cache
def _content(path: Path) -> bytes:
    return path.read_bytes()


@functools.cache
def _read(path: Path, without: str = "") -> tuple[str, tuple[str, ...]]:
    """Hash of a file's syntax, less what is assigned to a name, and the names that it imports from the library."""
    tree = ast.parse(_content(path))
    tree.body = [node for node in tree.body if not (without and _assigns(node, without))]
    names = []
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return _hash(tree), tuple(dict.fromkeys(name for name in names if name.split(".")[0] == PACKAGE))


def _assigns(node: ast.AST, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(one, ast.Name) and one.id == name for one in targets)


def _line_hash(entry: str) -> str:
    """Of the line of a registry that is made with a name as its first argument."""
    module, _, place = entry.partition(":")
    registry, _, name = place.removesuffix("]").partition("[")
    path = _module_path(module)
    tree = ast.parse(_content(path)) if path else ast.Module([], [])
    for node in (node for statement in tree.body if _assigns(statement, registry) for node in ast.walk(statement)):
        first = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if isinstance(first, ast.Constant) and first.value == name:
            return _hash(node)
    raise ValueError(f"code is {entry}; {registry} has no such line.")


def _function_hash(module: str, function: str) -> str:
    path = _module_path(module)
    tree = ast.parse(_content(path)) if path else ast.Module([], [])
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == function:
            return _hash(node)
    raise ValueError(f"code is {module}:{function}; there is no such function.")


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below ``if TYPE_CHECKING:``, which serve readers alone."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            waiting += reversed(list(ast.iter_child_nodes(node)))


def _hash(tree: ast.AST) -> str:
    """Of syntax without docstrings; places in the file do not count."""
    return hashlib.sha256(_written(tree).encode()).hexdigest()[:8]


def _written(part: object) -> str:
    """Syntax as text, the same for every version of Python: what is empty is left out, as versions differ in what they list of it."""
    if isinstance(part, list):
        return f"[{', '.join(map(_written, part))}]"
    if not isinstance(part, ast.AST):
        return repr(part)
    if isinstance(part, ast.JoinedStr):  # 3.12 ends some with an empty text
        texts = [one for one in part.values if not (isinstance(one, ast.Constant) and one.value == "")]
        return f"JoinedStr({_written(texts)})"
    found = []
    for name in part._fields:
        value = getattr(part, name, None)
        if name == "body" and isinstance(part, _DOCUMENTED) and ast.get_docstring(part, clean=False) is not None:
            value = value[1:]
        if value is not None and value != []:
            found.append(f"{name}={_written(value)}")
    return f"{type(part).__name__}({', '.join(found)})"
