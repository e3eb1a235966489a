"""Saved views of the list of jobs: whose they are, who finds them, where one begins."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from oceanid.models import SavedView
from oceanid.services import views

pytestmark = pytest.mark.django_db
FAILED = "?status=Error&since=7d&sort=-ended&columns=status,ended"


def save(client: Client, name: str, address: str = FAILED, **more: object) -> str:
    """Save an address under a name; what the page says then."""
    answer = client.post(f"/compute/jobs/views/{address}", {"name": name, **more}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_view_keeps_search_filters_sort_and_columns(client: Client, owner: User) -> None:
    client.force_login(owner)
    text = save(client, "Failed  lately", "?q=x&after=abc&" + FAILED[1:])
    view = SavedView.objects.get()
    assert "The view “Failed lately” is saved." in text
    assert view.parameters == {
        "scope": "mine", "q": "x", "match": "start", "status": "Error", "since": "7d",
        "sort": "-ended", "columns": "status,ended",
    }  # fmt: skip
    link = (
        f"status=Error&amp;since=7d&amp;sort=-ended&amp;columns=status%2Cended&amp;view={view.pk}"
    )
    assert link in client.get("/compute/jobs/?scope=mine").content.decode()


def test_saving_under_the_same_name_writes_it_anew(client: Client, owner: User) -> None:
    client.force_login(owner)
    save(client, "mine")
    save(client, "mine", "?status=Running")
    assert SavedView.objects.get().parameters["status"] == "Running"


def test_a_view_is_found_by_those_with_whom_it_is_shared(
    client: Client, owner: User, other: User, member: User, team: Group
) -> None:
    owner.groups.add(team)
    client.force_login(owner)
    save(client, "for <b>the team", groups=[team.pk])
    client.force_login(member)
    text = client.get("/compute/jobs/?scope=mine").content.decode()
    assert "for &lt;b&gt;the team" in text and "from olga" in text
    client.force_login(other)
    assert "the team" not in client.get("/compute/jobs/?scope=mine").content.decode()


def test_a_view_is_shared_only_with_own_groups_and_by_permission_with_everyone(
    client: Client, owner: User, other: User, team: Group
) -> None:
    client.force_login(owner)
    assert "You are not in that group" in save(client, "a", groups=[team.pk])
    assert "You may not share a view with everyone" in save(client, "b", everyone="1")
    assert not SavedView.objects.exists()
    permission = Permission.objects.get(codename="share_view_with_everyone")
    owner.user_permissions.add(permission)
    save(client, "c", everyone="1")
    assert [view.name for view in views.offered(other)] == ["c"]


def test_only_its_owner_changes_a_view(client: Client, owner: User, other: User) -> None:
    client.force_login(owner)
    save(client, "mine")
    view = SavedView.objects.get()
    client.force_login(other)
    for wanted in ("change", "delete", "default", "not-default"):
        address = f"/compute/jobs/views/{view.pk}/"
        text = client.post(address, {"do": wanted, "name": "stolen"}, follow=True).content.decode()
        assert "You have no such view" in text
    view.refresh_from_db()
    assert (view.name, view.is_default) == ("mine", False)


def test_a_view_is_renamed_but_not_onto_another(client: Client, owner: User) -> None:
    client.force_login(owner)
    save(client, "one")
    save(client, "two")
    one = SavedView.objects.get(name="one")
    address = f"/compute/jobs/views/{one.pk}/"
    text = client.post(address, {"do": "change", "name": "two"}, follow=True).content.decode()
    assert "You have another view called “two”" in text
    client.post(address, {"do": "change", "name": "eins"})
    assert sorted(SavedView.objects.values_list("name", flat=True)) == ["eins", "two"]
    client.post(address, {"do": "delete"})
    assert SavedView.objects.get().name == "two"


def test_the_default_view_is_where_the_bare_address_leads(client: Client, owner: User) -> None:
    client.force_login(owner)
    save(client, "one")
    save(client, "two", "?status=Running")
    one, two = SavedView.objects.order_by("pk")
    assert client.get("/compute/jobs/").status_code == 200
    for view in (one, two):
        client.post(f"/compute/jobs/views/{view.pk}/", {"do": "default"})
        assert client.get("/compute/jobs/")["Location"].endswith(f"view={view.pk}")
        assert client.get("/compute/jobs/?scope=mine").status_code == 200
    assert SavedView.objects.filter(is_default=True).count() == 1
    client.post(f"/compute/jobs/views/{two.pk}/", {"do": "not-default"})
    assert client.get("/compute/jobs/").status_code == 200


@pytest.mark.parametrize("name", ["", "   ", "\0", "x" * 101])
def test_a_name_that_can_not_be_used_is_told(client: Client, owner: User, name: str) -> None:
    client.force_login(owner)
    assert "A view needs a name" in save(client, name)
    assert not SavedView.objects.exists()


def test_there_is_an_end_to_how_many_one_saves(
    client: Client, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "MOST_OWN", 2)
    client.force_login(owner)
    for name in ("a", "b", "c"):
        text = save(client, name)
    assert "You have 2 saved views already" in text
    assert SavedView.objects.count() == 2


def test_many_views_cost_as_many_queries_as_one(
    client: Client, owner: User, other: User, team: Group
) -> None:
    client.force_login(owner)
    owner.groups.add(team)

    def counted() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get("/compute/jobs/?scope=mine")
        return len(captured)

    save(client, "first", groups=[team.pk])
    counted()
    few = counted()
    for number in range(40):
        view = SavedView.objects.create(owner=other, name=f"{number}", is_for_everyone=True)
        view.groups.add(team)
    assert counted() == few
