"""A supervisor in this process, for `oceanid supervise` and `manage.py oceanid_supervisor`."""

from __future__ import annotations

from oceanid.orphans import end_with_parent


def run() -> int:
    """Supervise until SIGTERM or SIGINT; jobs run on."""
    end_with_parent()
    from oceanid.supervisor.main import run as supervise

    return supervise()
