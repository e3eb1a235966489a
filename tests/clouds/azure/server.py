"""The small Azure as a server: TLS, a tenant that gives tokens, ARM, and a door for the tests."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import threading
import traceback
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from oceanid.clouds.azure.role import NEEDED
from tests.clouds.azure import rights, routes
from tests.clouds.azure.answers import Answer, Asked, refusal
from tests.clouds.azure.authority import Authority
from tests.clouds.azure.machines import MACHINES, evicted
from tests.clouds.azure.tls import own_authority
from tests.clouds.azure.world import SUBSCRIPTION, Refused, World
from tests.clouds.booter import Booter


@dataclass
class Hook:
    """What happens once, at a call that is counted off.

    Args:
        act: ``cut`` the connection; ``refuse`` with an error; ``block`` until released;
            ``kill`` the process ``pid``, and cut.
        skip: How many calls that match go well before.
        done: Whether the cloud does what was asked first.
        match: Only calls whose ``METHOD path`` it matches are counted.
        status, code, told, retry_after: The error.
        pid: Whom to kill.
        times: How often it happens.
    """

    act: str
    skip: int = 0
    done: bool = False
    match: str = ""
    status: int = 500
    code: str = "InternalServerError"
    told: str = ""
    retry_after: int | None = None
    pid: int = 0
    times: int = 1


@dataclass
class SmallAzure:
    """The server.

    Args:
        folder: Where its certificates go; ``ca.pem`` is what clients must trust.
        booter: What boots its machines.
        port: Where it listens; 0 for any.
    """

    folder: Path
    booter: Booter | None = None
    port: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    allowed: list[str] = field(default_factory=lambda: list(NEEDED))

    def __post_init__(self) -> None:
        self.world = World(self.booter)
        self.authority = Authority()
        self.released = threading.Event()
        self.blocked = threading.Event()
        self.is_silent = False
        self.ca, chain = own_authority(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Be no more."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def know(self, pem: bytes) -> None:
        """Upload a certificate to the app registration."""
        self.authority.know(pem)

    def asked(self) -> list[str]:
        """The calls of ARM so far."""
        return [each["call"] for each in self.calls]

    def remains(self) -> list[str]:
        """Everything that exists: kind and id."""
        with self.world.lock:
            self.world.settle()
            found = [f"resource-group {each.name}" for each in self.world.groups.values()]
            kinds = [(each.kind.rpartition("/")[2], each) for each in self.world.things.values()]
            return found + [f"{kind} {each.id}" for kind, each in kinds]

    def arm(self, hook: Hook) -> None:
        """Let something happen at a call to come."""
        with self.world.lock:
            self.hooks.append(hook)

    def disarm(self) -> None:
        """Let nothing happen any more."""
        with self.world.lock:
            self.hooks.clear()

    def due(self, line: str) -> Hook | None:
        """The hook that strikes this call."""
        with self.world.lock:
            for hook in self.hooks:
                if re.search(hook.match, line):
                    if hook.skip == 0:
                        hook.times -= 1
                        if hook.times == 0:
                            self.hooks.remove(hook)
                        return hook
                    hook.skip -= 1
        return None

    def arm_answers(self, asked: Asked) -> Answer:
        """Do what was asked of ARM, as far as the role goes."""
        inside = asked.path.removeprefix("/subscriptions/")
        subscription, _, rest = inside.partition("/")
        rest = f"/{rest}" if rest else ""
        world = self.world
        with world.lock:
            world.settle()
            try:
                if asked.headers.get("authorization") != f"Bearer {self.authority.token_given}":
                    raise Refused(401, "AuthenticationFailed")
                if subscription != SUBSCRIPTION:
                    raise Refused(404, "SubscriptionNotFound")
                if "api-version" not in asked.query:
                    raise Refused(400, "MissingApiVersionParameter")
                rights.refuse(asked, self.allowed)
                if rest.endswith("/providers/Microsoft.Authorization/permissions"):
                    return Answer(200, rights.permissions(self.allowed))
                return routes.answer(world, asked, rest)
            except Refused as refused:
                return refusal(refused)
            finally:
                world.settle()

    def control(self, what: str, body: dict[str, Any]) -> Any:
        """What the tests ask: see ``tests.clouds.azure.client``."""
        world = self.world
        with world.lock:
            if what == "calls":
                return self.calls
            if what == "remains":
                return self.remains()
            if what == "hook":
                self.released.clear()
                self.blocked.clear()
                self.hooks.append(Hook(**body))
            elif what == "disarm":
                self.hooks.clear()
            elif what == "set":
                for name, value in body.items():
                    setattr(world, name, set(value) if isinstance(value, list) else value)
            elif what == "allow":
                self.allowed = list(NEEDED if body["actions"] is None else body["actions"])
            elif what == "know":
                self.authority.know(body["pem"].encode())
            elif what == "evict":
                evicted(world, body["name"])
            elif what == "power":
                self._power(**body)
            elif what == "blocked":
                return self.blocked.is_set()
            elif what == "release":
                self.released.set()
            else:
                raise KeyError(what)
        return None

    def _power(self, name: str, power: str) -> None:
        """A machine changes its power from inside, which its record does not show."""
        for each in self.world.things.values():
            if each.kind == MACHINES and each.name == name:
                each.hidden["power"] = power


def _handler(azure: SmallAzure) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # one packet an answer
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            if azure.is_silent:
                azure.released.wait()
                self.close_connection = True
            elif parts.path.startswith("/_/"):
                told = json.loads(body or b"{}")
                self._answer(Answer(200, {"found": azure.control(parts.path[3:], told)}))
            elif parts.path.startswith("/blobs/"):
                name = parts.path.split("/")[2]
                text = azure.world.booter.console(name)
                self._answer(Answer(200, text) if text else Answer(404, ""))
            elif parts.path.startswith("/subscriptions/"):
                query = dict(parse_qsl(parts.query))
                headers = {name.lower(): value for name, value in self.headers.items()}
                told = json.loads(body) if body else None
                self._arm(Asked(self.command, parts.path, query, told, headers, azure.address))
            else:
                self._answer(azure.authority.answer(azure.address, parts.path, body))

        def _arm(self, asked: Asked) -> None:
            line = f"{asked.method} {asked.path}"
            call = {"call": line, "status": 0}
            with azure.world.lock:
                azure.calls.append(call)
            hook = azure.due(line)
            if hook is not None and not hook.done and not self._strike(hook):
                return
            answer = azure.arm_answers(asked)
            call["status"] = answer.status
            if hook is not None and hook.done and not self._strike(hook):
                return
            self._answer(answer)

        def _strike(self, hook: Hook) -> bool:
            """Let it happen; whether the call goes on."""
            if hook.act == "block":
                azure.blocked.set()
                azure.released.wait(60)
                return True
            if hook.act == "refuse":
                refused = Refused(hook.status, hook.code, hook.told, hook.retry_after)
                self._answer(refusal(refused))
                return False
            if hook.act == "kill":
                os.kill(hook.pid, signal.SIGKILL)
            self.close_connection = True
            return False

        def _answer(self, answer: Answer) -> None:
            is_text = isinstance(answer.body, str)
            data = b"" if answer.body is None else (
                answer.body.encode() if is_text else json.dumps(answer.body).encode()
            )  # fmt: skip
            self.send_response(answer.status)
            kind = "text/plain" if is_text else "application/json; charset=utf-8"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("x-ms-request-id", uuid.uuid4().hex)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _guarded(self) -> None:
            try:
                self._serve()
            except (ConnectionError, ssl.SSLError):
                self.close_connection = True
            except Exception:  # noqa: BLE001
                traceback.print_exc()  # a fault of the fake's own; the client sees a cut
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _guarded

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler
