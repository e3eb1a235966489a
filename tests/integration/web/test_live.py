"""The live stream and its stand-in: who hears what, resuming, ending, cheap questions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.test import AsyncClient, Client
from django.utils import timezone

from oceanid.models import JobEvent, JobShare
from oceanid.services import hearing, intents, notices
from oceanid.services.bulk import new_keys
from oceanid.services.leases import Hold
from oceanid.web import hub, live
from tests.integration.web.conftest import MakeJob, happen

PATIENCE_S = 15
CLOCKS = {"LOOK_EVERY_S": hub.LOOK_EVERY_S, "CHECK_EVERY_S": hub.CHECK_EVERY_S}
"""The hub's own, which these tests make quicker."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here for a look, a check or a beat longer than it takes."""
    monkeypatch.setattr(hub, "LOOK_EVERY_S", 0.15)
    monkeypatch.setattr(hub, "CHECK_EVERY_S", 1.0)
    monkeypatch.setattr(live, "BEAT_EVERY_S", 1.0)


async def events(answer: Any) -> AsyncIterator[tuple[str, Any]]:
    """The stream's events: kind and data."""
    kept = ""
    async for piece in answer.streaming_content:
        kept += piece.decode()
        while "\n\n" in kept:
            block, kept = kept.split("\n\n", 1)
            said = dict(line.split(": ", 1) for line in block.split("\n"))
            if "event" in said:
                yield said["event"], json.loads(said["data"])


async def until(stream: AsyncIterator[tuple[str, Any]], kind: str) -> Any:
    """The data of the next event of a kind."""
    async with asyncio.timeout(PATIENCE_S):
        async for said, data in stream:
            if said == kind:
                return data
    raise AssertionError(f"The stream ended without {kind}.")


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_tells_of_the_jobs_that_one_may_see_and_of_no_other(
    owner: User, other: User, member: User, team: Group, make_job: MakeJob
) -> None:
    mine, theirs, shared = await sync_to_async(
        lambda: (make_job("mine"), make_job("theirs", user=other), make_job("shared", user=other))
    )()
    await shared.groups.aadd(team)
    for who, expected in ((owner, [mine.pk]), (member, [shared.pk])):
        client = AsyncClient()
        await client.aforce_login(who)
        answer = await client.get("/compute/live/")
        assert answer["Content-Type"] == "text/event-stream"
        assert "default-src" in answer["Content-Security-Policy"]
        stream = events(answer)
        await until(stream, "beat")
        for job in (theirs, shared, mine):
            await sync_to_async(happen)(job)
        assert await until(stream, "jobs") == expected
        await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_resumes_behind_the_last_event(owner: User, make_job: MakeJob) -> None:
    job = await sync_to_async(make_job)()
    client = AsyncClient()
    await client.aforce_login(owner)
    stream = events(await client.get("/compute/live/"))
    await until(stream, "beat")
    first = await sync_to_async(happen)(job)
    await until(stream, "jobs")
    again = events(await client.get("/compute/live/", headers={"Last-Event-ID": str(first.pk - 1)}))
    assert await until(again, "jobs") == [job.pk]
    old = events(await client.get("/compute/live/", headers={"Last-Event-ID": "0"}))
    kinds = [(await anext(old))[0] for _ in range(2)]
    assert kinds[0] == "resync" or "jobs" in kinds
    for each in (stream, again, old):
        await each.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_ends_soon_after_the_logout(owner: User) -> None:
    assert CLOCKS["CHECK_EVERY_S"] + CLOCKS["LOOK_EVERY_S"] < hub.KNOWN_S < 10
    client = AsyncClient()
    await client.aforce_login(owner)
    stream = events(await client.get("/compute/live/"))
    await until(stream, "beat")
    await client.alogout()
    async with asyncio.timeout(10):
        assert [kind async for kind, _data in stream][-1] == "gone"


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_right_that_is_lost_counts_within_seconds(
    owner: User, staff: User, make_job: MakeJob
) -> None:
    job, own = await sync_to_async(lambda: (make_job(), make_job("own", user=staff)))()
    client = AsyncClient()
    await client.aforce_login(staff)
    stream = events(await client.get("/compute/live/"))
    await until(stream, "beat")
    await staff.user_permissions.aclear()
    lost_at = monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while any(each.checked_at < lost_at for each in hub.hub().sessions.values()):
            await asyncio.sleep(0.02)
    for each in (job, own):
        await sync_to_async(happen)(each)
    assert await until(stream, "jobs") == [own.pk]
    await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_has_a_bounded_life_and_the_hub_rests_without_listeners(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAM_LIFE_S", 1.0)
    monkeypatch.setattr(hub, "LINGER_S", 0.5)
    client = AsyncClient()
    await client.aforce_login(owner)
    async with asyncio.timeout(PATIENCE_S):
        _all = [kind async for kind, _data in events(await client.get("/compute/live/"))]
        centre = hub.hub()
        assert not centre.listeners
        while centre._task is not None and not centre._task.done():
            await asyncio.sleep(0.05)


@pytest.mark.django_db
def test_those_who_ask_are_told_the_same_and_cheaply_that_nothing_changed(
    client: Client, owner: User, other: User, make_job: MakeJob
) -> None:
    client.force_login(owner)
    mine, theirs = make_job(), make_job(user=other)
    begin = happen(mine).pk
    happen(mine)
    happen(theirs)
    answer = client.get("/compute/live/changes/", {"since": begin})
    assert answer.json()["jobs"] == [mine.pk]
    last = answer.json()["last"]
    again = client.get(
        "/compute/live/changes/", {"since": last}, headers={"If-None-Match": answer["ETag"]}
    )
    assert again.status_code == 304
    happen(mine)
    later = client.get(
        "/compute/live/changes/", {"since": last}, headers={"If-None-Match": answer["ETag"]}
    )
    assert later.json()["jobs"] == [mine.pk]


@pytest.mark.django_db
def test_pages_poll_where_a_stream_would_hold_a_worker(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert b'data-live="poll"' in client.get("/compute/jobs/").content
    assert client.get("/compute/live/").status_code == 501


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_tells_of_what_is_shared_until_the_share_is_taken_away(
    owner: User, other: User, member: User, team: Group, make_job: MakeJob
) -> None:
    job, sign = await sync_to_async(lambda: (make_job(), make_job("sign")))()
    share = await JobShare.objects.acreate(job=job, user=other, right="view", at=timezone.now())
    by_group = await JobShare.objects.acreate(job=job, group=team, right="act", at=timezone.now())
    for who, taken in ((other, share), (member, by_group)):
        their_own = await sync_to_async(make_job)("their own", user=who)
        client = AsyncClient()
        await client.aforce_login(who)
        stream = events(await client.get("/compute/live/"))
        await until(stream, "beat")
        await sync_to_async(happen)(sign)
        await sync_to_async(happen)(job)
        assert await until(stream, "jobs") == [job.pk]
        await taken.adelete()
        await sync_to_async(happen)(job)
        await sync_to_async(happen)(their_own)
        assert await until(stream, "jobs") == [their_own.pk]
        await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_who_asks_is_told_of_what_is_shared_and_no_more(
    client: Client, other: User, member: User, team: Group, make_job: MakeJob
) -> None:
    job, second, third = make_job(), make_job(), make_job()
    begin = happen(third).pk
    JobShare.objects.create(job=job, user=other, right="view", at=timezone.now())
    JobShare.objects.create(job=second, group=team, right="view", at=timezone.now())
    for each in (job, second, third):
        happen(each)
    for who, expected in ((other, [job.pk]), (member, [second.pk])):
        client.force_login(who)
        answer = client.get("/compute/live/changes/", {"since": begin - 1})
        assert answer.json()["jobs"] == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_tells_of_a_notice_to_whom_it_is_for(owner: User, staff: User) -> None:
    streams = []
    for who in (owner, staff):
        client = AsyncClient()
        await client.aforce_login(who)
        streams.append(events(await client.get("/compute/live/")))
        await until(streams[-1], "beat")
    item = {"subject": "job", "id": 1, "name": "run", "word": "Complete", "state": "COM"}
    for who in (staff, owner):
        await sync_to_async(notices.tell)(who, item)
        assert await until(streams[0 if who is owner else 1], "notices") == {}
    kinds = [(await anext(streams[0]))[0]]
    assert "notices" not in kinds
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]


async def opened(*people: User) -> list[AsyncIterator[tuple[str, Any]]]:
    """A stream of each person, after its first beat."""
    streams = []
    for person in people:
        client = AsyncClient()
        await client.aforce_login(person)
        stream = events(await client.get("/compute/live/"))
        await until(stream, "beat")
        streams.append(stream)
    return streams


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_stream_that_comes_back_and_a_page_that_asks_cost_no_query(
    owner: User, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await sync_to_async(make_job)()
    for _ in range(3):
        await sync_to_async(happen)(job)
    client = AsyncClient()
    await client.aforce_login(owner)
    stream = events(await client.get("/compute/live/"))
    await until(stream, "beat")
    first = await sync_to_async(happen)(job)
    await until(stream, "jobs")

    def refuse(*_args: Any) -> Any:
        raise AssertionError("the database was asked")

    for name in ("_open", "_audience", "_changes"):
        monkeypatch.setattr(live, name, refuse)
    again = events(await client.get("/compute/live/"))
    await until(again, "beat")
    answer = await client.get("/compute/live/changes/", {"since": first.pk - 1})
    assert answer.json()["jobs"] == [job.pk]
    assert answer.json()["last"] == first.pk
    since = {"since": first.pk}
    same = await client.get("/compute/live/changes/", since)
    assert same.json()["jobs"] == []
    tagged = {"If-None-Match": same["ETag"]}
    assert (await client.get("/compute/live/changes/", since, headers=tagged)).status_code == 304
    assert (await client.get("/compute/live/changes/", {"since": 0})).json()["resync"] is True
    for each in (stream, again):
        await each.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_who_only_asks_is_no_longer_told_soon_after_the_logout(owner: User) -> None:
    client = AsyncClient()
    await client.aforce_login(owner)
    assert (await client.get("/compute/live/changes/")).status_code == 200
    cookies = client.cookies.copy()
    await client.alogout()
    client.cookies = cookies
    async with asyncio.timeout(PATIENCE_S):
        while (await client.get("/compute/live/changes/")).status_code == 200:
            await asyncio.sleep(0.1)
    nobody = await client.get("/compute/live/changes/", headers={"Accept": "application/json"})
    assert nobody.status_code in (302, 401)


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_many_streams_are_read_for_together(
    owner: User, other: User, staff: User, make_job: MakeJob
) -> None:
    mine, theirs = await sync_to_async(lambda: (make_job(), make_job(user=other)))()
    streams = await opened(owner, other, staff, owner)
    assert len(hub.hub().sessions) == 4
    await sync_to_async(happen)(mine)
    await sync_to_async(happen)(theirs)
    heard = [await until(stream, "jobs") for stream in streams]
    assert heard[0] == heard[3] == [mine.pk]
    assert heard[1] == [theirs.pk]
    assert heard[2] == [mine.pk, theirs.pk]
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_whose_check_is_overdue_waits_for_that_of_all(
    owner: User, other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = AsyncClient()
    await client.aforce_login(owner)
    stream = events(await client.get("/compute/live/"))
    await until(stream, "beat")
    (attended,) = hub.hub().sessions.values()
    attended.checked_at -= hub.KNOWN_S + 1
    monkeypatch.setattr(live, "_open", None)  # nobody is looked up alone
    again = events(await client.get("/compute/live/"))
    await until(again, "beat")
    await client.alogout()
    (attended,) = hub.hub().sessions.values()
    attended.checked_at -= hub.KNOWN_S + 1
    assert await hub.hub().sure(next(iter(hub.hub().sessions))) is None
    for each in (stream, again):
        await each.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asyncio
async def test_a_deletion_reaches_those_who_saw_the_job_and_nobody_else(
    owner: User, other: User, member: User, team: Group, make_job: MakeJob, hold: Hold
) -> None:
    going, sign = await sync_to_async(
        lambda: (make_job("going", state="COM"), make_job("sign", user=other))
    )()
    await going.groups.aadd(team)
    streams = await opened(owner, member, other)
    await sync_to_async(intents.remove)(hold, going)
    assert [await until(stream, "jobs") for stream in streams[:2]] == [[going.pk]] * 2
    await sync_to_async(happen)(sign)
    assert await until(streams[2], "jobs") == [sign.pk]
    for stream in streams:
        await stream.aclose()  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_those_who_ask_are_told_of_deletions_of_what_they_saw(
    client: Client, owner: User, other: User, member: User, staff: User, team: Group,
    make_job: MakeJob, hold: Hold,
) -> None:  # fmt: skip
    mine, grouped = make_job(state="COM"), make_job(state="COM", user=staff)
    grouped.groups.add(team)
    # Not hearing.newest(): with no event in the table it is 0, far behind PostgreSQL's numbers,
    # which go on from test to test.
    (since,) = new_keys(JobEvent, 1)
    for job in (mine, grouped):
        intents.remove(hold, job)
    for who, expected in (
        (owner, [mine.pk]), (member, [grouped.pk]), (other, []), (staff, [mine.pk, grouped.pk]),
    ):  # fmt: skip
        client.force_login(who)
        answer = client.get("/compute/live/changes/", {"since": since}).json()
        assert answer["jobs"] == expected
        assert answer["last"] == hearing.newest() > since


@pytest.mark.django_db
def test_who_asks_from_far_behind_the_numbers_is_told_to_read_all_anew(
    client: Client, owner: User, make_job: MakeJob, hold: Hold
) -> None:
    job = make_job(state="COM")
    new_keys(JobEvent, 5000)
    intents.remove(hold, job)
    client.force_login(owner)
    assert client.get("/compute/live/changes/", {"since": 0}).json()["resync"] is True
