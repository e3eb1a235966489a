"""What the state machines of jobs and of workflows have in common: people, chance and faults."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from oceanid.errors import OceanidError
from oceanid.jobs import JobManager
from oceanid.models import Job
from oceanid.states import TaskState
from tests.integration.supervisor.house import in_order
from tests.property.house import Crash, House
from tests.property.scripted import ABORTED, COMPLETE, ERROR, RUNNING, Fate

WISHES = ("execute", "stop", "pause", "resume", "resubmit", "delete", "retry_results")
HAPPENINGS = (RUNNING, COMPLETE, ERROR, TaskState.PAUSED, TaskState.HELD, TaskState.TRANSFERRING,
              TaskState.QUEUED, ABORTED)  # fmt: skip
SMALL = st.integers(0, 11)


class Lives(RuleBasedStateMachine):
    """Jobs between people who change their minds, supervisors that die, and a world of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.jobs = JobManager("floods")
        self.made: list[Any] = []

    def teardown(self) -> None:
        """Everything comes to its end, and must be right there too."""
        try:
            self.house.come_to_rest()
            self.at_rest()
        finally:
            self.house.close()

    def at_rest(self) -> None:
        """What else must hold when nothing is left to do."""

    def wish(self, name: str, which: int, *, fresh: bool = True) -> None:
        """A person wants something of a job, which may be refused in plain words."""
        if not self.made:
            return
        job = self.made[which % len(self.made)]
        if fresh:
            job = Job.objects.filter(pk=job.pk).first() or job
        if name == "execute" and job.pk is not None and not Job.objects.filter(pk=job.pk).exists():
            return
        with suppress(OceanidError):
            getattr(job, name)()

    @precondition(lambda self: self.made)
    @rule(name=st.sampled_from(WISHES), which=SMALL, fresh=st.booleans())
    def somebody_wishes(self, name: str, which: int, fresh: bool) -> None:
        self.wish(name, which, fresh=fresh)

    @rule()
    def the_supervisor_works(self) -> None:
        self.house.work()

    @rule(after=st.sampled_from((RUNNING, COMPLETE, ERROR)), which=SMALL)
    def life_goes_on(self, after: TaskState, which: int) -> None:
        """Most of the time all is well."""
        self.house.work()
        for process in self.house.world.alive():
            if not process.started:
                self.house.world.move(process, RUNNING)
        self.something_happens(which=which, after=after, many=False)
        self.house.deliver(10)

    @rule(count=st.integers(1, 6))
    def the_engine_is_heard(self, count: int) -> None:
        self.house.deliver(count)

    @precondition(lambda self: self.house.world.alive())
    @rule(which=SMALL, after=st.sampled_from(HAPPENINGS), many=st.booleans())
    def something_happens(self, which: int, after: TaskState, many: bool) -> None:
        alive = self.house.world.alive()
        for process in alive if many else alive[which % len(alive) :][:1] if alive else []:
            if after is TaskState.QUEUED and process.started:
                continue
            if after in (COMPLETE, ERROR, TaskState.TRANSFERRING) and not process.started:
                self.house.world.move(process, RUNNING)
            self.house.world.move(process, after, exit_code=int(after is ERROR))

    @precondition(lambda self: self.house.world.log)
    @rule(start=SMALL, count=SMALL)
    def old_words_come_again(self, start: int, count: int) -> None:
        self.house.repeat(start, count)

    @rule(fate=st.sampled_from(Fate))
    def the_scheduler_will_answer(self, fate: Fate) -> None:
        self.house.world.fates.append(fate)

    @rule()
    def the_scheduler_can_not_tell_yet(self) -> None:
        self.house.world.settles_late = True

    @rule()
    def everything_is_looked_at(self) -> None:
        self.house.sweep()

    @rule()
    def time_goes_by(self) -> None:
        self.house.wait()

    @rule(calls=SMALL, name=st.sampled_from(WISHES), which=SMALL, after=st.booleans())
    def somebody_wishes_in_the_middle(self, calls: int, name: str, which: int, after: bool) -> None:
        self._interrupted(calls, lambda: self.wish(name, which), after=after)

    @rule(calls=SMALL, after=st.booleans())
    def the_supervisor_dies_in_the_middle(self, calls: int, after: bool) -> None:
        self._interrupted(calls, _die, after=after)

    @rule(calls=SMALL, after=st.booleans())
    def the_supervisor_freezes_in_the_middle(self, calls: int, after: bool) -> None:
        self._interrupted(calls, self.house.freeze, after=after)

    @precondition(lambda self: self.house.frozen)
    @rule()
    def the_frozen_one_wakes(self) -> None:
        self.house.thaw()

    @rule()
    def results_are_begun(self) -> None:
        self.house.take_results()

    @precondition(lambda self: self.house.reading)
    @rule(fails=st.booleans())
    def results_are_dealt_with(self, fails: bool) -> None:
        self.house.end_results(fails=fails)

    @invariant()
    def all_is_in_order(self) -> None:
        in_order()

    def _interrupted(self, calls: int, then: Callable[[], None], *, after: bool) -> None:
        db = self.house.supervisor.db
        db.interrupt(calls, then, after=after)
        self.house.work()
        self.house.deliver(6)
        db.then = None


def _die() -> None:
    raise Crash


def live_through(machine: type[Lives], *, examples: int, steps: int) -> None:
    """Run a machine: always the same examples, or by the profile “long” many new ones."""
    many = int(os.environ.get("OCEANID_EXAMPLES", "2000"))
    is_long = settings.get_current_profile_name() == "long"
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=many if is_long else examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
