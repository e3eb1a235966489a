"""Dotted paths to functions: made from functions, and checked before a job relies on them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from oceanid.errors import InvalidSpecification

PATH_LENGTH = 255


def dotted_path(function: str | Callable[..., Any]) -> str:
    """The ``package.module.function`` by which another process finds a function.

    Args:
        function: The function itself, or its path.

    Raises:
        InvalidSpecification: It can't be found again by a path: a lambda, a function within a
            function, a method, something without a module; or the path leads nowhere.
    """
    path = function if isinstance(function, str) else _path_of(function)
    if len(path) > PATH_LENGTH:
        raise InvalidSpecification(
            "The function's path has {count} characters; at most {path_length} fit.",
            count=len(path),
            path_length=PATH_LENGTH,
        )
    found = resolve(path)
    if not isinstance(function, str) and found is not function:
        raise InvalidSpecification(
            "“{path}” leads to something else than the function that was given.",
            hint="Give a function that stands at the top of its module under its own name.",
            path=path,
        )
    return path


def resolve(path: str) -> Callable[..., Any]:
    """The function at a path.

    Raises:
        InvalidSpecification: There is none.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name or not all(part.isidentifier() for part in path.split(".")):
        raise InvalidSpecification(
            "“{path}” is not the path of a function.",
            hint="Write it as package.module.function.",
            path=path[:PATH_LENGTH],
        )
    try:
        module = import_module(module_name)
    except Exception as problem:  # an app's module may raise anything
        raise InvalidSpecification(
            "The module “{module_name}” can't be imported: {name}: {problem}",
            hint="Check the function's path, and that its package is installed.",
            module_name=module_name,
            name=type(problem).__name__,
            problem=problem,
        ) from problem
    found = getattr(module, name, None)
    if not callable(found):
        raise InvalidSpecification(
            "There is no function “{name}” in “{module_name}”.",
            hint="Write the path as package.module.function.",
            name=name,
            module_name=module_name,
        )
    return found  # type: ignore[no-any-return]


def _path_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", "") or ""
    if not inspect.isroutine(function) or not name:
        raise InvalidSpecification(
            "{function!r:.200} is not a function.",
            hint="Give a function of a module, or its path.",
            function=function,
        )
    if name == "<lambda>" or "<lambda>" in name:
        raise InvalidSpecification(
            "A lambda can't be run in another process.",
            hint="Give it a name at the top of a module.",
        )
    if "<locals>" in name:
        raise InvalidSpecification(
            "“{name}” is defined inside a function; another process can't find it.",
            hint="Move it to the top of a module.",
            name=name,
        )
    if "." in name or inspect.ismethod(function):
        raise InvalidSpecification(
            "“{name}” is a method; only functions at the top of a module can be run.",
            hint="Wrap it in a function.",
            name=name,
        )
    if module == "__main__" or not module:
        raise InvalidSpecification(
            "“{name}” stands in the script that is running, which can't be imported.",
            hint="Move it to a module of your app.",
            name=name,
        )
    return f"{module}.{name}"
