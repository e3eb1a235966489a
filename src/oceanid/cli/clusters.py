"""`oceanid clusters`: what is wanted of clusters is written down, and followed until it is so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oceanid.cli.cluster_asking import (
    account_named,
    acting_as,
    agree,
    ask_for,
    contents,
    find,
    follow,
    money,
    require_tables,
    sized,
)

app = typer.Typer(
    name="clusters",
    help="Clusters in the cloud: make, watch, resize, stop and delete them; see what they cost.",
    no_args_is_help=True,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(help="The cluster's name; ACCOUNT/NAME where two have it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is so.")]
Timeout = Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")]
As = Annotated[str, typer.Option("--as", help="The user who is said to have done it.")]
Account = Annotated[
    str, typer.Option(help="The cloud account, by its name; the default one otherwise.")
]
Force = Annotated[bool, typer.Option("--force", help="Interrupt jobs that run on what goes.")]

TIMEOUT_S = 1800.0


@app.callback()
def _root(
    home: Annotated[
        Path | None, typer.Option("--home", help="The state directory of the portal.")
    ] = None,
) -> None:
    from oceanid.cli.site import make_ready

    make_ready(home)
    require_tables()


@app.command("list")
def list_clusters(as_json: AsJson = False) -> None:
    """List the clusters with their state, size and cost."""
    from oceanid.cli import cluster_tables

    cluster_tables.listed(as_json=as_json)


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show one cluster: its steps, its nodes, what it costs, and what happened."""
    from oceanid.cli import cluster_tables

    cluster_tables.shown(find(name), as_json=as_json)


@app.command()
def plan(
    name: Name,
    size: Annotated[int | None, typer.Option(help="At this size.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="If it is stopped.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="If it is deleted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what would be made, kept and ended, and what it would cost; nothing is changed."""
    from oceanid.cli import cluster_tables
    from oceanid.services import clusters
    from oceanid.states import ClusterWanted

    if sum((stop, delete, size is not None)) > 1:
        raise typer.BadParameter("Only one of --size, --stop and --delete at a time.")
    wanted = ClusterWanted.STOP if stop else ClusterWanted.DELETE if delete else None
    found = clusters.plan(find(name), wanted=wanted, size=sized(size))
    cluster_tables.planned(found, as_json=as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name; of one that is prepared, or a new one.")],
    account: Account = "",
    size: Annotated[int | None, typer.Option(help="Machines, the master included.")] = None,
    node_type: Annotated[str, typer.Option(help="How large a worker is.")] = "",
    master_type: Annotated[str, typer.Option(help="How large the master is.")] = "",
    node_image: Annotated[str, typer.Option(help="What the workers boot.")] = "",
    master_image: Annotated[str, typer.Option(help="What the master boots.")] = "",
    region: Annotated[str, typer.Option(help="Where.")] = "",
    zone: Annotated[list[str] | None, typer.Option(help="A zone; may be given again.")] = None,
    spot: Annotated[bool, typer.Option("--spot", help="Workers may be taken back.")] = False,
    min_size: Annotated[int | None, typer.Option(help="The smallest size.")] = None,
    max_size: Annotated[
        int | None, typer.Option(help="The largest size: the size then follows the queue.")
    ] = None,
    idle_minutes: Annotated[int | None, typer.Option(help="Stop it after so long idle.")] = None,
    hourly_limit: Annotated[str, typer.Option(help="US$ an hour at most.")] = "",
    budget: Annotated[str, typer.Option(help="US$ in all, then it is stopped.")] = "",
    network: Annotated[str, typer.Option(help="An existing network.")] = "",
    resource_group: Annotated[str, typer.Option(help="An existing resource group.")] = "",
    ssh_from: Annotated[
        list[str] | None, typer.Option(help="A network that reaches its SSH; may be given again.")
    ] = None,
    own_key: Annotated[bool, typer.Option("--own-key", help="A key for it alone.")] = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Make a cluster, after its plan was shown; follow it until it runs."""
    from oceanid.models import Cluster
    from oceanid.services import clusters

    given: dict[str, Any] = {
        "size": size, "node_type": node_type, "master_type": master_type,
        "node_image": node_image, "master_image": master_image, "region": region,
        "zones": zone or [], "spot": spot, "min_size": min_size, "max_size": max_size,
        "idle_minutes": idle_minutes, "hourly_limit": money(hourly_limit, "--hourly-limit"),
        "budget": money(budget, "--budget"), "network": network,
        "resource_group": resource_group, "ssh_from": ssh_from or [], "own_key": own_key,
    }  # fmt: skip
    given = {
        field: value
        for field, value in given.items()
        if value is not None and value is not False and value not in ("", [])
    }
    owner = account_named(account)
    cluster = Cluster.objects.filter(account=owner, name=name).first()
    cluster = cluster or Cluster(account=owner, name=name)
    for field, value in given.items():
        setattr(cluster, field, value)
    for problem in clusters.problems(cluster).values():
        raise problem
    agree(clusters.plan(cluster), f"Create “{name}”?", yes=yes)
    with acting_as(person) as actor:
        clusters.create(cluster, actor)
    raise typer.Exit(follow(cluster, wait=not no_wait, timeout_s=timeout, as_json=as_json))


@app.command()
def resize(
    name: Name,
    size: Annotated[int, typer.Argument(help="Machines, the master included.")],
    force: Force = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Change the number of machines; those with jobs are drained before they go."""
    from oceanid.services import clusters

    ask_for(
        find(name), "resize", lambda cluster, actor: clusters.resize(
            cluster, size, actor, force=force
        ), size=sized(size), yes=yes, wait=not no_wait, timeout_s=timeout, person=person,
        as_json=as_json,
    )  # fmt: skip


@app.command()
def stop(
    name: Name,
    force: Force = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Stop it: workers end, the master keeps its disk, and the size is kept."""
    from oceanid.services import clusters

    ask_for(
        find(name), "stop", lambda cluster, actor: clusters.stop(cluster, actor, force=force),
        yes=yes, wait=not no_wait, timeout_s=timeout, person=person, as_json=as_json,
    )  # fmt: skip


@app.command()
def start(
    name: Name,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Start it again, with the size that it had."""
    from oceanid.services import clusters

    ask_for(
        find(name), "start", clusters.start, yes=yes, wait=not no_wait, timeout_s=timeout,
        person=person, as_json=as_json,
    )  # fmt: skip


@app.command()
def repair(
    name: Name,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Try again what was given up; replace what stays away."""
    from oceanid.services import clusters

    ask_for(
        find(name), "repair", clusters.repair, yes=True, wait=not no_wait, timeout_s=timeout,
        person=person, as_json=as_json,
    )  # fmt: skip


@app.command()
def delete(
    name: Name,
    force: Annotated[
        bool, typer.Option("--force", help="Even if jobs have not ended: they are lost.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for its name.")] = False,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Delete it, with all that is in the cloud of it; its name is asked for."""
    from oceanid.services import clusters

    ask_for(
        find(name), "delete", lambda cluster, actor: clusters.delete(cluster, actor, force=force),
        yes=yes, wait=not no_wait, timeout_s=timeout, person=person, as_json=as_json,
    )  # fmt: skip


@app.command()
def audit(
    account: Account = "",
    adopt: Annotated[
        str, typer.Option(help="Make what has this identity a cluster of this portal.")
    ] = "",
    delete: Annotated[str, typer.Option(help="Delete all of what has this identity.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Even if another portal made it, which is no more.")
    ] = False,
    yes: Yes = False,
    no_wait: NoWait = False,
    timeout: Timeout = TIMEOUT_S,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """List what is in a cloud account with our tags, known or not; adopt or delete it.

    The exit code is 1 when something was found that nothing here knows.
    """
    from oceanid.cli import cluster_audit

    if adopt and delete:
        raise typer.BadParameter("Only one of --adopt and --delete at a time.")
    owner, given = account_named(account), adopt or delete
    with acting_as(person) as actor:
        if not given:
            code = cluster_audit.run(owner, actor, timeout_s=timeout, as_json=as_json)
            raise typer.Exit(code)
        verb = "adopt" if adopt else "delete"
        cluster = cluster_audit.take(owner, given, verb, actor, yes=yes, force=force)
    raise typer.Exit(follow(cluster, wait=not no_wait, timeout_s=timeout, as_json=as_json))


@app.command()
def prices(
    load: Annotated[Path | None, typer.Option(help="Use the prices of this file.")] = None,
    export: Annotated[str, typer.Option(help="Print the prices of this cloud as a file.")] = "",
    forget: Annotated[str, typer.Option(help="Use the shipped prices of this cloud again.")] = "",
    older: Annotated[
        bool, typer.Option("--older", help="Load them even if they are older than those in use.")
    ] = False,
    person: As = "",
    as_json: AsJson = False,
) -> None:
    """Tell by which prices costs are reckoned and how old they are; load newer ones."""
    from oceanid.cli import cluster_tables
    from oceanid.services import prices as service

    if sum(map(bool, (load, export, forget))) > 1:
        raise typer.BadParameter("Only one of --load, --export and --forget at a time.")
    if export:
        typer.echo(service.exported(export), nl=False)
        return
    with acting_as(person) as actor:
        if load is not None:
            service.load(contents(load), actor, may_be_older=older)
        elif forget:
            service.forget(forget, actor)
    cluster_tables.priced(as_json=as_json)
