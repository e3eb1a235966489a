"""A real supervisor looks at a machine over a real SSH server, until a person has made it well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from oceanid.models import Scheduler
from oceanid.services.scheduler_health import accept_host_key, want_check
from tests.integration.running import eventually
from tests.integration.shell.sshd import Sshd, fingerprint, keygen
from tests.integration.supervisor.house import Running

pytestmark = pytest.mark.ssh


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    folder = tmp_path / "sshd"
    folder.mkdir()
    made = Sshd(folder)
    made.start()
    yield made
    made.stop()


def seen(record: Scheduler, what: Callable[[dict[str, Any]], bool], about: str) -> dict[str, Any]:
    """Wait for a report of which something holds; each step by its name."""
    steps: dict[str, Any] = {}

    def look() -> bool:
        record.refresh_from_db()
        steps.clear()
        steps.update({step["name"]: step for step in record.report})
        return what(steps)

    eventually(look, within_s=60, what=about)
    return steps


def test_an_unknown_key_is_shown_accepted_and_from_then_on_guarded(
    server: Sshd, _house: None, supervisor: Running, tmp_path: Path
) -> None:
    boss = User.objects.create_superuser("boss")
    target = server.target()
    record = Scheduler.objects.create(
        name="pool", engine="htcondor",
        config={
            "host": target.host, "port": target.port, "user": target.user,
            "key_path": target.key_path, "directory": str(tmp_path / "there"),
        },
    )  # fmt: skip

    steps = seen(record, lambda it: "host key" in it, "the host key is looked at")
    shown = fingerprint(server.host_keys[0])
    assert steps["reachable"]["ok"] and not steps["host key"]["ok"]
    assert shown in steps["host key"]["found"]
    assert record.offered_key["fingerprint"] == shown and record.health == "DOWN"

    accept_host_key(record, shown, boss)
    steps = seen(record, lambda it: "login" in it, "it logs in")
    assert steps["host key"]["ok"] and steps["login"]["ok"]
    assert record.offered_key == {}

    server.stop()
    server.host_keys[0].unlink()
    keygen(server.host_keys[0], "ed25519")
    server.start()
    want_check(record, boss)
    steps = seen(
        record, lambda it: not it.get("host key", {"ok": True})["ok"], "the change is noticed"
    )
    assert fingerprint(server.host_keys[0]) in steps["host key"]["found"]
    assert shown in steps["host key"]["found"]
    assert record.offered_key["is_changed"]
    kinds = set(record.events.values_list("kind", flat=True))
    assert {"host-key-unknown", "host-key-accepted", "host-key-changed", "check-wanted"} <= kinds


def test_options_that_can_not_be_used_are_told_and_taken_when_they_are_right(
    server: Sshd, _house: None, supervisor: Running
) -> None:
    record = Scheduler.objects.create(
        name="pool", engine="htcondor", config={"host": "127.0.0.1", "port": "no"}
    )
    seen(record, lambda it: "is not a port" in str(it), "the mistake is told")
    record.config = {"host": "127.0.0.1", "port": server.port, "host_key": server.host_key}
    record.save()
    seen(record, lambda it: "login" in it, "it begins anew")
