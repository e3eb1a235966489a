"""The directory in which an embedded portal keeps its state, and what lies where in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from oceanid.errors import InvalidSettings, OceanidError

VARIABLE = "OCEANID_HOME"


class HomeUnusable(OceanidError):
    """The state directory can't be made, or can't be written."""

    code = "home-unusable"

    def __init__(self, path: Path, problem: OSError) -> None:
        super().__init__(
            "The portal's state can't be kept in {path}: {problem}.",
            hint="Give it to this account, or name another directory in {variable}.",
            path=path,
            problem=problem.strerror or problem,
            variable=VARIABLE,
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A portal that runs on a home right now.

    Args:
        pid: The process that keeps web server and supervisor alive.
        address: Where its pages are.
    """

    pid: int
    address: str


@dataclass(frozen=True, slots=True)
class Home:
    """One portal's state directory."""

    path: Path

    @classmethod
    def resolve(cls, given: str | Path | None = None) -> Home:
        """The home that is given, else that of ``OCEANID_HOME``, else the user's own.

        The user's own is ``oceanid`` under ``XDG_DATA_HOME``.
        """
        chosen = given or os.environ.get(VARIABLE) or _users_own()
        return cls(Path(chosen).expanduser().resolve())

    def make(self) -> Home:
        """Make the directory, for its owner's eyes only. Idempotent.

        Raises:
            HomeUnusable: It can't be made, or this account can't write in it.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # To ask is not enough: a full disk or a read-only one shows when it is written.
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as problem:
            raise HomeUnusable(self.path, problem) from problem
        return self

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "db.sqlite3"

    @property
    def data(self) -> Path:
        """Job directories and engines' spools."""
        return self.path / "oceanid"

    @property
    def password_file(self) -> Path:
        """The administrator's first password, until it is changed."""
        return self.path / "first-password"

    def settings(self) -> Mapping[str, Any]:
        """What ``settings.toml`` in the home says; empty when there is none.

        Raises:
            InvalidSettings: The file is not TOML.
        """
        file = self.path / "settings.toml"
        try:
            with file.open("rb") as stream:
                return tomllib.load(stream)
        except FileNotFoundError:
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise InvalidSettings(
                "{file} can't be read: {problem}.", file=file, problem=problem
            ) from problem

    def secret_key(self) -> str:
        """The site's secret key; made on first use, readable by its owner alone.

        Safe when several processes ask at once: one makes it, all read the same.
        """
        file = self.make().path / "secret-key"
        if not file.exists():
            fresh = file.with_name(f".secret-key.{os.getpid()}")
            write_private(fresh, secrets.token_urlsafe(64))
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)
            fresh.unlink()
        return file.read_text().strip()

    @contextlib.contextmanager
    def hold(self) -> Iterator[bool]:
        """Hold the home for one running portal; yields False when another holds it."""
        with (self.make().path / "up.lock").open("a") as lock:
            # Another process that only asks who runs here holds the lock for a moment.
            for _ in range(10):
                if _locked(lock, fcntl.LOCK_EX):
                    # One that was killed left its word behind; it must not pass for ours.
                    self.withdraw()
                    yield True
                    return
                time.sleep(0.05)
            yield False

    def running(self) -> Running | None:
        """The portal that runs on this home now, or None.

        One that starts at this moment has no address yet, and its process number is 0.
        """
        try:
            with (self.path / "up.lock").open() as lock:
                if _locked(lock, fcntl.LOCK_SH):
                    return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            raise HomeUnusable(self.path, problem) from problem
        try:
            told = json.loads((self.path / "up.json").read_text())
            return Running(pid=int(told["pid"]), address=str(told["address"]))
        except (OSError, ValueError, KeyError):
            return Running(pid=0, address="")

    def announce(self, address: str) -> None:
        """Leave word of who runs here and where; only the holder calls this."""
        fresh = self.path / f".up.json.{os.getpid()}"
        write_private(fresh, json.dumps({"pid": os.getpid(), "address": address}))
        fresh.replace(self.path / "up.json")

    def withdraw(self) -> None:
        """Take back what :meth:`announce` left. Idempotent."""
        (self.path / "up.json").unlink(missing_ok=True)


def _locked(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, never readable by others in between."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)


def _users_own() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "oceanid"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "oceanid"
