"""Template tags for clusters: their states, their machines, and money."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from oceanid.clouds.prices import Prices
from oceanid.models import Cluster, ClusterNode
from oceanid.services import cluster_costs, cluster_page
from oceanid.services.cluster_costs import CostPart
from oceanid.services.cluster_plan import PlanLine
from oceanid.services.telling_clusters import RIGHTS
from oceanid.supervisor import messages

register = template.Library()

CENT, TENTH_OF_CENT, LEAST = Decimal("0.01"), Decimal("0.001"), Decimal("0.0005")


@register.simple_tag
def cluster_badge(cluster: Cluster) -> SafeString:
    """What a cluster does, as a badge."""
    tone = cluster_page.state_tone(cluster.state)
    word = cluster.get_state_display()
    return format_html('<span class="o-badge" data-tone="{}">{}</span>', tone, word)


@register.simple_tag
def machine_badge(node: ClusterNode) -> SafeString:
    """What a machine does, as a badge; while it is drained, that."""
    tone, word = cluster_page.machine_tone(node.state), node.get_state_display()
    if node.leaving_at is not None and node.gone_at is None and tone == "done":
        tone, word = "pause", _("Draining")
    return format_html('<span class="o-badge" data-tone="{}">{}</span>', tone, word)


@register.filter
def usd(amount: Decimal | None) -> SafeString:
    """US dollars; what is not known is said to be so."""
    if amount is None:
        return format_html('<span class="o-absent">{}</span>', _("price not known"))
    step = TENTH_OF_CENT if LEAST <= amount < 1 else CENT
    shown = amount.quantize(step, ROUND_HALF_UP)
    return format_html('<span class="o-num">US$&nbsp;{}</span>', f"{shown:,}")


@register.filter
def node_usd(node: ClusterNode) -> SafeString:
    """What a machine costs per hour at the moment; one that is gone costs nothing any more."""
    if node.gone_at is not None:
        return SafeString("–")
    return usd(cluster_costs.of_node(node))


@register.simple_tag
def prices_told(table: Prices | None, cloud: str = "") -> SafeString:
    """Of when the prices are by which a page reckons; a warning when that is long ago."""
    if table is None:
        return format_html(
            '<span class="o-prices" data-tone="held">{}</span>',
            _("There are no prices of %(cloud)s: costs are not known.") % {"cloud": cloud},
        )
    days = table.age_days()
    told = ngettext("Prices of %(day)s, %(days)d day old.", "Prices of %(day)s, %(days)d days old.",
                    days) % {"day": table.dated.isoformat(), "days": days}  # fmt: skip
    if not table.is_old():
        return format_html('<span class="o-prices">{}</span>', told)
    warning = _("That is long ago: they may have changed. An administrator can load newer ones.")
    return format_html('<span class="o-prices" data-tone="held">{} {}</span>', told, warning)


@register.filter
def cluster_usd(cluster: Cluster) -> SafeString:
    """What a cluster of :func:`cluster_page.with_figures` costs per hour at the moment."""
    return usd(cluster_costs.usd_of(cluster))


@register.filter
def cluster_path(cluster: Cluster, user: Any) -> str:
    """Where somebody looks at a cluster; "" for who may not."""
    may = getattr(user, "is_staff", False) and any(map(user.has_perm, RIGHTS))
    return messages.cluster_path(cluster.pk) if may else ""


@register.filter
def plan_words(line: PlanLine | CostPart) -> str:
    """A thing that is made or costs, in words."""
    things: dict[str, Any] = {
        "master": ngettext("the master", "%(n)d masters", line.count),
        "worker": ngettext("1 worker", "%(n)d workers", line.count),
        "disk": ngettext("1 disk", "%(n)d disks", line.count),
        "address": ngettext("a public address", "%(n)d public addresses", line.count),
        "gateway": ngettext("the NAT gateway", "%(n)d NAT gateways", line.count),
        "rest": _("network, firewall, key and templates"),
    }
    return str(things.get(line.what, line.what)) % {"n": line.count}


@register.filter
def plan_verb(line: PlanLine) -> str:
    """What is done to a thing, in a word."""
    words = {
        "make": _("make"), "keep": _("keep"), "start": _("start"), "stop": _("stop"),
        "end": _("end"),
    }  # fmt: skip
    return words.get(line.verb, line.verb)


@register.filter
def plan_tone(line: PlanLine) -> str:
    """The name of its colour."""
    return {"make": "run", "start": "run", "end": "bad", "stop": "stop"}.get(line.verb, "quiet")


@register.filter
def step_words(step: dict[str, Any]) -> str:
    """What a step is, in words."""
    words = {
        "resolve": _("Find out what it is made of"),
        "preflight": _("Look what would fail"),
        "prepare": _("Network, firewall and keys"),
        "master": _("The master"),
        "pool": _("The pool answers"),
        "workers": _("The workers"),
        "jobs": _("Jobs end"),
        "machines": _("Machines"),
        "rest": _("Network, firewall and keys"),
    }
    name = str(step.get("name", ""))
    return words.get(name, name)


@register.filter
def step_state(step: dict[str, Any]) -> str:
    """How far a step is, in words."""
    words = {"done": _("done"), "now": _("under way"), "later": _("to come"), "failed": _("failed")}
    return words.get(str(step.get("state")), "")


@register.filter
def step_tone(step: dict[str, Any]) -> str:
    """The name of a step's colour."""
    tones = {"done": "done", "now": "run", "failed": "bad"}
    return tones.get(str(step.get("state")), "quiet")


@register.filter
def is_master(node: ClusterNode) -> bool:
    """Whether a machine is its cluster's master."""
    return cluster_page.is_master(node)
