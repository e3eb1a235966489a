"""The house's figures in Prometheus's text exposition format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable

from oceanid import __version__, vitals
from oceanid.states import BatchState, Health, JobState

Sample = tuple[dict[str, str], float]


def exposition() -> str:
    """All figures; a fixed number of queries, whose cost does not grow with finished jobs."""
    beat_s, event_s = vitals.beat_age_s(), vitals.last_event_age_s()
    found = vitals.schedulers()
    metrics = [
        _metric("info", "The version that runs.", [({"version": __version__}, 1)]),
        _metric(
            "jobs",
            "Jobs that have not ended, by status.",
            [
                ({"status": JobState(state).word}, count)
                for state, count in vitals.active_jobs_by_state().items()
            ],
        ),
        _metric(
            "queued_processes",
            "Processes that wait for a place.",
            [({}, vitals.queued_processes())],
        ),
        _metric(
            "batches",
            "Submissions that are not closed, by state.",
            [
                ({"state": BatchState(state).name.lower()}, count)
                for state, count in vitals.open_batches().items()
            ],
        ),
        _metric("supervisors", "Supervisors that are alive.", [({}, vitals.supervisors_alive())]),
        _metric(
            "supervisor_beat_age_seconds",
            "Time since a supervisor's last sign of life.",
            [] if beat_s is None else [({}, beat_s)],
        ),
        _metric(
            "last_event_age_seconds",
            "Time since any job last changed.",
            [] if event_s is None else [({}, event_s)],
        ),
        _metric(
            "scheduler_up",
            "Whether a scheduler answers as it should.",
            [
                (
                    {"scheduler": each.name, "engine": each.engine},
                    float(each.health == Health.OK),
                )
                for each in found
                if each.enabled
            ],
        ),
    ]
    return "".join(metrics)


def _metric(name: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP oceanid_{name} {about}", f"# TYPE oceanid_{name} gauge"]
    for labels, value in samples:
        named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"oceanid_{name}{'{' + named + '}' if named else ''} {value:g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
