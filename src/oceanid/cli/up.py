"""`oceanid up`: makes the portal ready, says where it is, and keeps its two processes alive."""

from __future__ import annotations

import asyncio
import errno
import http.client
import os
import secrets
import signal
import socket
import sys
import time
from dataclasses import dataclass

import typer

from oceanid.cli.family import Family, Member
from oceanid.errors import OceanidError
from oceanid.home import Home, Running, write_private

USUAL_PORT = 8000
NEXT_PORTS = 20
ANSWER_WITHIN_S = 60.0
ADMIN = "admin"


class PortTaken(OceanidError):
    """Something else listens on the port."""

    code = "port-taken"


class StartsStill(OceanidError):
    """A portal of the same home starts and has no address yet."""

    code = "starts-still"


@dataclass(frozen=True, slots=True)
class Admin:
    """The administrator, as a start tells of them; no password once it was changed."""

    name: str
    password: str


def run(home: Home, *, host: str, port: int | None) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        The exit code: 0 after a clean stop, and 0 when a portal runs on this home already.

    Raises:
        PortTaken: The port that was asked for is not free.
        StartsStill: Another portal holds the home and does not say where it is.
    """
    while True:
        with home.hold() as ours:
            if ours:
                try:
                    return asyncio.run(_serve(home, host=host, port=port))
                finally:
                    home.withdraw()
        first = _announced(home)
        if first is not None:
            typer.echo("A portal runs on this home already.")
            typer.echo(f"Oceanid is at {first.address}")
            return 0


def _announced(home: Home) -> Running | None:
    """The portal that holds the home, once it has said where it is; None when it has gone.

    Raises:
        StartsStill: It holds the home and says nothing.
    """
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while (running := home.running()) is not None:
        if running.address:
            return running
        if time.monotonic() > deadline:
            raise StartsStill(
                "Another portal holds {path} and has not said where it is.",
                hint="See what it prints, or stop it: oceanid stop.",
                path=home.path,
            )
        time.sleep(0.05)
    return None


async def _serve(home: Home, *, host: str, port: int | None) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)

    listening = _listen(host, port)
    port = listening.getsockname()[1]
    address = f"http://{_in_address(host)}:{port}/"
    os.environ["OCEANID_HOSTS"] = ",".join(_hosts(host))
    os.environ.setdefault("OCEANID_BASE_URL", address)
    home.announce(address)
    admin = await asyncio.to_thread(_make_ready, home)

    family = Family(
        [
            Member(
                "web server",
                [sys.executable, "-m", "oceanid.portal.serve", "--fd", str(listening.fileno())],
                keeps=[listening.fileno()],
            ),
            Member("supervisor", [sys.executable, "-m", "oceanid.cli.main", "supervise"]),
        ],
        environment=os.environ,
    )
    keeping = asyncio.create_task(family.keep(stopping))
    telling = asyncio.create_task(_tell(address, admin, stopping, host=host, port=port))
    try:
        await keeping
    finally:
        telling.cancel()
        listening.close()
    typer.echo(await asyncio.to_thread(_farewell))
    return 0


async def _tell(
    address: str, admin: Admin, stopping: asyncio.Event, *, host: str, port: int
) -> None:
    """Print the address as soon as pages are served, then who may come in."""
    deadline = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
    while not await asyncio.to_thread(_answers, host, port):
        if asyncio.get_running_loop().time() > deadline:
            typer.echo("The web server does not answer yet; its log says why.", err=True)
            deadline += ANSWER_WITHIN_S
        await asyncio.sleep(0.1)
    if stopping.is_set():
        return
    typer.echo(f"Oceanid is at {address}")
    typer.echo(f"User name: {admin.name}")
    typer.echo(
        f"Password:  {admin.password}"
        if admin.password
        else f"Password:  as you set it (new one: oceanid manage changepassword {admin.name})"
    )
    typer.echo("Ctrl-C stops it; jobs run on.")
    sys.stdout.flush()


def _answers(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not a bind
    connection = http.client.HTTPConnection(here, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _make_ready(home: Home) -> Admin:
    """Bring the tables up to date and see to it that someone can come in."""
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    try:
        call_command("migrate", interactive=False, verbosity=0)
        from oceanid.services.schedulers import ensure_local

        ensure_local()
        return _administrator(home)
    finally:
        connections.close_all()


def _administrator(home: Home) -> Admin:
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    found = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if found is None:
        password = secrets.token_urlsafe(12)
        write_private(home.password_file, password)
        made = users.create_superuser(username=ADMIN, email="", password=password)
        return Admin(made.get_username(), password)
    try:
        password = home.password_file.read_text()
    except FileNotFoundError:
        return Admin(found.get_username(), "")
    if found.check_password(password):
        return Admin(found.get_username(), password)
    home.password_file.unlink()
    return Admin(found.get_username(), "")


def _farewell() -> str:
    from django.db import DatabaseError, connections

    from oceanid import vitals

    try:
        running = vitals.jobs_under_way()
    except DatabaseError as problem:
        return f"Stopped. The database does not say what runs on: {problem}"
    finally:
        connections.close_all()
    if not running:
        return "Stopped. No job was running."
    jobs = "1 job runs" if running == 1 else f"{running} jobs run"
    it = "it" if running == 1 else "them"
    return f"Stopped. {jobs} on; `oceanid up` finds {it} again, `oceanid stop --jobs` ends {it}."


def _listen(host: str, port: int | None) -> socket.socket:
    """Open the socket here, so that a restarted web server keeps the same address."""
    candidates = [port] if port is not None else [*range(USUAL_PORT, USUAL_PORT + NEXT_PORTS), 0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in candidates:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, candidate))
            listening.listen(1024)
            return listening
        except OSError as problem:
            listening.close()
            if problem.errno != errno.EADDRINUSE or port is not None:
                raise PortTaken(
                    "{host}:{candidate} can't be used: {strerror}.",
                    hint="Give another --port, or none to take a free one.",
                    host=host,
                    candidate=candidate,
                    strerror=problem.strerror,
                ) from problem
    raise PortTaken("{host} has no free port.", host=host)


def _in_address(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - not a bind
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _hosts(host: str) -> list[str]:
    """The names by which this machine may be called, beside loopback's."""
    given = [word for word in os.environ.get("OCEANID_HOSTS", "").split(",") if word]
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - not a bind
        return list(dict.fromkeys([*given, _in_address(host)]))
    import psutil

    found = [
        each.address
        for card in psutil.net_if_addrs().values()
        for each in card
        if each.family == socket.AF_INET
    ]
    return list(dict.fromkeys([*given, socket.gethostname(), socket.getfqdn(), *found]))
