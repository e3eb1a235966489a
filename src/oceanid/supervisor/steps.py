"""Calls engines so that whatever they raise is told as theirs and stops nothing else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from oceanid.errors import EngineError, OceanidError

MOST_BACK_OFF_S = 60.0
FAULT = "engine-fault"


@contextmanager
def engine_faults_told() -> Iterator[None]:
    """Turn what an engine should never raise into an :class:`EngineError`, which says nothing
    about any task: a fault of an engine is not a failure of a job."""
    try:
        yield
    except (OceanidError, OSError, TimeoutError):
        raise
    except Exception as problem:
        raise EngineError(
            "The engine failed: {name}: {problem}",
            hint="This is a fault in the engine; the supervisor's log says where.",
            code=FAULT,
            transient=True,
            name=type(problem).__name__,
            problem=problem,
        ) from problem


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: growing, bounded, never in step."""
    return random.uniform(0.5, 1.0) * min(MOST_BACK_OFF_S, 2.0 ** min(failures, 10))  # noqa: S311
