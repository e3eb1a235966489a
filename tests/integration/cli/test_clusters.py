"""`oceanid clusters`: plans that are agreed to, wishes that are written down, and exit codes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from typer.testing import CliRunner

from oceanid.cli.main import app
from oceanid.clouds import blueprints
from oceanid.clouds.specs import Blueprint
from oceanid.errors import OceanidError
from oceanid.models import (
    AuditEvent,
    CloudAccount,
    Cluster,
    ClusterNode,
    PriceTable,
    SupervisorBeat,
)
from oceanid.services import accounts, clusters, prices

pytestmark = pytest.mark.django_db
MADE = blueprints.written(Blueprint("eu-central-1", "ami-1", "m7a.large", "ami-2", "c7a.2xlarge"))
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a sub-command; what Oceanid raises on purpose is told as `main` tells it."""
    monkeypatch.setenv("OCEANID_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str, typed: str = "", fails: bool = False) -> Result:
        result = CliRunner().invoke(app, ["clusters", *words], input=typed)
        problem = result.exception
        if fails:
            assert isinstance(problem, OceanidError) or result.exit_code, result.output
        elif problem is not None and not isinstance(problem, SystemExit):
            raise problem
        return result

    return command


@pytest.fixture
def account(db: None) -> CloudAccount:
    return accounts.save(CloudAccount(cloud="amazon", name="Ours"), None)


@pytest.fixture
def alps(account: CloudAccount) -> Cluster:
    cluster = clusters.save(Cluster(account=account, name="alps", size=3), None)
    Cluster.objects.filter(pk=cluster.pk).update(
        wanted="RUN", state="RUN", blueprint=MADE, cost=Decimal("1.5")
    )
    for number in range(3):
        ClusterNode.objects.create(
            cluster=cluster, cloud_id=f"i-{number}", role="WOR" if number else "MAS", state="RUN",
            name=f"alps-{number}", usd_per_hour=Decimal("0.25"), jobs_running=number,
        )  # fmt: skip
    cluster.refresh_from_db()
    return cluster


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_the_list_and_one_of_them(run: Run, alps: Cluster) -> None:
    text = run("list").stdout
    assert "alps" in text and "US$ 0.750" in text and "3 of 3" in text and "days old" in text
    (row,) = told(run("list", "--json"))
    assert (row["name"], row["machines"], row["usd_per_hour"]) == ("alps", 3, 0.75)
    text = run("show", "alps").stdout
    assert "3 jobs running" in text and "alps-2" in text and "US$ 1.50 so far" in text
    assert "3 disks" in text and "together" in text
    found = told(run("show", "Ours/alps", "--json"))
    assert [part["what"] for part in found["costs"]][-2:] == ["disk", "address"]
    assert [node["jobs_running"] for node in found["nodes"]] == [0, 1, 2]
    assert found["prices"]["is_old"] is True


def test_without_clusters_the_way_to_one_is_told(run: Run) -> None:
    assert "oceanid clusters create NAME" in run("list").stdout
    assert told(run("list", "--json")) == []


def test_a_name_that_is_none_or_several(run: Run, alps: Cluster) -> None:
    result = run("show", "nothing", fails=True)
    assert "There is no cluster “nothing”" in str(result.exception)
    other = accounts.save(CloudAccount(cloud="amazon", name="Other"), None)
    clusters.save(Cluster(account=other, name="alps"), None)
    result = run("stop", "alps", "--yes", fails=True)
    assert "Other/alps" in str(result.exception)
    assert told(run("plan", "Other/alps", "--json"))["usd_after"] is None


def test_a_plan_changes_nothing(run: Run, alps: Cluster) -> None:
    text = run("plan", "alps", "--size", "2").stdout
    assert "1 worker" in text and "end" in text and "By prices of" in text
    assert "encrypted" in run("plan", "alps", "--size", "9").stdout
    kinds = {line["verb"] for line in told(run("plan", "alps", "--delete", "--json"))["lines"]}
    assert kinds == {"end"}
    assert run("plan", "alps", "--stop", "--delete", fails=True).exit_code == 2
    run("plan", "alps", "--size", "0", fails=True)
    alps.refresh_from_db()
    assert (alps.size, alps.wanted) == (3, "RUN")


def test_a_resize_is_agreed_to_first(run: Run, alps: Cluster) -> None:
    for typed in ("n\n", "\n", ""):
        assert run("resize", "alps", "5", typed=typed, fails=True).exit_code == 1
        alps.refresh_from_db()
        assert alps.size == 3
    assert run("resize", "alps", "5", "--no-wait", typed="y\n").exit_code == 0
    alps.refresh_from_db()
    assert (alps.size, alps.force) == (5, False)
    event = AuditEvent.objects.get(verb="resize")
    assert (event.origin, event.person) == ("cli", "")
    run("resize", "alps", "2", "--force", "--yes", "--no-wait")
    alps.refresh_from_db()
    assert (alps.size, alps.force) == (2, True)
    run("resize", "alps", "99999", "--yes", fails=True)
    run("resize", "alps", "many", "--yes", fails=True)
    alps.refresh_from_db()
    assert alps.size == 2


def test_it_is_said_who_did_it_and_whether_they_may(run: Run, alps: Cluster) -> None:
    User.objects.create_superuser("ada")
    User.objects.create_user("mia")
    run("stop", "alps", "--yes", "--no-wait", "--as", "ada")
    assert AuditEvent.objects.get(verb="stop").person == "ada"
    result = run("start", "alps", "--yes", "--no-wait", "--as", "mia", fails=True)
    assert "You may not" in str(result.exception)
    result = run("start", "alps", "--yes", "--as", "nobody", fails=True)
    assert "There is no user “nobody”" in str(result.exception)
    alps.refresh_from_db()
    assert alps.wanted == "STO"


def test_a_deletion_wants_the_name_typed(run: Run, alps: Cluster) -> None:
    for typed in ("no\n", "Alps\n", ""):
        assert run("delete", "alps", "--no-wait", typed=typed, fails=True).exit_code == 1
    alps.refresh_from_db()
    assert alps.wanted == "RUN"
    assert run("delete", "alps", "--no-wait", typed="alps\n").exit_code == 0
    alps.refresh_from_db()
    assert alps.wanted == "DEL"


def test_one_that_was_only_prepared_is_gone_at_once(run: Run, account: CloudAccount) -> None:
    clusters.save(Cluster(account=account, name="fens"), None)
    result = run("delete", "fens", "--yes", "--json")
    assert result.exit_code == 0 and told(result) == {"name": "fens", "state": "Gone"}
    assert not Cluster.objects.exists()


def test_a_cluster_is_created_with_all_that_was_said(run: Run, account: CloudAccount) -> None:
    words = (
        "create", "fens", "--size", "4", "--node-type", "c7a.2xlarge", "--region", "eu-central-1",
        "--zone", "eu-central-1b", "--zone", "eu-central-1a", "--spot", "--max-size", "9",
        "--idle-minutes", "30", "--budget", "99.5", "--hourly-limit", "3", "--own-key",
        "--ssh-from", "203.0.113.0/24", "--no-wait",
    )  # fmt: skip
    assert run(*words, typed="n\n", fails=True).exit_code == 1
    assert not Cluster.objects.exists()
    result = run(*words, typed="y\n")
    assert "3 workers" in result.stderr and result.exit_code == 0
    made = Cluster.objects.get()
    assert (made.wanted, made.size, made.spot, made.max_size) == ("RUN", 4, True, 9)
    assert made.zones == ["eu-central-1b", "eu-central-1a"] and made.own_key
    assert (made.budget, made.ssh_from) == (Decimal("99.50"), ["203.0.113.0/24"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--budget", "much"), 2), (("--budget", "1e99"), 2), (("--hourly-limit", "NaN"), 2),
        (("--size", "0"), 1), (("--region", "Frankfurt"), 1), (("--budget", "0"), 1),
        (("--account", "nobody's"), 1), (("--size", "x"), 2),
    ],
)  # fmt: skip
def test_what_can_not_be_made_is_told_and_nothing_is_kept(
    run: Run, account: CloudAccount, words: tuple[str, ...], code: int
) -> None:
    assert run("create", "fens", "--yes", *words, fails=True).exit_code == code
    assert not Cluster.objects.exists()


def test_a_name_that_can_not_be_one_is_refused(run: Run, account: CloudAccount) -> None:
    for name in ("Die Alpen", "", "a" * 41, "<b>"):
        assert run("create", name, "--yes", fails=True).exit_code == 1
    assert not Cluster.objects.exists()


def test_without_or_with_several_accounts_one_is_asked_for(run: Run) -> None:
    result = run("create", "fens", "--yes", fails=True)
    assert "There is no cloud account." in str(result.exception)
    accounts.save(CloudAccount(cloud="amazon", name="Ours"), None)
    accounts.save(CloudAccount(cloud="azure", name="Theirs"), None)
    result = run("create", "fens", "--yes", fails=True)
    assert "--account Ours, Theirs" in str(result.exception)
    assert run("create", "fens", "--account", "Theirs", "--yes", "--no-wait").exit_code == 0
    assert Cluster.objects.get().account.name == "Theirs"


def test_without_a_supervisor_the_wish_is_kept_and_nobody_waits(run: Run, alps: Cluster) -> None:
    result = run("resize", "alps", "5", "--yes")
    assert result.exit_code == 3 and "No supervisor runs" in result.stderr


@pytest.fixture
def beating(db: None) -> Iterator[None]:
    import uuid

    now = timezone.now()
    SupervisorBeat.objects.create(
        uuid=uuid.uuid4(), host="here", pid=1, version="1", started_at=now, beat_at=now
    )
    yield


def test_what_is_so_already_is_not_waited_for(run: Run, alps: Cluster, beating: None) -> None:
    result = run("resize", "alps", "3", "--yes", "--json")
    assert result.exit_code == 0 and told(result)["state"] == "Running"


def test_when_time_is_over_it_goes_on(run: Run, alps: Cluster, beating: None) -> None:
    result = run("stop", "alps", "--yes", "--timeout", "0")
    assert result.exit_code == 3 and "still under way" in result.stderr


@pytest.mark.django_db(transaction=True)
def test_progress_is_told_until_it_failed(run: Run, alps: Cluster, beating: None) -> None:
    step = {"name": "workers", "state": "failed", "found": "No room.", "hint": "Take others.",
            "done": 1, "of": 4}  # fmt: skip

    def fail() -> None:
        Cluster.objects.filter(pk=alps.pk).update(
            state="DEG", steps=[step], looked_at=timezone.now()
        )
        connection.close()

    timer = threading.Timer(1.5, fail)
    timer.start()
    result = run("resize", "alps", "5", "--yes", "--timeout", "30")
    timer.join()
    assert result.exit_code == 1, result.stderr
    assert "workers 1/4" in result.stderr and "No room. Take others." in result.stderr


def test_prices_are_told_exported_loaded_and_forgotten(run: Run, tmp_path: Path) -> None:
    assert "360" in (text := run("prices").stdout) or "days old" in text
    assert {row["cloud"] for row in told(run("prices", "--json"))} >= {"amazon", "azure"}
    file = tmp_path / "prices.json"
    data = json.loads(run("prices", "--export", "amazon").stdout)
    file.write_text(json.dumps(data | {"dated": "2026-06-01", "source": "ours [bold]"}))
    assert "ours [bold]" in run("prices", "--load", str(file)).stdout
    table = prices.of_cloud("amazon")
    assert table is not None and table.dated.isoformat() == "2026-06-01"
    assert AuditEvent.objects.get(verb="load-prices").origin == "cli"
    file.write_text(json.dumps(data | {"dated": "2020-01-01"}))
    assert run("prices", "--load", str(file), fails=True).exit_code == 1
    assert run("prices", "--load", str(file), "--older").exit_code == 0
    run("prices", "--forget", "amazon")
    assert not PriceTable.objects.exists()
    for words in (("--load", str(tmp_path / "none")), ("--load", str(tmp_path)),
                  ("--export", "moon"), ("--forget", "amazon")):  # fmt: skip
        assert run("prices", *words, fails=True).exit_code == 1
    assert run("prices", "--export", "azure", "--forget", "azure", fails=True).exit_code == 2


def test_an_audit_without_a_supervisor_says_so(run: Run, account: CloudAccount) -> None:
    result = run("audit", fails=True)
    assert "No supervisor runs" in str(result.exception)
    assert AuditEvent.objects.get(verb="survey").origin == "cli"
    for given in ("x", "6fa459ea-ee8a-3ca4-894e-db77e160355e"):
        assert run("audit", "--delete", given, fails=True).exit_code == 1
    assert run("audit", "--delete", "x", "--adopt", "y", fails=True).exit_code == 2
