"""PYTHON jobs: a call of a function becomes something to run, and its outcome is read back."""

from __future__ import annotations

import base64
import json
import math
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oceanid.errors import InvalidSpecification
from oceanid.jobs import pyrun
from oceanid.jobs.references import dotted_path
from oceanid.jobs.travel import package_of

KEYS = ("function", "args", "kwargs")
MOST_CALL_BYTES = 64 * 1024
MOST_OUTCOME_BYTES = 8 * pyrun.MOST_RESULT_BYTES
NOTHING_LEFT = "The function left no result; see the job's output and errors."
_MOST_REASON = 2_000


class Outcome(NamedTuple):
    """What became of a call.

    Args:
        result: What the function returned; None when it did not return.
        reason: "" when it returned, else its exception in one line, or that nothing was left.
        traceback: Where the exception came from.
    """

    result: Any
    reason: str
    traceback: str


def normalised(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a PYTHON job with its function as a path and its arguments as JSON.

    Raises:
        InvalidSpecification: The function can't be found by another process, or an argument
            is not JSON; says which.
    """
    plain = dict(attributes)
    if not plain.get("function"):
        raise InvalidSpecification(
            "A PYTHON job needs a function.", hint="Give function=…, itself or its path."
        )
    plain["function"] = dotted_path(plain["function"])
    args, kwargs = plain.get("args") or [], plain.get("kwargs") or {}
    if isinstance(args, str | bytes | Mapping) or not isinstance(args, list | tuple):
        raise InvalidSpecification("args must be a list.", hint="Write args=[value].")
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise InvalidSpecification("kwargs must be a dictionary whose keys are names.")
    plain["args"] = [
        _json(value, f"Argument {number}") for number, value in enumerate(args, start=1)
    ]
    plain["kwargs"] = {key: _json(value, f"Argument “{key}”") for key, value in kwargs.items()}
    return plain


def submit_attributes(attributes: Mapping[str, Any], *, elsewhere: str = "") -> dict[str, Any]:
    """The submit commands that make the call: a Python runs the runner.

    The call travels in the environment: on the command line other people of the machine could
    read it. On this machine the portal's import path goes along; nothing else of the portal does.

    Args:
        attributes: The job's own.
        elsewhere: What Python is called on the machines of a pool, which have nothing of the
            portal: the Python files of the function's package go along. "" for this machine.

    Raises:
        InvalidSpecification: The arguments are too long, or a submit command is in the way.
    """
    plain = normalised(attributes)
    package = package_of(plain["function"]) if elsewhere else None
    here = [] if elsewhere else _import_path()
    path = [package.name] if package is not None else here
    call = {key: plain.pop(key) for key in KEYS} | {"path": path}
    text = json.dumps(call)
    if len(text) > MOST_CALL_BYTES:
        raise InvalidSpecification(
            "The call takes {count:,} bytes; at most {most_call_bytes:,} can be passed.",
            hint="Put the data into a file and pass its path.",
            count=len(text),
            most_call_bytes=MOST_CALL_BYTES,
        )
    lowered = {key.lower() for key in plain}
    for taken in ("executable", "arguments", "transfer_executable"):
        if taken in lowered:
            raise InvalidSpecification(
                "A PYTHON job has no “{taken}”.",
                hint="Use a CONDOR job to run a program.",
                taken=taken,
            )
    given = plain.pop("environment", plain.pop("env", {}))
    if not isinstance(given, Mapping):
        raise InvalidSpecification(
            "The environment of a PYTHON job must be a dictionary.",
            hint="Write environment={'NAME': 'value'}.",
        )
    runner = ["-I", pyrun.__name__.rpartition(".")[2] + ".py"]
    files = [*_listed(plain), str(Path(pyrun.__file__).resolve())]
    return plain | {
        "executable": "/usr/bin/env" if elsewhere else sys.executable,
        "transfer_executable": False,
        "arguments": [elsewhere, *runner] if elsewhere else runner,
        "transfer_input_files": files + ([str(package)] if package is not None else []),
        "environment": {**given, pyrun.CALL: base64.b64encode(text.encode()).decode()},
    }


def read_outcome(job_dir: Path | str, *, key: str = "") -> Outcome:
    """What a PYTHON job left in its directory; trusts nothing that it finds there.

    Args:
        job_dir: The job's own directory.
        key: The task's key (``OCEANID_KEY``); when given, an outcome of another attempt does
            not count.

    Returns:
        What the function returned, or why there is nothing.
    """
    folder = Path(job_dir)
    error = _read(folder / pyrun.ERROR, key)
    if error is not None:
        name, message = _text(error.get("type")), _text(error.get("message"))
        reason = f"{name}: {message}".strip(": ") if name or message else "The function failed."
        told = _text(error.get("traceback"))[-pyrun.MOST_TRACEBACK :]
        return Outcome(None, reason[:_MOST_REASON], told)
    found = _read(folder / pyrun.RESULT, key)
    if found is None or "result" not in found:
        return Outcome(None, NOTHING_LEFT, "")
    return Outcome(found["result"], "", "")


def _read(path: Path, key: str) -> dict[str, Any] | None:
    """A JSON object from a file that a job made: plain, bounded, storable anywhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_OUTCOME_BYTES:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MOST_OUTCOME_BYTES + 1)
    try:
        value = json.loads(content, parse_constant=_refused, parse_float=_finite)
        storable(value)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or (key and value.get("key") != key):
        return None
    return value


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def storable(value: Any) -> None:
    """Raise ValueError for text that PostgreSQL's jsonb can't hold: NUL, lone surrogates."""
    text = json.dumps(value, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("NUL in text")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _json(value: Any, what: str) -> Any:
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
        storable(plain)
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidSpecification(
            "{what} of the function is not JSON: {problem}.",
            hint="Pass numbers, strings, lists and dictionaries, or the path of a file.",
            what=what,
            problem=problem,
        ) from problem
    return plain


def _import_path() -> list[str]:
    """Where the portal finds modules, without its own current directory's short name."""
    entries = (str(Path(entry or ".").resolve()) for entry in sys.path)
    return list(dict.fromkeys(entry for entry in entries if Path(entry).exists()))


def _listed(attributes: dict[str, Any]) -> list[str]:
    given = attributes.pop("transfer_input_files", [])
    if isinstance(given, str):
        return [each.strip() for each in given.split(",") if each.strip()]
    return [str(each) for each in given]
