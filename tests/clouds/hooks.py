"""What an emulated cloud does to its callers: it writes their calls down, and goes wrong when told.

Both emulators have it, in the process and over HTTP below ``/_control/`` (see :class:`Remote`).
"""

from __future__ import annotations

import json
import ssl
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

CONTROL: Final = "/_control/"
PATIENCE_S: Final = 60.0

When = Literal["before", "after"]
Act = Literal["cut", "error", "block"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at one call, once.

    Args:
        at: At which call from now on; 0 is the next. Only calls of ``operation`` count, if given.
        when: Before the cloud did it, or after, when only its answer is lost.
        act: ``cut`` the connection; answer an ``error`` (its code in ``error``); or ``block``
            until ``release`` is told, and then cut: meanwhile the caller can be killed.
        operation: ``RunInstances``, ``virtualMachines PUT``: the emulator's word for a call.
        error: The cloud's code of an error, with act ``error``.
    """

    at: int = 0
    when: When = "before"
    act: Act = "cut"
    operation: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the emulator does with a call: nothing, or one of these."""

    cut: bool = False
    error: str = ""


WELL: Final = Told()


@dataclass
class Hooks:
    """The calls so far, and the faults that wait for theirs.

    What an SDK tries again by itself is one call: it carries the same ``invocation``.
    """

    calls: list[str] = field(default_factory=list)
    waiting: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Condition()
        self._armed: list[tuple[Fault, int]] = []
        self._seen: set[str] = set()
        self._released = 0
        self._due: dict[int, Fault] = {}

    def begins(self, operation: str, *, invocation: str = "") -> tuple[int, Told]:
        """A call came; its number (for :meth:`ends`), and what is done to it."""
        with self._lock:
            number = len(self.calls)
            if invocation and invocation in self._seen:
                return -1, WELL
            if invocation:
                self._seen.add(invocation)
            self.calls.append(operation)
            due = self._count_off(operation)
            if due is None:
                return number, WELL
            if due.when == "after":
                self._due[number] = due
                return number, WELL
        return number, self._strike(due)

    def ends(self, number: int) -> Told:
        """A call was done; what becomes of its answer."""
        with self._lock:
            due = self._due.pop(number, None)
        return self._strike(due) if due else WELL

    def arm(self, fault: Fault) -> None:
        """Let something go wrong."""
        with self._lock:
            self._armed.append((fault, fault.at))

    def disarm(self) -> None:
        """Forget what has not gone wrong yet, and release who is blocked."""
        with self._lock:
            self._armed.clear()
            self._due.clear()
        self.release()

    def release(self) -> None:
        """Let those that are blocked go on: their connections are cut."""
        with self._lock:
            self._released += 1
            self._lock.notify_all()

    def forget(self) -> None:
        """As at the beginning."""
        self.disarm()
        with self._lock:
            self.calls.clear()
            self._seen.clear()

    def control(self, verb: str, asked: dict[str, Any]) -> Any:
        """What is told over HTTP: ``calls``, ``waiting``, ``arm``, ``disarm``, ``release``."""
        if verb == "calls":
            with self._lock:
                return list(self.calls)
        if verb == "waiting":
            return self.waiting
        if verb == "arm":
            return self.arm(Fault(**asked))
        does: dict[str, Callable[[], None]] = {
            "disarm": self.disarm, "release": self.release, "forget": self.forget,
        }  # fmt: skip
        return does[verb]()

    def _count_off(self, operation: str) -> Fault | None:
        due: Fault | None = None
        kept: list[tuple[Fault, int]] = []
        for fault, left in self._armed:
            if fault.operation and fault.operation != operation:
                kept.append((fault, left))
            elif left > 0 or due is not None:
                kept.append((fault, max(0, left - 1)))
            else:
                due = fault
        self._armed = kept
        return due

    def _strike(self, fault: Fault) -> Told:
        if fault.act == "error":
            return Told(error=fault.error)
        if fault.act == "block":
            with self._lock:
                self.waiting += 1
                until = self._released + 1
                self._lock.wait_for(lambda: self._released >= until, PATIENCE_S)
                self.waiting -= 1
        return Told(cut=True)


class Remote:
    """The hooks of an emulator in another process.

    Args:
        address: The emulator's, ``http://127.0.0.1:4566``.
        ca: The file of the authority that it is known by, when it speaks TLS.
    """

    def __init__(self, address: str, *, ca: str = "") -> None:
        self.address = address.rstrip("/")
        self._ca = ca

    def calls(self) -> list[str]:
        """The calls so far."""
        found = self.ask("calls")
        assert isinstance(found, list)
        return found

    def waiting(self) -> int:
        """How many calls are blocked at the moment."""
        return int(self.ask("waiting"))

    def arm(self, fault: Fault) -> None:
        """Let something go wrong."""
        self.ask("arm", **asdict(fault))

    def disarm(self) -> None:
        """Forget what has not gone wrong yet."""
        self.ask("disarm")

    def release(self) -> None:
        """Let those that are blocked go on."""
        self.ask("release")

    def ask(self, verb: str, **asked: Any) -> Any:
        """Tell the emulator anything."""
        request = urllib.request.Request(
            self.address + CONTROL + verb,
            json.dumps(asked).encode(),
            {"Content-Type": "application/json"},
        )
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self._ca:
            context = ssl.create_default_context(cafile=self._ca)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        direct = urllib.request.build_opener(*handlers)
        with direct.open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)
