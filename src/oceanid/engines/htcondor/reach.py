"""The shell that a scheduler record's options lead to."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from oceanid.engines.htcondor.shell import LocalShell, Shell, Target
from oceanid.errors import EngineError


def shell_of(config: Mapping[str, Any], secrets: Mapping[str, str]) -> Shell:
    """A shell of the machine that ``host`` names, over SSH; of this one when it names none.

    Options beside those of :meth:`Target.of`: ``environment`` (an object of variables, such as
    ``CONDOR_CONFIG``) and ``path`` (a list of folders that go before PATH).

    Raises:
        EngineError: An option can't be used, or asyncssh is not installed.
    """
    environment = config.get("environment") or {}
    path = config.get("path") or []
    if not isinstance(environment, Mapping) or not isinstance(path, list | tuple):
        raise EngineError(
            "“environment” must be an object of variables and “path” a list of folders.",
            code="bad-option",
        )
    variables = {str(name): str(value) for name, value in environment.items()}
    folders = [str(folder) for folder in path]
    if not str(config.get("host", "")).strip():
        return LocalShell(environment=variables, path=folders)
    if find_spec("asyncssh") is None:
        raise EngineError(
            "A pool over SSH needs asyncssh.",
            hint="Install it: pip install 'oceanid[ssh]'.",
            code="ssh-missing",
        )
    from oceanid.engines.htcondor.shell.ssh import SshShell

    return SshShell(Target.of(config, secrets), environment=variables, path=folders)
