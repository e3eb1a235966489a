"""Calls one Python function for a PYTHON job; runs as a file, with the standard library alone."""

from __future__ import annotations

import asyncio
import base64
import importlib
import inspect
import json
import os
import platform
import sys
import traceback
from pathlib import Path
from typing import Any

CALL = "OCEANID_CALL"
KEY = "OCEANID_KEY"
RESULT = "result.json"
ERROR = "error.json"
MOST_RESULT_BYTES = 1024 * 1024
MOST_TRACEBACK = 64 * 1024


def main() -> int:
    """Make the call that stands in ``OCEANID_CALL``, base64 of a JSON object with ``path``,
    ``function``, ``args`` and ``kwargs``, and leave its outcome in the directory that it began in.

    Returns:
        0 when the function returned, 1 when it raised.
    """
    sandbox = Path.cwd()
    call = json.loads(base64.b64decode(os.environ.pop(CALL)))
    path = [str(sandbox / each) for each in call["path"]]
    sys.path.extend(each for each in path if each not in sys.path)
    for name in (RESULT, ERROR):
        (sandbox / name).unlink(missing_ok=True)
    try:
        text = _call(call)
    except (Exception, SystemExit) as problem:  # noqa: BLE001 - the function may raise anything
        _begin_at_function(problem)
        traceback.print_exception(problem)
        _write(sandbox / ERROR, _error(problem))
        return 1
    _write(sandbox / RESULT, text)
    return 0


def _call(call: dict[str, Any]) -> str:
    module, _, name = call["function"].rpartition(".")
    function = getattr(importlib.import_module(module), name)
    result = function(*call["args"], **call["kwargs"])
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    try:
        text = json.dumps({"key": os.environ.get(KEY, ""), "result": result}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise TypeError(
            f"the function's return value is not JSON: {problem}; return plain numbers, strings, "
            "lists and dictionaries, or write a file"
        ) from problem
    if len(text) > MOST_RESULT_BYTES:
        raise ValueError(
            f"the function's return value takes {len(text):,} bytes; at most "
            f"{MOST_RESULT_BYTES:,} are kept; write it to a file instead"
        )
    return text


def _begin_at_function(problem: BaseException) -> None:
    """Leave this file's own frames out of the traceback: they say nothing to its reader."""
    frame = problem.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename == __file__:
        frame = frame.tb_next
    problem.__traceback__ = frame


def _error(problem: BaseException) -> str:
    told = "".join(traceback.format_exception(problem))[-MOST_TRACEBACK:]
    return json.dumps(
        {
            "key": os.environ.get(KEY, ""),
            "type": type(problem).__name__,
            "message": _message(problem)[:MOST_TRACEBACK],
            "traceback": told,
        }
    )


def _message(problem: BaseException) -> str:
    try:
        if isinstance(problem, ImportError):
            return f"{problem} (Python {platform.python_version()} on {platform.node()})"
        return str(problem)
    except Exception:  # noqa: BLE001 - somebody's own __str__ may raise anything
        return "(its message can't be told)"


def _write(path: Path, text: str) -> None:
    """Write all or nothing, and never through a link that the function left there."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with part.open("x") as file:
        file.write(text)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
