"""The web server's process: serves the portal on a socket that `oceanid up` has opened."""

from __future__ import annotations

import argparse
import socket
import sys

import uvicorn

from oceanid.orphans import end_with_parent

STREAMS_GRACE_S = 2


def main() -> int:
    """Serve until SIGTERM or SIGINT; open streams are cut after two seconds."""
    parser = argparse.ArgumentParser(prog="oceanid.portal.serve")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket")
    given = parser.parse_args()
    end_with_parent()
    listening = socket.socket(fileno=given.fd)
    config = uvicorn.Config(
        "oceanid.portal.asgi:application",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STREAMS_GRACE_S,
        forwarded_allow_ips="127.0.0.1,::1",
    )
    uvicorn.Server(config).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
