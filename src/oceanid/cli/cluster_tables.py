"""What `oceanid clusters` prints: tables for people, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import typer
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oceanid.clouds.prices import Prices
from oceanid.clouds.registry import title_of
from oceanid.models import Cluster
from oceanid.services import cluster_costs, cluster_page, prices
from oceanid.services.cluster_costs import ClusterCost
from oceanid.services.cluster_plan import Plan
from oceanid.templatetags.oceanid_clusters import plan_verb, plan_words

COLOURS = {"done": "green", "run": "blue", "held": "yellow", "bad": "red", "stop": "dim"}


def listed(*, as_json: bool) -> None:
    """All clusters."""
    rows = cluster_page.with_figures(Cluster.objects.select_related("account").order_by("name"))
    found = list(rows.defer("secrets", "account__secrets"))
    if as_json:
        print_json([_row(each) for each in found])
        return
    if not found:
        typer.echo("There is no cluster. “oceanid clusters create NAME” makes one.")
        return
    table = table_of(
        "Name", "Account", "State", "Machines", "Follows the queue", "US$ per hour", "So far"
    )
    for each in found:
        sizes = f"{each.min_size or 1} – {each.max_size}" if each.max_size else "–"
        table.add_row(
            escape(each.name), escape(each.account.name), _state(each),
            f"{each.machines} of {each.target or each.size}",  # type: ignore[attr-defined]
            sizes, usd(cluster_costs.usd_of(each)), usd(cluster_costs.so_far(each)),
        )  # fmt: skip
    screen = Console(highlight=False)
    screen.print(table)
    clouds = sorted({each.account.cloud for each in found})
    _tell_ages(screen, clouds)


def shown(cluster: Cluster, *, as_json: bool) -> None:
    """One cluster."""
    page = cluster_page.read(cluster)
    if as_json:
        print_json(described(page))
        return
    screen = Console(highlight=False)
    screen.print(f"[bold]{escape(cluster.name)}[/bold]  {_state(cluster)}", soft_wrap=True)
    if cluster.message:
        screen.print(escape(f"{cluster.message} {cluster.hint}".strip()), soft_wrap=True)
    left = "" if page.budget_left is None else f", {usd(page.budget_left)} left of its budget"
    screen.print(
        f"{page.there} of {cluster.target or cluster.size} machines, {page.jobs_running} jobs "
        f"running, {usd(page.cost.usd_per_hour)} per hour, {usd(page.cost.usd_so_far)} so far"
        f"{left}",
        soft_wrap=True,
    )
    for step in cluster.steps:
        screen.print(step_line(step), soft_wrap=True)
    if page.nodes:
        table = table_of("Node", "Role", "State", "Type", "Address", "Jobs", "US$/h")
        for node in page.nodes:
            problem = f"\n[dim]{escape(node.problem)}[/dim]" if node.problem else ""
            table.add_row(
                escape(node.name or node.cloud_id), str(node.get_role_display()),
                f"{node.get_state_display()}{problem}", escape(node.machine_type),
                escape(node.public_address or node.private_address), str(node.jobs_running),
                "–" if node.gone_at else usd(cluster_costs.of_node(node)).removeprefix("US$ "),
            )  # fmt: skip
        screen.print(table)
        if page.more_nodes:
            screen.print(f"… and {page.more_nodes} more.")
    if page.cost.parts:
        screen.print(costs_of(page.cost))
        if page.cost.remark:
            screen.print(escape(page.cost.remark), soft_wrap=True)
    for event in reversed(page.events[:10]):
        screen.print(f"[dim]{_when(event.at)}[/dim]  {escape(event.message)}", soft_wrap=True)
    _tell_ages(screen, [cluster.account.cloud])


def costs_of(cost: ClusterCost) -> Table:
    """What a cluster costs by the hour, by its parts."""
    table = table_of("Costs now", "How", "US$ per hour")
    for part in cost.parts:
        table.add_row(plan_words(part), escape(part.detail), usd(part.usd_per_hour))
    table.add_row("together", "", usd(cost.usd_per_hour))
    return table


def planned(found: Plan, *, as_json: bool = False, to_error: bool = False) -> None:
    """A plan."""
    if as_json:
        print_json(asdict(found))
        return
    screen = Console(stderr=to_error, highlight=False)
    table = table_of("", "What", "How", "US$ per hour")
    for line in found.lines:
        cost = "" if line.what == "rest" or line.verb == "end" else usd(line.usd_per_hour)
        table.add_row(plan_verb(line), plan_words(line), escape(line.detail), cost)
    screen.print(table)
    screen.print(f"Per hour now {usd(found.usd_before)}, afterwards {usd(found.usd_after)}"
                 + (f", at its maximum {usd(found.usd_most)}" if found.usd_most is not None else "")
                 + ".", soft_wrap=True)  # fmt: skip
    if found.prices_dated is not None:
        screen.print(f"By prices of {found.prices_dated}, without taxes and traffic.")
    for remark in found.remarks:
        screen.print(escape(remark), soft_wrap=True)


def priced(*, as_json: bool) -> None:
    """The prices in use."""
    in_use = prices.all_in_use()
    if as_json:
        print_json([_prices(each) for each in in_use.values()])
        return
    table = table_of("Cloud", "Prices of", "Days old", "From", "Regions", "Machines")
    for cloud, each in in_use.items():
        count = sum(len(region.machines) for region in each.regions.values())
        source = f"{each.source}{' (shipped)' if each.is_shipped else ''}"
        table.add_row(title_of(cloud), str(each.dated), str(each.age_days()), escape(source),
                      str(len(each.regions)), str(count))  # fmt: skip
    screen = Console(highlight=False)
    screen.print(table)
    _tell_ages(screen, sorted(in_use), only_old=True)


def described(page: cluster_page.ClusterPage) -> dict[str, Any]:
    """A cluster with all that its page shows, for JSON."""
    cluster = page.cluster
    return {
        **_row(
            cluster, machines=page.there, usd_now=page.cost.usd_per_hour,
            so_far=page.cost.usd_so_far,
        ),
        "costs": [asdict(each) for each in page.cost.parts],
        "costs_remark": page.cost.remark,
        "message": cluster.message,
        "hint": cluster.hint,
        "steps": cluster.steps,
        "preflight": cluster.preflight,
        "scheduler": cluster.scheduler_id,
        "jobs_running": page.jobs_running,
        "looked_at": cluster.looked_at,
        "nodes": [
            {
                "id": node.cloud_id, "name": node.name, "role": node.get_role_display(),
                "state": node.get_state_display(), "type": node.machine_type, "zone": node.zone,
                "spot": node.spot, "public_address": node.public_address,
                "private_address": node.private_address, "jobs_running": node.jobs_running,
                "launched_at": node.launched_at, "gone_at": node.gone_at,
                "usd_per_hour": cluster_costs.of_node(node), "problem": node.problem,
            }
            for node in page.nodes
        ],
        "more_nodes": page.more_nodes,
        "events": [{"at": each.at, "message": each.message} for each in page.events],
        "prices": None if page.prices is None else _prices(page.prices),
    }  # fmt: skip


def step_line(step: dict[str, Any]) -> str:
    """One step of a cluster, as a line of markup."""
    signs = {"done": "[green]✓[/green]", "now": "[blue]…[/blue]", "failed": "[red]✗[/red]"}
    count = f" {step['done']}/{step['of']}" if step.get("of") else ""
    said = " ".join(filter(None, (step.get("found"), step.get("hint"))))
    sign = signs.get(str(step.get("state")), " ")
    return f"{sign} {escape(str(step.get('name', '')))}{count}  [dim]{escape(said)}[/dim]"


def usd(amount: Decimal | None) -> str:
    """US dollars, or that it is not known."""
    if amount is None:
        return "not known"
    step = Decimal("0.001") if Decimal("0.0005") <= amount < 1 else Decimal("0.01")
    return f"US$ {amount.quantize(step, ROUND_HALF_UP):,}"


def _row(cluster: Any, **more: Any) -> dict[str, Any]:
    usd_now = more["usd_now"] if "usd_now" in more else cluster_costs.usd_of(cluster)
    so_far = more["so_far"] if "so_far" in more else cluster_costs.so_far(cluster)
    return {
        "uuid": cluster.uuid,
        "name": cluster.name,
        "account": cluster.account.name,
        "cloud": cluster.account.cloud,
        "region": (cluster.blueprint or {}).get("region") or cluster.region,
        "wanted": cluster.get_wanted_display(),
        "state": cluster.get_state_display(),
        "size": cluster.size,
        "target": cluster.target,
        "min_size": cluster.min_size,
        "max_size": cluster.max_size,
        "machines": more.get("machines", getattr(cluster, "machines", 0)),
        "usd_per_hour": usd_now,
        "usd_so_far": so_far,
        "budget": cluster.budget,
        "hourly_limit": cluster.hourly_limit,
    }


def _prices(table: Prices) -> dict[str, Any]:
    return {
        "cloud": table.cloud, "dated": table.dated, "age_days": table.age_days(),
        "is_old": table.is_old(), "is_shipped": table.is_shipped, "source": table.source,
    }  # fmt: skip


def _tell_ages(screen: Console, clouds: list[str], *, only_old: bool = False) -> None:
    in_use = prices.all_in_use()
    for cloud in clouds:
        table = in_use.get(cloud)
        if table is None:
            screen.print(f"[yellow]There are no prices of {title_of(cloud)}.[/yellow]")
        elif table.is_old():
            screen.print(
                f"[yellow]Prices of {title_of(cloud)} are {table.age_days()} days old: they may "
                "have changed. “oceanid clusters prices --load FILE” takes newer ones.[/yellow]",
                soft_wrap=True,
            )
        elif not only_old:
            screen.print(f"Prices of {title_of(cloud)} of {table.dated}.")


def _state(cluster: Cluster) -> str:
    colour = COLOURS.get(cluster_page.state_tone(cluster.state), "dim")
    return f"[{colour}]{cluster.get_state_display()}[/{colour}]"


def _when(moment: datetime | None) -> str:
    return "–" if moment is None else f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


def table_of(*columns: str) -> Table:
    """A table without lines, whose first column is not broken."""
    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place == 0 and bool(column))
    return table


def print_json(data: Any) -> None:
    """Something as JSON; what JSON has no word for as text."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    return str(value)
