"""The small Azure as a server: TLS, a tenant that gives tokens, ARM, and a door for the tests."""

from __future__ import annotations

import json
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
from tests.clouds.hooks import CONTROL, Fault, Hooks

ENDS_WITHIN_S = 0.02
ERRORS = {
    "AuthorizationFailed": Refused(403, "AuthorizationFailed"),
    "ScopeLocked": Refused(409, "ScopeLocked", "The scope can't be deleted: it is locked."),
    "TooManyRequests": Refused(429, "TooManyRequests", "Slow down.", retry_after=17),
    "InternalServerError": Refused(500, "InternalServerError"),
    "SkuNotAvailable": Refused(409, "SkuNotAvailable", "The size is not available in westeurope."),
    "QuotaExceeded": Refused(409, "QuotaExceeded", "The quota of cores is used up."),
    "Strange": Refused(409, "Strange"),
}
"""What a fault may answer, by its word."""


@dataclass
class SmallAzure:
    """The server.

    Args:
        folder: Where its certificates go; ``ca.pem`` is what clients must trust.
        booter: What boots its machines.
        port: Where it listens; 0 for any.
        allowed: The actions of the app's role.
    """

    folder: Path
    booter: Booter | None = None
    port: int = 0
    allowed: list[str] = field(default_factory=lambda: list(NEEDED))

    def __post_init__(self) -> None:
        self.world = World(self.booter)
        self.hooks = Hooks()
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.authority = Authority()
        self.released = threading.Event()
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
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(ENDS_WITHIN_S,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Be no more."""
        self.released.set()
        self.hooks.disarm()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def know(self, pem: bytes) -> None:
        """Upload a certificate to the app registration."""
        self.authority.know(pem)

    def remains(self) -> list[str]:
        """Everything that exists: kind and id."""
        with self.world.lock:
            self.world.settle()
            found = [f"resource-group {each.name}" for each in self.world.groups.values()]
            kinds = [(each.kind.rpartition("/")[2], each) for each in self.world.things.values()]
            return found + [f"{kind} {each.id}" for kind, each in kinds]

    def arm_answers(self, asked: Asked) -> Answer:
        """Do what was asked of ARM, as far as the role goes."""
        inside = asked.path.removeprefix("/subscriptions/")
        subscription, _, rest = inside.partition("/")
        rest = f"/{rest}" if rest else ""
        world = self.world
        with world.lock:
            self.lines.append(f"{asked.method} {asked.path}")
            world.settle()
            try:
                if asked.headers.get("authorization") != f"Bearer {self.authority.token_given}":
                    raise Refused(401, "AuthenticationFailed")
                if subscription != SUBSCRIPTION:
                    raise Refused(404, "SubscriptionNotFound")
                if "api-version" not in asked.query:
                    raise Refused(400, "MissingApiVersionParameter")
                rights.refuse(asked, self.allowed)
                self.used.update(rights.actions(asked))
                if rest.endswith("/providers/Microsoft.Authorization/permissions"):
                    return Answer(200, rights.permissions(self.allowed))
                return routes.answer(world, asked, rest)
            except Refused as refused:
                return refusal(refused)
            finally:
                world.settle()

    def control(self, verb: str, body: dict[str, Any]) -> Any:
        """What the tests ask: the verbs of :class:`tests.clouds.hooks.Hooks`, and ``remains``,
        ``set`` (of :class:`World`), ``allow``, ``know``, ``evict``, ``power``."""
        world = self.world
        own = {"remains", "set", "allow", "know", "evict", "power"}
        if verb not in own:
            return self.hooks.control(verb, body)  # it may wait: without the world's lock
        with world.lock:
            if verb == "remains":
                return self.remains()
            if verb == "set":
                for name, value in body.items():
                    setattr(world, name, set(value) if isinstance(value, list) else value)
            elif verb == "allow":
                self.allowed = list(NEEDED if body["actions"] is None else body["actions"])
            elif verb == "know":
                self.authority.know(body["pem"].encode())
            elif verb == "evict":
                evicted(world, body["name"])
            else:
                self._power(**body)
        return None

    def _power(self, name: str, power: str) -> None:
        """A machine changes its power from inside, which its record does not show."""
        for each in self.world.things.values():
            if each.kind == MACHINES and each.name == name:
                each.hidden["power"] = power


def operation_of(asked: Asked) -> str:
    """The word for a call: the type that is asked for, and how; ``virtualMachines PUT``."""
    words = asked.path.strip("/").split("/")[2:]
    if "providers" in words:
        words = words[words.index("providers") + 2 :]
        words = words[2:] if words[:1] == ["locations"] else words
    kind = words[0] if words else "subscriptions"
    kind = "resourceGroups" if kind == "resourcegroups" else kind  # the SDK writes both
    action = f"/{words[2]}" if len(words) == 3 else ""
    return f"{kind}{action} {asked.method}"


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
            elif parts.path.startswith(CONTROL):
                told = json.loads(body or b"{}")
                verb = parts.path.removeprefix(CONTROL)
                self._answer(Answer(200, azure.control(verb, told)), always=True)
            elif parts.path.startswith("/blobs/"):
                text = azure.world.booter.console(parts.path.split("/")[2])
                self._answer(Answer(200, text) if text else Answer(404, ""))
            elif parts.path.startswith("/subscriptions/"):
                query = dict(parse_qsl(parts.query))
                headers = {name.lower(): value for name, value in self.headers.items()}
                told = json.loads(body) if body else None
                self._arm(Asked(self.command, parts.path, query, told, headers, azure.address))
            else:
                self._answer(azure.authority.answer(azure.address, parts.path, body))

        def _arm(self, asked: Asked) -> None:
            number, told = azure.hooks.begins(operation_of(asked))
            answer = None
            if not told.cut and not told.error:
                answer = azure.arm_answers(asked)
                told = azure.hooks.ends(number)
            if told.cut:
                self.close_connection = True
            elif told.error:
                self._answer(refusal(ERRORS[told.error]))
            elif answer is not None:
                self._answer(answer)

        def _answer(self, answer: Answer, *, always: bool = False) -> None:
            data, kind = b"", "application/json; charset=utf-8"
            if isinstance(answer.body, str) and not always:
                data, kind = answer.body.encode(), "application/octet-stream"
            elif answer.body is not None or always:
                data = json.dumps(answer.body).encode()
            self.send_response(answer.status)
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


def fault(at: int = 0, *, after: bool = False, error: str = "", operation: str = "") -> Fault:
    """A cut, or an error, at one call."""
    return Fault(
        at=at, when="after" if after else "before", act="error" if error else "cut",
        error=error, operation=operation,
    )  # fmt: skip
