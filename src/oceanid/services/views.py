"""Saved views of the list of jobs: saved, changed, shared, made the default, removed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from oceanid.errors import InvalidSpecification, LimitExceeded, NotFound, NotPermitted
from oceanid.models import SavedView
from oceanid.models.view import VIEW_NAME_LENGTH
from oceanid.services import audit, policy
from oceanid.services.asked import Asked

SHARE_WITH_EVERYONE = "oceanid.share_view_with_everyone"
MOST_OWN = 100
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who else finds a view.

    Args:
        groups: The numbers of its owner's groups.
        is_for_everyone: Whether everybody who logs in does.
    """

    groups: Collection[int] = ()
    is_for_everyone: bool = False


def offered(user: policy.Person) -> list[SavedView]:
    """A person's own views, by name, and those that others share with them. Two queries."""
    shared = SavedView.groups.through.objects.filter(group__in=own_groups(user))
    wanted = Q(owner=user.pk) | Q(is_for_everyone=True) | Q(pk__in=shared.values("savedview_id"))
    found = SavedView.objects.filter(wanted).select_related("owner").prefetch_related("groups")
    views = list(found.order_by("name", "id")[:MOST_SHOWN])
    return sorted(views, key=lambda view: view.owner_id != user.pk)


def own_groups(user: policy.Person) -> QuerySet[Group]:
    """The groups with which a person may share a view."""
    groups: Any = getattr(user, "groups", None)
    return Group.objects.none() if groups is None else groups.order_by("name")


def default(user: policy.Person) -> SavedView | None:
    """The view that a person begins with, or None."""
    return SavedView.objects.filter(owner=user.pk, is_default=True).first()


def may_share_with_everyone(user: policy.Person) -> bool:
    """Whether a person may put a view before everybody."""
    has_perm: Any = getattr(user, "has_perm", None)
    return bool(has_perm and has_perm(SHARE_WITH_EVERYONE))


def save(user: policy.Person, name: str, asked: Asked, sharing: Sharing) -> SavedView:
    """Save what an address says under a name; a view of that name is written anew.

    Raises:
        InvalidSpecification: The name can't be used.
        LimitExceeded: The person has very many already.
        NotPermitted: It is not theirs to share so.
    """
    name = _checked(name)
    groups = _shared_with(user, sharing)
    said = {"parameters": asked.parameters, "is_for_everyone": sharing.is_for_everyone}
    with transaction.atomic():
        own = SavedView.objects.filter(owner=user.pk, name=name)
        is_known = bool(own.update(**said, changed_at=timezone.now()))
        if not is_known:
            fresh = SavedView(owner_id=_key(user), name=name, **said)
            SavedView.objects.bulk_create([fresh], ignore_conflicts=True)
            if SavedView.objects.filter(owner=user.pk).count() > MOST_OWN:
                raise LimitExceeded(
                    _("You have %(most)d saved views already.") % {"most": MOST_OWN},
                    hint=_("Delete one that you do not need."),
                )
        view = own.get()
        view.groups.set(groups)
        _told(user, "change" if is_known else "add", view)
    return view


def change(user: policy.Person, view_id: int, name: str, sharing: Sharing) -> SavedView:
    """Give one's view another name, and share it with others than before.

    Raises:
        InvalidSpecification: The name can't be used, or another view has it.
        NotPermitted: It is not theirs to share so.
        NotFound: The person has no such view.
    """
    name = _checked(name)
    groups = _shared_with(user, sharing)
    own = SavedView.objects.filter(pk=view_id, owner=user.pk)
    said = {"name": name, "is_for_everyone": sharing.is_for_everyone}
    try:
        with transaction.atomic():
            if not own.update(**said, changed_at=timezone.now()):
                raise _missing()
            view = own.get()
            view.groups.set(groups)
            _told(user, "change", view)
    except IntegrityError as taken:
        raise InvalidSpecification(
            _("You have another view called “%(name)s”.") % {"name": name},
            hint=_("Choose another name."),
        ) from taken
    return view


def make_default(user: policy.Person, view_id: int, *, is_default: bool) -> SavedView:
    """Let a person begin with one of their views, or not any more.

    Raises:
        NotFound: The person has no such view.
    """
    with transaction.atomic():
        SavedView.objects.filter(owner=user.pk, is_default=True).update(is_default=False)
        own = SavedView.objects.filter(pk=view_id, owner=user.pk)
        if not own.update(is_default=is_default):
            raise _missing()
        view = own.get()
        _told(user, "change", view)
        return view


def remove(user: policy.Person, view_id: int) -> None:
    """Delete one of a person's views.

    Raises:
        NotFound: The person has no such view.
    """
    own = SavedView.objects.filter(pk=view_id, owner=user.pk)
    with transaction.atomic():
        if not own.update(changed_at=timezone.now()):
            raise _missing()
        _told(user, "delete", own.get())
        own.delete()


def _checked(name: str) -> str:
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > VIEW_NAME_LENGTH:
        raise InvalidSpecification(
            _("A view needs a name of at most %(most)d characters.") % {"most": VIEW_NAME_LENGTH},
            hint=_("For example “Failed this week”."),
        )
    return name


def _shared_with(user: policy.Person, sharing: Sharing) -> list[Group]:
    if sharing.is_for_everyone and not may_share_with_everyone(user):
        raise NotPermitted(
            _("You may not share a view with everyone."), hint=_("Share it with a group.")
        )
    groups = list(own_groups(user))
    wanted = set(sharing.groups)
    if not wanted <= {group.pk for group in groups}:
        raise NotPermitted(
            _("You are not in that group."), hint=_("Share the view with a group of yours.")
        )
    return [group for group in groups if group.pk in wanted]


def _told(user: policy.Person, verb: str, view: SavedView) -> None:
    audit.write(user, verb, audit.Thing.of(view))


def _key(user: policy.Person) -> Any:
    return user.pk


def _missing() -> NotFound:
    return NotFound(_("You have no such view."), hint=_("It may have been deleted."))
