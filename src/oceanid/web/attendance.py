"""Who listens is still who they were: sessions and rights of all listeners, looked at together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from oceanid.services import policy

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose events somebody may hear of.

    Args:
        user_id: Those of their own jobs, and of jobs shared with them.
        groups: Those of jobs shared with these groups.
        everyone: All.
    """

    user_id: Any
    groups: frozenset[int] = frozenset()
    everyone: bool = False


def audience_of(user: policy.Person) -> Audience:
    """Whose events a person may hear of."""
    everyone = policy.sees_all(user)
    groups = getattr(user, "groups", None)
    ids = () if everyone or groups is None else groups.values_list("pk", flat=True)
    return Audience(user.pk, frozenset(ids), everyone)


def present(keys: Collection[str]) -> dict[str, Audience]:
    """Those of some sessions that are still somebody's, with what that person may hear of now.

    Three queries for all of them, where sessions and people are Django's own; where a site has
    other back-ends these are asked one by one, as each request asks them.
    """
    claimed = {key: claims for key, claims in _sessions(keys) if claims.get(SESSION_KEY)}
    people = _people(claimed.values())
    holders = {}
    for key, claims in claimed.items():
        person = people.get((claims.get(BACKEND_SESSION_KEY), claims[SESSION_KEY]))
        if person is not None and _is_theirs(person, claims):
            holders[key] = person
    heard = _audiences({person.pk: person for person in holders.values()})
    return {key: heard[person.pk] for key, person in holders.items()}


def _sessions(keys: Collection[str]) -> Iterable[tuple[str, Claims]]:
    """What each session says; nothing of those that are over."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if store.load is not DatabaseStore.load:
        for key in keys:
            yield key, store(key).load()
        return
    rows = store.get_model_class()._default_manager.filter(
        session_key__in=list(keys), expire_date__gt=timezone.now()
    )
    for key, data in rows.values_list("session_key", "session_data"):
        yield key, store().decode(data)


def _people(claimed: Iterable[Claims]) -> dict[tuple[Any, str], Any]:
    """Who is meant, by the back-end and the number that a session names."""
    named = {(claims.get(BACKEND_SESSION_KEY), claims[SESSION_KEY]) for claims in claimed}
    to_key = get_user_model()._meta.pk.to_python
    together: dict[Any, list[tuple[Any, str]]] = defaultdict(list)
    found: dict[tuple[Any, str], Any] = {}
    for path, said in named:
        if path is None or path not in settings.AUTHENTICATION_BACKENDS:
            continue
        backend: Any = load_backend(path)
        try:
            key = to_key(said)
        except ValidationError:
            continue
        if type(backend).get_user is ModelBackend.get_user:
            together[key].append((path, said))
        else:
            found[path, said] = backend.get_user(key)
    if together:
        people = get_user_model()._default_manager.filter(pk__in=list(together))
        for person in policy.with_sight(people):
            for path, said in together[person.pk]:
                backend = load_backend(path)
                if backend.user_can_authenticate(person):
                    found[path, said] = person
    return found


def _is_theirs(person: Any, claims: Claims) -> bool:
    """Whether the session was begun with the person's present password."""
    if not person.is_authenticated or not person.is_active:
        return False
    if not hasattr(person, "get_session_auth_hash"):
        return True
    said = claims.get(HASH_SESSION_KEY)
    if not said:
        return False
    hashes = [person.get_session_auth_hash(), *person.get_session_auth_fallback_hash()]
    return any(constant_time_compare(said, each) for each in hashes)


def _audiences(people: Mapping[Any, Any]) -> dict[Any, Audience]:
    everyone = {key for key, person in people.items() if policy.sees_all(person)}
    groups: dict[Any, set[int]] = defaultdict(set)
    rest = [key for key in people if key not in everyone]
    if rest and hasattr(get_user_model(), "groups"):
        rows = get_user_model()._default_manager.filter(pk__in=rest, groups__isnull=False)
        for key, group in rows.values_list("pk", "groups"):
            groups[key].add(group)
    return {key: Audience(key, frozenset(groups[key]), key in everyone) for key in people}
