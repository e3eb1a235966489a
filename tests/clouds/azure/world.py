"""What exists in the small Azure: resources by their ids, and operations under way."""

from __future__ import annotations

import itertools
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.clouds.booter import Booter, PaperBooter

SUBSCRIPTION = "33333333-3333-4333-8333-333333333333"
REGION = "westeurope"


@dataclass
class Refused(Exception):
    """An answer that is an error of ARM's.

    Args:
        status: The HTTP status.
        code: ARM's code.
        told: Its message.
        retry_after: Seconds, when it says when to come again.
    """

    status: int
    code: str
    told: str = ""
    retry_after: int | None = None


@dataclass
class Thing:
    """One resource.

    Args:
        id, name, kind, group: Its place.
        location, tags, properties, more: What was sent of it; ``more`` is what stands beside
            ``properties``: ``sku``, ``zones``.
        state: Its provisioningState.
        etag: Changes with every change.
        hidden: What is known of it that no answer shows.
    """

    id: str
    name: str
    kind: str
    group: str
    location: str
    tags: dict[str, str]
    properties: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)
    state: str = "Succeeded"
    etag: str = ""
    hidden: dict[str, Any] = field(default_factory=dict)
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    def shown(self) -> dict[str, Any]:
        """As an answer has it."""
        return {
            "id": self.id, "name": self.name, "type": self.kind, "location": self.location,
            "tags": self.tags, "etag": f'"{self.etag}"', **self.more,
            "properties": {
                **self.properties, "provisioningState": self.state,
                "timeCreated": self.made.isoformat(),
            },
        }  # fmt: skip


@dataclass
class Operation:
    """Something that takes long.

    Args:
        id: In its address.
        due: When it is over, by the monotonic clock.
        done: What it does then.
        fails: The error it comes to instead.
        is_over: Whether it is.
    """

    id: str
    due: float
    done: Callable[[], None]
    fails: Refused | None = None
    is_over: bool = False


@dataclass
class Group:
    """A resource group."""

    name: str
    location: str
    tags: dict[str, str]
    state: str = "Succeeded"


class World:
    """All of it, and what a test sets of it.

    Every method is called with ``lock`` held.
    """

    def __init__(self, booter: Booter | None = None) -> None:
        self.lock = threading.RLock()
        self.booter: Booter = booter or PaperBooter()
        self.groups: dict[str, Group] = {}
        self.things: dict[str, Thing] = {}
        self.operations: dict[str, Operation] = {}
        self.delay_s = 0.0
        self.is_held = False
        self.room: int | None = None
        self.cores = 10_000
        self.page = 500
        self.registered = {"Microsoft.Compute": "Registered", "Microsoft.Network": "Registered"}
        self.features: set[str] = set()
        self.restricted: set[str] = set()
        self.state = "Enabled"
        self._numbers = itertools.count(1)

    def end_machine(self, name: str) -> None:
        """Remove a machine; one that really runs takes a while, and nobody waits for that."""
        if isinstance(self.booter, PaperBooter):
            self.booter.end(name)
        else:
            threading.Thread(target=self.booter.end, args=(name,), daemon=True).start()

    # -- resources

    def group(self, name: str) -> Group:
        """A group by its name."""
        found = self.groups.get(name.lower())
        if found is None:
            raise Refused(
                404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found."
            )
        return found

    def thing(self, thing_id: str) -> Thing:
        """A resource by its id."""
        found = self.things.get(thing_id.lower())
        if found is None:
            raise Refused(404, "ResourceNotFound", f"The Resource '{thing_id}' was not found.")
        return found

    def find(self, thing_id: str | None) -> Thing | None:
        """A resource by its id; None when it is not there."""
        return self.things.get((thing_id or "").lower())

    def need(self, thing_id: str) -> Thing:
        """A resource that another one refers to."""
        found = self.find(thing_id)
        if found is None:
            raise Refused(
                400, "InvalidResourceReference", f"Resource {thing_id} referenced was not found."
            )
        return found

    def within(self, group: str, kind: str = "") -> list[Thing]:
        """What is in a group, of one kind or of all."""
        return [
            each
            for each in self.things.values()
            if each.group.lower() == group.lower() and kind.lower() in ("", each.kind.lower())
        ]

    def add(self, thing: Thing) -> Thing:
        """Let a resource be there."""
        self.things[thing.id.lower()] = thing
        self.touch(thing)
        return thing

    def drop(self, thing: Thing) -> None:
        """Let it be gone."""
        self.things.pop(thing.id.lower(), None)

    def touch(self, thing: Thing) -> None:
        """It has changed."""
        thing.etag = str(next(self._numbers))

    def make_id(self, group: str, kind: str, name: str) -> str:
        """The whole id of a resource."""
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{kind}/{name}"

    # -- operations

    def begin(self, done: Callable[[], None], *, fails: Refused | None = None) -> Operation:
        """Begin something that is over after ``delay_s``."""
        made = Operation(uuid.uuid4().hex, time.monotonic() + self.delay_s, done, fails)
        self.operations[made.id] = made
        return made

    def settle(self) -> None:
        """Let everything be over that is due."""
        if self.is_held:
            return
        for each in list(self.operations.values()):
            if not each.is_over and each.due <= time.monotonic():
                each.is_over = True
                each.done()

    def take_room(self) -> bool:
        """Whether there is room for one more machine."""
        if self.room is None:
            return True
        if self.room < 1:
            return False
        self.room -= 1
        return True


def tag_filter(text: str) -> tuple[str, str] | None:
    """The tag that a ``$filter`` names; None when it names none."""
    found = re.fullmatch(r"tagName eq '([^']+)' and tagValue eq '([^']*)'", text)
    return (found[1], found[2]) if found else None


def walked(value: Any) -> Iterator[str]:
    """All ids in a body."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "id" and isinstance(inner, str):
                yield inner
            else:
                yield from walked(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walked(inner)
