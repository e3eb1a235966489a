"""A look at an account, step by step, that ends at the first thing that is not well."""

from __future__ import annotations

from collections.abc import Callable

from oceanid.errors import CloudUnavailable, OceanidError
from oceanid.specs import CheckReport, Step
from oceanid.states import Health


class Look:
    """The steps that were well so far, and the name of the one under way."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._under_way = "check"

    def begin(self, name: str) -> None:
        """From now on, what is raised is this step's failure."""
        self._under_way = name

    def well(self, found: str) -> None:
        """The step under way is as it should be."""
        self.steps.append(Step(self._under_way, True, found))

    def failed(self, problem: OceanidError) -> None:
        """The step under way is not as it should be."""
        self.steps.append(Step(self._under_way, False, problem.message, problem.hint))


def looked(part: Callable[[Look], None]) -> CheckReport:
    """What a look comes to; what it raises is its last step, told with its cure."""
    look = Look()
    try:
        part(look)
    except OceanidError as problem:
        look.failed(problem)
        is_away = isinstance(problem, CloudUnavailable)
        health = Health.UNREACHABLE if is_away else Health.DEGRADED
        return CheckReport(health, tuple(look.steps))
    return CheckReport(Health.OK, tuple(look.steps))
