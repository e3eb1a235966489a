"""An emulated Amazon: judges, answers and forgets nothing; served over HTTP on the loopback."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Final
from xml.sax.saxutils import escape

from tests.clouds.amazon.knobs import Knobs
from tests.clouds.amazon.region import Refusal, Region
from tests.clouds.amazon.requests import Request, read
from tests.clouds.amazon.rights import missing_right
from tests.clouds.booter import Booter, PaperBooter
from tests.clouds.hooks import CONTROL, Hooks

ROOT_KEY: Final = "AKIA" + "R" * 16
"""Whoever asks with it may do everything: what a test prepares."""
QUOTAS: Final = {"L-1216C47A": "on-demand", "L-34B43A08": "spot"}
STATUS: Final = {
    "RequestLimitExceeded": 503, "InternalError": 500, "ServiceUnavailable": 503,
    "UnauthorizedOperation": 403, "DryRunOperation": 412, "AccessDeniedException": 400,
}  # fmt: skip
ENDS_WITHIN_S: Final = 0.02
_MOTO: Final = threading.RLock()
"""Moto is not made for several threads."""


def shipped_policy() -> Mapping[str, Any]:
    """The policy that the documentation shows."""
    text = files("oceanid.clouds.amazon").joinpath("policy.json").read_text()
    policy: Mapping[str, Any] = json.loads(text)
    return policy


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    kind: str
    body: bytes


class Emulator:
    """An account at Amazon in all its regions.

    Args:
        booter: What boots its machines.
        policy: What its key may do.
    """

    def __init__(
        self, booter: Booter | None = None, policy: Mapping[str, Any] | None = None
    ) -> None:
        self.account = str(secrets.randbelow(9 * 10**11) + 10**11)
        self.booter = booter or PaperBooter()
        self.policy = policy or shipped_policy()
        self.hooks, self.knobs = Hooks(), Knobs()
        self._regions: dict[str, Region] = {}
        self._orders: dict[tuple[str, str], tuple[str, Answer]] = {}
        self._moto = _moto_application()

    def region(self, name: str) -> Region:
        """One of the regions."""
        with _MOTO:
            if name not in self._regions:
                self._regions[name] = Region(self.account, name, self.booter, self.knobs)
            return self._regions[name]

    def remains(self) -> list[str]:
        """All that was not there at the beginning: kind and id."""
        with _MOTO:
            return sorted(
                f"{kind} {id_}"
                for region in self._regions.values()
                for id_, kind in region.things().items()
                if id_ not in region.beginning
            )

    def answer(self, headers: dict[str, str], body: bytes) -> Answer:
        """Do one request."""
        request = read(headers, body)
        try:
            with _MOTO:
                return self._do(request, headers)
        except Refusal as refusal:
            return refused(request, refusal.code, refusal.message)

    def control(self, verb: str, asked: dict[str, Any]) -> Any:
        """What a test tells over HTTP beside what :class:`Hooks` takes."""
        if verb == "set":
            return self.knobs.set(asked)
        if verb == "account":
            return self.account
        if verb == "remains":
            return self.remains()
        if verb == "reclaim":
            with _MOTO:
                return self.region(asked["region"]).reclaim(asked["machine"])
        return self.hooks.control(verb, asked)

    def _do(self, request: Request, headers: dict[str, str]) -> Answer:
        region = self.region(request.region)
        self._judge(request, region)
        if request.operation == "RunInstances":
            return self._run(request, region, headers)
        if request.is_dry:
            raise Refusal(
                "DryRunOperation", "Request would have succeeded, but DryRun flag is set."
            )
        if request.operation == "GetConsoleOutput":
            id_ = str(request.values["InstanceId"])
            inner = f"<instanceId>{id_}</instanceId><output>{region.console(id_)}</output>"
            return _ec2_answer("GetConsoleOutputResponse", inner)
        if request.operation == "DescribeRegions":
            for number, name in enumerate(self.knobs.regions, 1):
                request.values[f"RegionName.{number}"] = name
        if request.service == "servicequotas":
            kind = QUOTAS[str(request.values["QuotaCode"])]
            quota = {"Quota": {"Value": float(self.knobs.quota[kind])}}
            return Answer(200, "application/x-amz-json-1.1", json.dumps(quota).encode())
        return self._forward(request, region, headers)

    def _judge(self, request: Request, region: Region) -> None:
        if request.operation == "RunInstances":
            region.fill_in(request)
        if request.key == ROOT_KEY and not self.knobs.denied:
            return
        missing = (
            request.action
            if self.knobs.denied
            else missing_right(self.policy, request, region.tags_of)
        )
        if missing:
            code = "UnauthorizedOperation" if request.service == "ec2" else "AccessDeniedException"
            raise Refusal(
                code,
                f"You are not authorized to perform this operation. User: arn:aws:iam::"
                f"{self.account}:user/oceanid is not authorized to perform: {missing} because no "
                "identity-based policy allows it.",
            )

    def _run(self, request: Request, region: Region, headers: dict[str, str]) -> Answer:
        """Once for each token: EC2 user guide, "Ensuring idempotency"."""
        token = (request.region, str(request.values.get("ClientToken", "")))
        print_of = json.dumps(request.values, sort_keys=True)
        if token[1] and token in self._orders and not request.is_dry:
            before, answer = self._orders[token]
            if before != print_of:
                raise Refusal(
                    "IdempotentParameterMismatch",
                    "The client token you have provided is associated with a resource, but the "
                    "parameters have changed.",
                )
            return answer
        region.prepare_run(request)
        if request.is_dry:
            raise Refusal(
                "DryRunOperation", "Request would have succeeded, but DryRun flag is set."
            )
        answer = self._forward(request, region, headers)
        if answer.status == 200 and token[1]:
            self._orders[token] = (print_of, answer)
        return answer

    def _forward(self, request: Request, region: Region, headers: dict[str, str]) -> Answer:
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        body = request.body() if request.service in ("ec2", "sts", "iam") else (
            json.dumps(request.values).encode()
        )  # fmt: skip
        kept = {
            name: value
            for name, value in headers.items()
            if name in ("authorization", "content-type", "x-amz-target", "x-amz-date", "host")
        }
        kept["x-moto-account-id"] = self.account
        environ = EnvironBuilder("/", method="POST", headers=kept, data=body).get_environ()
        region.asked = request
        chunks, status, found = run_wsgi_app(self._moto, environ, buffered=True)
        whole = b"".join(chunks)
        return Answer(int(status.split()[0]), found.get("Content-Type", "text/xml"), whole)


def refused(request: Request, code: str, message: str = "") -> Answer:
    """An error as the service says it."""
    status = STATUS.get(code, 400)
    message = message or f"{code}, as it was told to."
    if request.service == "ec2":
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error>'
            f"<Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
            "<RequestID>emulated</RequestID></Response>"
        )
        return Answer(status, "text/xml", text.encode())
    if request.service in ("sts", "iam"):
        text = (
            f"<ErrorResponse><Error><Code>{code}</Code><Message>{escape(message)}</Message>"
            "</Error></ErrorResponse>"
        )
        return Answer(status, "text/xml", text.encode())
    told = {"__type": code, "message": message}
    return Answer(status, "application/x-amz-json-1.1", json.dumps(told).encode())


def _ec2_answer(name: str, inner: str) -> Answer:
    text = f'<{name} xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">{inner}</{name}>'
    return Answer(200, "text/xml", text.encode())


def _moto_application() -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet an answer: two would wait for each other's acknowledgement
    disable_nagle_algorithm = True
    emulator: Emulator

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(CONTROL):
            asked = json.loads(body or b"{}")
            told = self.emulator.control(self.path.removeprefix(CONTROL), asked)
            self._write(Answer(200, "application/json", json.dumps(told).encode()))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = read(headers, body)
        hooks = self.emulator.hooks
        number, told_before = hooks.begins(request.operation, invocation=request.invocation)
        if told_before.cut:
            self._cut()
        elif told_before.error:
            self._write(refused(request, told_before.error))
        else:
            answer = self.emulator.answer(headers, body)
            told_after = hooks.ends(number)
            if told_after.cut:
                self._cut()
            elif told_after.error:
                self._write(refused(request, told_after.error))
            else:
                self._write(answer)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write(self, answer: Answer) -> None:
        try:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
        except OSError:
            self.close_connection = True  # who asked was killed meanwhile

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@dataclass
class Served:
    """An emulator, and where it is."""

    emulator: Emulator
    address: str
    server: ThreadingHTTPServer

    def close(self) -> None:
        """End it."""
        self.emulator.hooks.disarm()
        self.server.shutdown()
        self.server.server_close()


def serve(emulator: Emulator, *, port: int = 0) -> Served:
    """Serve an emulator in threads of this process."""
    handler = type("Handler", (_Handler,), {"emulator": emulator})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(
        target=server.serve_forever, args=(ENDS_WITHIN_S,), name="amazon", daemon=True
    ).start()
    return Served(emulator, f"http://127.0.0.1:{server.server_address[1]}", server)


@contextmanager
def served(emulator: Emulator) -> Iterator[Served]:
    """Serve it for a while."""
    one = serve(emulator)
    try:
        yield one
    finally:
        one.close()
