"""What a page about an action on many jobs tells: the groups, how far it is, job by job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from oceanid.models import BulkAction, BulkResult, BulkState, BulkVerb
from oceanid.services import bulk_actions, keyset, policy
from oceanid.services.asked import Asked
from oceanid.services.foresight import TITLES, Foresight, Outcome, Seen, told
from oceanid.services.keyset import Order, Place

SHOWN = 50
TONES = {
    Outcome.DONE: "done",
    Outcome.REFUSED: "bad",
    Outcome.NOT_YOURS: "held",
    Outcome.GONE: "stop",
}


def report(action: BulkAction, user: policy.Person, given: Mapping[str, str]) -> dict[str, Any]:
    """Everything that a page about an action shows; a fixed number of queries.

    Args:
        action: The action.
        user: Whose it is.
        given: The parameters of the page's address: its place, and which outcome is wanted.
    """
    state = BulkState(action.state)
    is_begun = action.confirmed_at is not None
    sums = action.outcomes if is_begun else action.foreseen
    groups = [
        {
            "outcome": each.value,
            "count": sums[each.value],
            "words": told(action.verb, each, sums[each.value], is_over=is_begun),
            "tone": TONES.get(each, "quiet"),
        }
        for each in Outcome
        if sums.get(each.value)
    ]
    context = {
        "action": action,
        "verb": BulkVerb(action.verb).label,
        "title": TITLES[action.verb],
        "groups": groups,
        "is_begun": is_begun,
        "is_open": not state.is_final,
        "is_counting": state is BulkState.COUNTING,
        "is_ready": state is BulkState.READY,
        "is_running": state is BulkState.RUNNING,
        "will": action.foreseen.get(Outcome.DONE.value, 0),
        "done": sum(action.outcomes.values()),
        "total": total_of(action),
        "percent": _percent(action, state),
        "back": Asked.read(action.parameters).address(),
        "chosen": given.get("outcome", ""),
    }
    return context | (_results(action, given) if is_begun else _foreseen(action, user, given))


def total_of(action: BulkAction) -> int:
    """How many jobs it is about, as far as they were counted."""
    return int(sum(action.foreseen.values()))


def _percent(action: BulkAction, state: BulkState) -> int:
    if state.is_final or state is BulkState.READY:
        return 100
    if state is BulkState.RUNNING and action.foreseen:
        done = int(sum(action.outcomes.values()))
        return min(99, 100 * done // max(1, total_of(action)))
    return min(99, 100 * action.cursor // max(1, action.upper_id))


def _foreseen(action: BulkAction, user: policy.Person, given: Mapping[str, str]) -> dict[str, Any]:
    asked = replace(
        Asked(),
        after=given.get("after", ""),
        before=given.get("before", ""),
        at=given.get("at", ""),
    )
    listing = bulk_actions.preview(action, user, asked=asked)
    outcomes = Foresight(action.verb, user).each(Seen.of(job) for job in listing.jobs)
    rows = [
        {"job": job, "words": told(action.verb, outcomes[job.pk], 1, is_over=False),
         "tone": TONES.get(outcomes[job.pk], "quiet")}
        for job in listing.jobs
    ]  # fmt: skip
    return {"rows": rows, "next": _to(after=listing.next), "previous": _to(before=listing.previous)}


def _results(action: BulkAction, given: Mapping[str, str]) -> dict[str, Any]:
    results = BulkResult.objects.filter(action=action)
    chosen = given.get("outcome", "")
    # Each order is that of an index: the jobs were gone through by their numbers.
    order = Order("job_id", tie="job_id")
    if chosen in set(Outcome):
        results, order = results.filter(outcome=chosen), Order("id")
    else:
        chosen = ""
    place = Place(after=given.get("after", ""), before=given.get("before", ""))
    found = keyset.page(results, order=order, place=place, size=SHOWN)
    rows = [
        {"result": row, "words": told(action.verb, row.outcome, 1, is_over=True),
         "is_gone": _is_gone(action, row), "tone": TONES.get(Outcome(row.outcome), "quiet")}
        for row in found.rows
    ]  # fmt: skip
    return {
        "results": rows,
        "next": _to(after=found.next, outcome=chosen),
        "previous": _to(before=found.previous, outcome=chosen),
    }


def _is_gone(action: BulkAction, row: BulkResult) -> bool:
    deleted = action.verb == BulkVerb.DELETE and row.outcome == Outcome.DONE
    return deleted or row.outcome == Outcome.GONE


def _to(*, outcome: str = "", **place: str) -> str:
    said = {name: value for name, value in place.items() if value}
    return "?" + urlencode(said | ({"outcome": outcome} if outcome else {})) if said else ""
