"""The library's own lines on a page of the book, so that what a chapter shows is what runs."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap

from stablerep.errors import InputError


def code_of(name: str) -> str:
    """The source of a function or method as a block of code in Markdown, its docstring left out.

    ``name`` is ``module:function`` or ``module:Class.method``. Raises ``ValueError`` where there is none.
    """
    return f"```python\n{source_of(name)}\n```\n\n`{name.replace(':', '.')}`"


def source_of(name: str) -> str:
    """The lines behind :func:`code_of`, as they stand in the file but for indentation and docstring."""
    module, _, path = name.partition(":")
    try:
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        lines = textwrap.dedent(inspect.getsource(found)).rstrip().splitlines()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"there is no code of {name!r}; give 'module:function' or 'module:Class.method'.") from error
    function = ast.parse("\n".join(lines)).body[0]
    first = function.body[0]
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        del lines[first.lineno - 1 : first.end_lineno]
    return "\n".join(lines)
