"""Finds out whom the changes of clusters concern: those who run them and want to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth import get_user_model

from oceanid.models import Cluster, ClusterEvent, NoticeKind, NoticePreference, Outbox, Subject
from oceanid.services import preferences
from oceanid.services.outbox import CLUSTER_WORDS, ClusterNews

RIGHTS = ("oceanid.view_cluster", "oceanid.run_cluster")


def addressed(changes: Sequence[Outbox]) -> Iterator[tuple[Any, frozenset[str], dict[str, Any]]]:
    """Each of these changes that is of a cluster: whom it is told, how, and what it says.

    It concerns those who asked for it or did something to the cluster themselves, and superusers,
    as far as they may still see clusters.
    """
    of_clusters = [each for each in changes if each.subject == Subject.CLUSTER]
    if not of_clusters:
        return
    keys = {each.subject_id for each in of_clusters}
    records = Cluster.objects.only("uuid", "name").in_bulk(keys)
    actors = _actors(keys)
    people = {user.pk: user for user in preferences.who_wants(NoticeKind.CLUSTER)}
    chosen = set(people)
    people |= _undecided({pk for acting in actors.values() for pk in acting} - chosen)
    allowed = [user for user in people.values() if any(map(user.has_perm, RIGHTS))]
    wanted = preferences.of_many(allowed)
    for change in of_clusters:
        record = records.get(change.subject_id)
        if record is None:
            continue
        word = _word(change.after)
        item = {
            "subject": Subject.CLUSTER.value,
            "id": record.pk,
            "uuid": str(record.uuid),
            "name": record.name,
            "word": word,
            "state": change.after,
            "at": change.at.isoformat(),
            "message": change.message if change.message.rstrip(".") != word else "",
        }
        for user in allowed:
            if user.pk in chosen or user.pk in actors.get(record.pk, ()):
                yield user, wanted[user.pk].of(NoticeKind.CLUSTER), item


def _actors(clusters: set[int]) -> dict[int, set[Any]]:
    """Who did something to which cluster."""
    rows = ClusterEvent.objects.filter(cluster__in=clusters, actor__isnull=False).order_by()
    found: dict[int, set[Any]] = {}
    for cluster_id, actor_id in rows.values_list("cluster_id", "actor_id").distinct():
        found.setdefault(cluster_id, set()).add(actor_id)
    return found


def _undecided(keys: set[Any]) -> dict[Any, Any]:
    """Those of these people who never said what they want to be told: the default holds."""
    people = get_user_model()._default_manager.filter(pk__in=keys, is_active=True)
    undecided = people.exclude(pk__in=NoticePreference.objects.values("user_id"))
    return {user.pk: user for user in undecided}


def _word(code: str) -> str:
    return CLUSTER_WORDS[ClusterNews(code)] if code in set(ClusterNews) else code
