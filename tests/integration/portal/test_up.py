"""`oceanid up`, `stop` and what a person sees of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.integration.portal.seen import Portal, browser, log_in, starting
from tests.integration.running import clean_environment, eventually, oceanid, said


def test_a_first_start_tells_address_and_login_and_serves_safe_pages(lasting: Portal) -> None:
    visitor = log_in(lasting)
    home = visitor.open(lasting.address, timeout=20)
    policy = home.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert visitor.open(f"{lasting.address}compute/jobs/", timeout=20).status == 200
    assert visitor.open(f"{lasting.address}admin/", timeout=20).status == 200
    assert b"oceanid_info" in visitor.open(f"{lasting.address}metrics", timeout=20).read()
    css = visitor.open(f"{lasting.address}static/oceanid/tokens.css", timeout=20)
    assert css.headers["Content-Type"].startswith("text/css")
    for name in ("secret-key", "first-password"):
        assert (lasting.home / name).stat().st_mode & 0o077 == 0
    assert lasting.home.stat().st_mode & 0o077 == 0 or lasting.home.stat().st_uid == os.getuid()


def test_a_stranger_gets_no_metrics_no_page_and_no_other_host(lasting: Portal) -> None:
    visitor = browser()
    with pytest.raises(urllib.error.HTTPError, match="403"):
        visitor.open(f"{lasting.address}metrics", timeout=20)
    assert "/login/" in visitor.open(lasting.address, timeout=20).url
    foreign = urllib.request.Request(lasting.address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        visitor.open(foreign, timeout=20)


def test_it_becomes_ready_when_the_supervisor_beats(lasting: Portal) -> None:
    lasting.wait_until_ready()
    told = json.load(browser().open(f"{lasting.address}healthz", timeout=20))
    assert told["status"] == "ok"
    assert told["heartbeat_age_s"] < 20
    assert "1 alive, last beat" in lasting.command("doctor")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_within_five_seconds_while_streams_are_open(
    portal: Portal, number: signal.Signals
) -> None:
    visitor = log_in(portal)
    portal.wait_until_ready()
    streams = [visitor.open(f"{portal.address}compute/live/", timeout=20) for _ in range(3)]
    assert all(stream.read(1) for stream in streams)
    children = psutil.Process(portal.process.pid).children(recursive=True)
    assert portal.stop(number) < 5
    assert "No job was running" in portal.said
    assert "none runs; the last one stopped" in portal.command("doctor")
    assert not [each for each in children if each.is_running()]
    assert "Traceback" not in portal.said


def test_it_stops_as_cleanly_before_its_supervisor_has_begun(portal: Portal) -> None:
    supervisor = portal.child("supervise")
    assert portal.stop() < 5
    assert not supervisor.is_running()
    assert "Stopped. No job was running" in portal.said
    assert "Traceback" not in portal.said
    assert re.search(r"none (has run yet|runs; the last one stopped)", portal.command("doctor"))


def test_a_second_start_on_the_same_home_tells_the_first_ones_address(lasting: Portal) -> None:
    assert lasting.address in lasting.command("up")
    assert lasting.process.poll() is None


def test_of_two_starts_at_once_one_serves_and_the_other_tells_its_address(home: Path) -> None:
    first, second = starting(home), starting(home)
    one, other = next(first), next(second)
    try:
        ended = eventually(
            lambda: next((each for each in (one, other) if each.process.poll() is not None), None),
            within_s=90,
            what="one of them leaves the home to the other",
        )
        serves = other if ended is one else one
        assert ended.process.returncode == 0, ended.said
        assert serves.address in ended.said
        assert serves.process.poll() is None
    finally:
        first.close()
        second.close()


def test_a_later_start_keeps_users_and_tells_the_password_until_it_is_changed(
    portal: Portal,
) -> None:
    assert portal.address
    first = re.search(r"^Password: +(\S+)$", portal.said, re.MULTILINE)
    assert first
    portal.stop()
    for again in starting(portal.home):
        assert again.address
        assert first[1] in again.said
        again.run(
            "from django.contrib.auth.models import User; user = User.objects.get(); "
            "user.set_password('another one'); user.save()"
        )
        again.stop()
    for changed in starting(portal.home):
        assert changed.address
        assert first[1] not in changed.said
        assert not (portal.home / "first-password").exists()


def test_a_taken_port_is_refused_when_asked_for_and_passed_by_when_not(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = clean_environment(OCEANID_HOME=str(home))
        told = said(
            oceanid("up", "--port", str(port)), cwd=home.parent, env=env, expect=1, timeout_s=30
        )
    assert "port-taken" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("place", ["a file", "a file/below it"])
def test_a_home_that_can_not_be_is_refused_in_words(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").touch()
    env = clean_environment(OCEANID_HOME=str(tmp_path / place))
    for words in (["up"], ["supervise"], ["stop"]):
        told = said(oceanid(*words), cwd=tmp_path, env=env, expect=None, timeout_s=60)
        assert ("No portal runs" if words == ["stop"] else "home-unusable") in told, told
        assert "Traceback" not in told


def test_a_killed_child_is_started_again_on_the_same_address(portal: Portal) -> None:
    visitor, address = browser(), portal.address
    for word in ("oceanid.portal.serve", "supervise"):
        before = portal.child(word)
        before.kill()
        eventually(lambda gone=before: not gone.is_running(), within_s=5, what="its end")
        assert portal.child(word).pid != before.pid
    assert visitor.open(f"{address}healthz", timeout=30).status == 200


def test_children_end_with_a_killed_parent(portal: Portal) -> None:
    assert portal.address
    children = [portal.child("oceanid.portal.serve"), portal.child("supervise")]
    portal.process.kill()
    portal.process.wait()
    eventually(
        lambda: not any(each.is_running() for each in children), within_s=10, what="their end"
    )


def test_jobs_run_on_over_a_stop_and_are_found_again(portal: Portal, tmp_path: Path) -> None:
    assert portal.address
    job = portal.start_waiting(tmp_path / "go")
    portal.stop()
    assert "it is killed" not in portal.said
    assert "1 job runs on; `oceanid up` finds it again" in portal.said
    for again in starting(portal.home):
        assert again.address
        (tmp_path / "go").touch()
        again.wait_for(job, "Complete")


def test_stop_with_jobs_ends_them_whether_a_portal_runs_or_not(
    portal: Portal, tmp_path: Path
) -> None:
    assert portal.address
    job = portal.start_waiting(tmp_path / "never")
    told = portal.command("stop", "--jobs")
    assert "1 job was ended" in told
    assert portal.process.wait(timeout=10) == 0
    portal.wait_for(job, "Aborted", within_s=0)
    for again in starting(portal.home):
        assert again.address
        job = again.start_waiting(tmp_path / "never")
        again.stop()
        assert "1 job was ended" in again.command("stop", "--jobs")
        again.wait_for(job, "Aborted", within_s=0)


def test_stop_says_so_when_nothing_runs(home: Path) -> None:
    env = clean_environment(OCEANID_HOME=str(home))
    assert "No portal runs" in said(oceanid("stop"), cwd=home.parent, env=env)


def test_the_doctor_tells_what_is_there_as_json_too(home: Path) -> None:
    env = clean_environment(OCEANID_HOME=str(home))
    told = json.loads(said(oceanid("doctor", "--json"), cwd=home.parent, env=env))
    names = {each["name"] for each in told}
    assert {"Python", "Database", "Tables", "Data directory", "Disk", "Engine local"} <= names
    assert all(each["cure"] for each in told if each["level"] == "wrong")
