"""The library's own lines on a page of the book, so that what a chapter shows is what runs."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap

from stablerep.errors import InputError


def code_of(*names: str) -> str:
    """The source of functions or methods as one block of code in Markdown, without docstrings and without checks of what they are given.

    A name is ``module:function`` or ``module:Class.method``. Raises ``ValueError`` where there is none.
    """
    shown, places = (
        "\n\n".join(map(source_of, names)),
        ", ".join("`{2}` in `{0}`".format(*name.partition(":")) for name in names),
    )
    return f"```python\n{shown}\n```\n\n{places}"


def source_of(name: str) -> str:
    """The lines behind :func:`code_of`, as they stand in the file but for indentation, docstring, checks and words to formatters."""
    module, _, path = name.partition(":")
    try:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        lines = textwrap.dedent(inspect.getsource(found)).rstrip().splitlines()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"there is no code of {name!r}; give 'module:function' or 'module:Class.method'.") from error
    function = ast.parse("\n".join(lines)).body[0]
    described = ast.get_docstring(function) is not None and len(function.body) > 1
    for statement in reversed(function.body):
        if _checks(statement) or (described and statement is function.body[0]):
            del lines[statement.lineno - 1 : statement.end_lineno]
    return "\n".join(line.removesuffix("  # fmt: skip") for line in lines)


def _checks(statement: ast.stmt) -> bool:
    """Whether a statement does nothing but raise, if anything: ``if ...: raise``, or a call of ``_check``."""
    if isinstance(statement, ast.If):
        return not statement.orelse and all(isinstance(one, ast.Raise) for one in statement.body)
    called = statement.value.func if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id.startswith(("check", "_check"))
