"""Template tags for badges, times, sizes and numbers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from oceanid.models import Job, JobEvent
from oceanid.states import JobState, NodeState, TaskState

register = template.Library()

TONES = {
    JobState.PENDING.value: "quiet",
    JobState.SUBMITTED.value: "wait",
    JobState.RUNNING.value: "run",
    JobState.VARIOUS.value: "run",
    JobState.PAUSED.value: "pause",
    JobState.HELD.value: "held",
    JobState.RESULTS_READY.value: "run",
    JobState.VARIOUS_COMPLETE.value: "mixed",
    JobState.COMPLETE.value: "done",
    JobState.ERROR.value: "bad",
    JobState.ABORTED.value: "stop",
    JobState.OTHER.value: "other",
    TaskState.QUEUED.value: "quiet",
    TaskState.TRANSFERRING.value: "run",
    NodeState.WAITING.value: "quiet",
    NodeState.READY.value: "wait",
    NodeState.PRERUN.value: "run",
    NodeState.POSTRUN.value: "run",
    NodeState.DONE.value: "done",
    NodeState.FAILED.value: "bad",
    NodeState.FUTILE.value: "stop",
}
"""The tone of each state; codes that jobs, tasks and nodes share mean the same (but PRE)."""


@register.filter
def tone(state: str) -> str:
    """The name of a state's colour."""
    return TONES.get(state, "other")


@register.filter
def health_tone(health: str) -> str:
    """The name of a health's colour."""
    return {"OK": "done", "DEG": "held", "DOWN": "bad"}.get(health, "quiet")


@register.simple_tag
def badge(thing: Any) -> SafeString:
    """A state as a word with its colour and mark; of a job, a task or a node."""
    word = thing.status if isinstance(thing, Job) else thing.get_state_display()
    text = _(word) if isinstance(thing, Job) and thing.state != JobState.OTHER.value else word
    return format_html('<span class="o-badge" data-tone="{}">{}</span>', tone(thing.state), text)


@register.simple_tag
def when(moment: datetime | None, absent: str = "–") -> SafeString:
    """A moment, told relative to now in the reader's zone by the page's script."""
    if moment is None:
        return format_html('<span class="o-absent">{}</span>', absent)
    shown = timezone.localtime(moment)
    return format_html(
        '<time class="o-time" datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        shown.strftime("%Y-%m-%d %H:%M:%S %Z"),
        shown.strftime("%Y-%m-%d %H:%M"),
    )


@register.simple_tag
def lasted(
    start: datetime | None, end: datetime | None = None, is_over: bool = False
) -> SafeString:
    """How long something took, or has taken so far: then the page's script counts on."""
    if start is None or (end is None and is_over):
        return format_html('<span class="o-absent">{}</span>', "–")
    text = duration((end or timezone.now()) - start)
    if end is not None:
        return format_html('<span class="o-num">{}</span>', text)
    return format_html('<span class="o-num" data-since="{}">{}</span>', start.isoformat(), text)


@register.filter
def duration(span: timedelta | float | None) -> str:
    """A span of time in its two largest units."""
    if span is None:
        return "–"
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def size(count: int | float | None) -> str:
    """Bytes in the unit that a person reads."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


@register.filter
def mebibytes(amount: float | None) -> str:
    """MiB in the unit that a person reads."""
    return size(None if amount is None else amount * 1024 * 1024)


@register.filter
def thousands(count: int | None) -> str:
    """A number with thin spaces between its thousands."""
    return "–" if count is None else f"{count:,}".replace(",", "\u202f")


@register.filter
def node_tone(state: str) -> str:
    """The name of a node state's colour: of PRE, which other things have too, a node's."""
    return "run" if state == NodeState.PRERUN.value else tone(state)


@register.filter
def node_word(state: str) -> str:
    """A node's state as a word."""
    return _(NodeState(state).word)


@register.filter
def unlocalized(number: float) -> str:
    """A number as SVG and addresses write it, whatever the reader's language."""
    return f"{number:g}" if isinstance(number, float) else str(number)


@register.filter
def plus(number: float, more: int) -> str:
    """A sum, as SVG writes it."""
    return f"{number + more:g}"


@register.simple_tag
def event_text(event: JobEvent) -> str:
    """What happened, in a line."""
    what = ""
    if event.kind in ("state", "task", "node") and event.after:
        what = _word_of(event.kind, event.after)
    if event.kind == "task":
        what = f"{_('Task')}: {what}"
    elif event.kind == "node":
        what = f"{_('Node')}: {what}"
    parts = [part for part in (what, event.message) if part]
    return " – ".join(parts) or event.kind


def _word_of(kind: str, code: str) -> str:
    kinds: dict[str, Any] = {"state": JobState, "task": TaskState, "node": NodeState}
    try:
        return _(kinds[kind](code).word)
    except ValueError:
        return code
