"""The child process that runs apps' results functions: a question a line, an answer a line."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any

from oceanid.orphans import end_with_parent


def main() -> None:
    """Answer questions until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the functions print must not look like an answer
    end_with_parent()
    import django

    django.setup()
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    from django.db import close_old_connections

    from oceanid.jobs.python_function import storable
    from oceanid.models import Job

    close_old_connections()
    try:
        module, _, name = question["function"].rpartition(".")
        function = getattr(import_module(module), name)
        result = function(Job.objects.get(pk=question["job"]))
        storable(result)
    except Exception:  # noqa: BLE001 - an app's function may raise anything; it is told and kept
        return {"error": traceback.format_exc(limit=50)}
    return {"result": result}


if __name__ == "__main__":
    main()
