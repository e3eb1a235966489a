"""Follows what becomes of a wish about a cluster, until it is so, or failed, or time is over."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from rich.console import Console
from rich.markup import escape

from oceanid.cli import cluster_tables
from oceanid.models import Cluster, ClusterEvent
from oceanid.services import beats, cluster_page
from oceanid.states import ClusterState, ClusterWanted

LOOK_EVERY_S: Final = 1.0
REACHED, FAILED, UNDER_WAY = 0, 1, 3


def run(cluster: Cluster, *, wait: bool, timeout_s: float, as_json: bool) -> int:
    """Follow it; what happens is told on standard error.

    Returns:
        0 when it is as wanted (or when nobody waits), 1 when it failed or needs attention, 3 when
        it is still under way: it goes on.
    """
    screen = Console(stderr=True, highlight=False)
    code = _followed(cluster, screen, timeout_s=timeout_s) if wait else REACHED
    row = _row(cluster)
    if row is None:
        if as_json:
            cluster_tables.print_json({"name": cluster.name, "state": "Gone"})
        else:
            screen.print(f"“{escape(cluster.name)}” is no more.")
    elif as_json:
        cluster_tables.shown(row, as_json=True)
    elif not wait:
        screen.print("It is wanted; a supervisor makes it so. “oceanid clusters show” tells.")
    return code


def _followed(cluster: Cluster, screen: Console, *, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    last = ClusterEvent.objects.filter(cluster=cluster.pk).order_by("-pk")
    seen = last.values_list("pk", flat=True).first() or 0
    steps: dict[str, str] = {}
    since = timezone.now()
    while True:
        row = _row(cluster)
        if row is None:
            return REACHED
        seen = _tell(row, seen, steps, screen)
        code = _outcome(row, since)
        if code is not None:
            return code
        if not beats.is_alive():
            screen.print(
                "[yellow]No supervisor runs, so nothing happens yet: “oceanid up” or “oceanid "
                "supervise” starts one. What you want is written down.[/yellow]",
                soft_wrap=True,
            )
            return UNDER_WAY
        if time.monotonic() >= deadline:
            screen.print("It is still under way; it goes on. “oceanid clusters show” tells.")
            return UNDER_WAY
        time.sleep(LOOK_EVERY_S)


def _outcome(row: Cluster, since: datetime) -> int | None:
    """What it came to; None while it is under way. What needs attention but is still worked on is
    under way; what was told before this wish counts no more."""
    is_seen = row.looked_at is not None and row.looked_at > since
    is_stuck = any(step.get("state") == "failed" for step in row.steps)
    if row.state == ClusterState.FAILED or (row.state == ClusterState.DEGRADED and is_stuck):
        return FAILED if is_seen and row.repair_wanted_at is None else None
    if row.repair_wanted_at is not None or row.wanted == ClusterWanted.DELETE:
        return None
    if cluster_page.is_asleep(row) and row.state == ClusterState.STOPPED:
        return REACHED
    if cluster_page.CALM.get(row.wanted) != row.state:
        return None
    if row.state != ClusterState.RUNNING:
        return REACHED
    there = row.nodes.filter(gone_at=None, ended_at=None).count()
    return REACHED if there == (row.target or row.size) else None


def _tell(row: Cluster, seen: int, steps: dict[str, str], screen: Console) -> int:
    """Print what is new; the last event that was."""
    events = ClusterEvent.objects.filter(cluster=row, pk__gt=seen).order_by("pk")
    for event in events:
        screen.print(escape(event.message), soft_wrap=True)
        seen = event.pk
    for step in row.steps:
        line = cluster_tables.step_line(step)
        key: Any = str(step.get("name", ""))
        if steps.get(key) != line and step.get("state") != "later":
            screen.print(line, soft_wrap=True)
        steps[key] = line
    return seen


def _row(cluster: Cluster) -> Cluster | None:
    rows = Cluster.objects.select_related("account").defer("secrets", "account__secrets")
    return rows.filter(pk=cluster.pk).first()
