"""The metadata service of the machines' cloud: as EC2's version 2, and in short as Azure's.

It runs as a process of its own in the router's namespace, and knows a machine by its address.
"""

from __future__ import annotations

import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import ClassVar, Final

SERVES: Final = "The metadata service serves."


class Service(BaseHTTPRequestHandler):
    """Answers machines about themselves."""

    machines: ClassVar[Path]
    tokens: ClassVar[set[str]] = set()

    def do_PUT(self) -> None:
        """Give a session's token, as EC2's IMDSv2 does."""
        if self.path != "/latest/api/token":
            return self._answer(404)
        if not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
            return self._answer(400)
        token = secrets.token_urlsafe(32)
        self.tokens.add(token)
        return self._answer(200, token.encode())

    def do_GET(self) -> None:
        """Give what a machine may know of itself."""
        if self.path.startswith("/metadata/instance"):
            if self.headers.get("Metadata") != "true":
                return self._answer(400)
        elif self.headers.get("X-aws-ec2-metadata-token") not in self.tokens:
            return self._answer(401)
        folder = self.machines / self.client_address[0]
        match self.path.partition("?")[0]:
            case "/latest/user-data" | "/metadata/instance/compute/userData":
                return self._answer(200, (folder / "user-data").read_bytes())
            case "/latest/meta-data/instance-id" | "/metadata/instance/compute/vmId":
                return self._answer(200, (folder / "id").read_bytes())
        return self._answer(404)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingTCPServer):
    """Serves each machine in a thread of its own.

    An HTTPServer asks for the name of its address before it listens, and where no name server
    answers, that takes many seconds.
    """

    allow_reuse_address = True
    daemon_threads = True


def main(address: str, machines: str) -> None:
    """Serve until killed; the address comes to be while we wait."""
    Service.machines = Path(machines)
    while True:
        try:
            server = Server((address, 80), Service)
        except OSError:
            time.sleep(0.02)
            continue
        sys.stdout.write(f"{SERVES}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
