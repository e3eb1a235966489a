"""Sharing a job: who may, with whom, what it lets them do, and what it tells nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import Client

from oceanid.errors import InvalidSpecification, LimitExceeded, NotFound, NotPermitted
from oceanid.jobs import JobManager
from oceanid.models import AuditEvent, Job, JobShare
from oceanid.services import listing, policy, shared, sharing
from oceanid.services.asked import Asked
from oceanid.web import sharing as pages
from tests.integration.web.conftest import MakeJob

pytestmark = pytest.mark.django_db

Share = Callable[..., None]


@pytest.fixture
def give(owner: User) -> Share:
    """Shares a job as its owner does."""

    def share(job: Job, whom: User | Group, right: str = "view") -> None:
        is_group = isinstance(whom, Group)
        name = whom.name if isinstance(whom, Group) else whom.username
        sharing.share(job, name=name, is_group=is_group, right=right, actor=owner)

    return share


def rights(user: Any, job: Job) -> str:
    """What a person may, and that all who ask agree on it."""
    found = [right for right in ("view", "act") if policy.may(user, right, job)]  # type: ignore[arg-type]
    sees = "view" in found
    assert policy.visible_jobs(user).filter(pk=job.pk).exists() is sees
    if user.is_authenticated:
        assert bool(listing.rows([job.pk], user)) is sees
        theirs = policy.group_jobs(user).filter(pk=job.pk).exists()
        assert theirs is (sees and job.user_id != user.pk and not policy.sees_all(user))
        assert (job.pk in listed(user, scope="groups")) is theirs
        shares = shared.shares_of(user)
        assert (shares is not None and job.pk in shares.numbers()) is theirs
    return " ".join(found)


def listed(user: User, **said: str) -> list[int]:
    return [job.pk for job in listing.read(Asked.read(said), user).jobs]


def test_a_share_gives_its_right_and_no_more(
    make_job: MakeJob, owner: User, other: User, member: User, team: Group, give: Share
) -> None:
    job, untouched = make_job(), make_job()
    assert rights(other, job) == rights(member, job) == ""
    give(job, other, "view")
    give(job, team, "act")
    assert rights(owner, job) == "view act"
    assert rights(other, job) == "view"
    assert rights(member, job) == "view act"
    assert rights(other, untouched) == rights(member, untouched) == ""
    assert rights(AnonymousUser(), job) == ""
    give(job, other, "act")
    assert rights(other, job) == "view act"
    assert JobShare.objects.filter(job=job).count() == 2
    give(job, team, "view")
    assert rights(member, job) == "view"


def test_the_better_of_two_rights_counts(
    make_job: MakeJob, member: User, team: Group, give: Share
) -> None:
    job = make_job()
    give(job, member, "view")
    give(job, team, "act")
    assert rights(member, job) == "view act"
    member.groups.clear()
    assert rights(member, job) == "view"


def test_what_an_app_gave_its_groups_stays_view_and_act(
    make_job: MakeJob, owner: User, member: User, team: Group
) -> None:
    job = make_job(app="floods")
    job.groups.add(team)
    assert rights(member, job) == "view act"
    assert list(JobManager("floods").list_jobs(groups=team)) == [job]
    sharing.unshare(job, actor=owner, group_id=team.pk)
    assert rights(member, job) == ""


def test_a_share_is_no_group_of_the_app(
    make_job: MakeJob, team: Group, give: Share, member: User
) -> None:
    job = make_job(app="floods")
    give(job, team, "act")
    assert list(JobManager("floods").list_jobs(groups=team)) == []
    assert JobManager("floods").get_job(job.pk, user=member) == job


def test_a_share_that_is_taken_away_takes_the_right_along(
    make_job: MakeJob, owner: User, other: User, give: Share
) -> None:
    job = make_job()
    give(job, other, "act")
    number = JobShare.objects.get().pk
    for _again in range(2):
        sharing.unshare(job, actor=owner, share_id=number)
    assert rights(other, job) == ""
    told = list(job.events.order_by("pk").values_list("message", flat=True))
    assert told == [
        "Shared with otto, who may view it and act on it.",
        "No longer shared with otto.",
    ]
    assert set(job.events.values_list("actor", flat=True)) == {owner.pk}
    audited = AuditEvent.objects.order_by("pk").values_list("person", "verb", "note")
    assert list(audited) == [("olga", "share", told[0]), ("olga", "unshare", told[1])]


def test_another_jobs_share_is_not_taken_away(
    make_job: MakeJob, owner: User, other: User, give: Share
) -> None:
    job, second = make_job(), make_job()
    give(second, other)
    sharing.unshare(job, actor=owner, share_id=JobShare.objects.get().pk)
    assert rights(other, second) == "view"


def test_sharing_twice_says_it_once(make_job: MakeJob, other: User, give: Share) -> None:
    job = make_job()
    give(job, other)
    give(job, other)
    assert job.events.count() == 1


@pytest.mark.parametrize("who", ["member", "viewer", "staff"])
def test_only_the_owner_shares(
    who: str,
    make_job: MakeJob,
    give: Share,
    team: Group,
    other: User,
    request: pytest.FixtureRequest,
) -> None:
    job, actor = make_job(), request.getfixturevalue(who)
    give(job, actor, "act")
    with pytest.raises(NotPermitted):
        sharing.share(job, name="otto", is_group=False, right="view", actor=actor)
    with pytest.raises(NotPermitted):
        sharing.unshare(job, actor=actor, share_id=JobShare.objects.get().pk)
    assert JobShare.objects.count() == 1


def test_who_acts_on_all_may_share_for_the_owner(
    make_job: MakeJob, operator: User, other: User
) -> None:
    job = make_job()
    sharing.share(job, name="otto", is_group=False, right="view", actor=operator)
    assert JobShare.objects.get().by == operator


def test_a_stranger_hears_that_there_is_no_such_job(make_job: MakeJob, other: User) -> None:
    with pytest.raises(NotFound):
        sharing.share(make_job(), name="olga", is_group=False, right="view", actor=other)


@pytest.mark.parametrize(
    "name", ["nobody", "OTTO", "sleeper", "x" * 300, "o\0tto", "'; --", "🌊", "hydrologists"]
)
def test_one_answer_for_all_that_nobody_has(
    name: str, make_job: MakeJob, owner: User, other: User, team: Group
) -> None:
    User.objects.create_user("sleeper", is_active=False)
    with pytest.raises(NotFound) as told:
        sharing.share(make_job(), name=name, is_group=False, right="view", actor=owner)
    assert told.value.message == "There is nobody of that name to share with."
    with pytest.raises(NotFound) as same:
        sharing.share(make_job(), name="no such group", is_group=True, right="view", actor=owner)
    assert same.value.message == told.value.message


def test_trying_names_out_is_slowed_down(
    make_job: MakeJob, owner: User, other: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "unknown_names", pages.Meter(at_once=3, a_second=0))
    job = make_job()
    client.force_login(owner)
    at = f"/compute/jobs/{job.pk}/share/"
    for number in range(3):
        said = {"name": f"user{number}", "right": "view", "what": "person"}
        assert "There is nobody" in client.post(at, said, follow=True).content.decode()
    told = client.post(at, {"name": "otto", "right": "view", "what": "person"}, follow=True)
    assert "Too many names" in told.content.decode()
    assert not JobShare.objects.exists()


@pytest.mark.parametrize("said", [{"right": "own"}, {"right": ""}, {"name": " "}, {"name": "olga"}])
def test_what_can_not_be_shared(
    said: dict[str, str], make_job: MakeJob, owner: User, other: User
) -> None:
    given = {"name": "otto", "right": "view"} | said
    with pytest.raises(InvalidSpecification):
        sharing.share(make_job(), is_group=False, actor=owner, **given)


def test_a_job_is_shared_with_so_many_at_most(
    make_job: MakeJob, owner: User, other: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "MOST", 1)
    job = make_job()
    Group.objects.create(name="a group")
    sharing.share(job, name="otto", is_group=False, right="view", actor=owner)
    with pytest.raises(LimitExceeded):
        sharing.share(job, name="a group", is_group=True, right="view", actor=owner)
    sharing.share(job, name="otto", is_group=False, right="act", actor=owner)


def test_the_panel_shares_and_takes_away(
    client: Client, make_job: MakeJob, owner: User, other: User, team: Group
) -> None:
    job = make_job()
    job.groups.add(team)
    client.force_login(owner)
    at = f"/compute/jobs/{job.pk}/"
    said = {"name": " otto ", "right": "view", "what": "person"}
    page = client.post(f"{at}share/", said, follow=True).content.decode()
    assert "The job is shared with otto." in page
    assert "by the app" in page
    assert f"{at}unshare/group/{team.pk}/" in page
    number = JobShare.objects.get().pk
    assert f"{at}unshare/share/{number}/" in page
    page = client.post(f"{at}unshare/share/{number}/", follow=True).content.decode()
    assert "unshare/share/" not in page
    assert client.post(f"{at}unshare/other/{number}/").status_code == 404
    assert client.post(f"{at}unshare/share/{2**70}/").status_code == 404
    client.force_login(other)
    assert client.get(at).status_code == 404


def test_the_panel_is_for_those_who_may_share(
    client: Client, make_job: MakeJob, other: User, give: Share
) -> None:
    job = make_job()
    give(job, other, "act")
    client.force_login(other)
    assert "job-sharing" not in client.get(f"/compute/jobs/{job.pk}/").content.decode()


def test_a_form_without_its_token_shares_nothing(
    make_job: MakeJob, owner: User, other: User
) -> None:
    job, careful = make_job(), Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    said = {"name": "otto", "right": "act", "what": "person"}
    assert careful.post(f"/compute/jobs/{job.pk}/share/", said).status_code == 403
    assert not JobShare.objects.exists()
