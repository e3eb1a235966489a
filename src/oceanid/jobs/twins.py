"""Asynchronous twins of synchronous methods, made from the one definition that there is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

_Self = TypeVar("_Self")
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def twin(
    method: Callable[Concatenate[_Self, _Given], _Result],
) -> Callable[Concatenate[_Self, _Given], Coroutine[Any, Any, _Result]]:
    """The same method, to be awaited; a subclass that overrides the method overrides both."""
    name = method.__name__

    async def call(self: _Self, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        result: _Result = await sync_to_async(getattr(self, name))(*args, **kwargs)
        return result

    call.__name__ = f"a{name}"
    call.__qualname__ = f"{method.__qualname__.rpartition('.')[0]}.a{name}"
    call.__module__ = method.__module__
    call.__doc__ = f"As :meth:`{name}`, to be awaited."
    call.__signature__ = signature(method)  # type: ignore[attr-defined]
    return call
