"""Places for faults to happen in, on each database that is there, and the figures at the end."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.faults.figures import Figures
from tests.faults.place import Place

HERE = Path(__file__).parent
ON_A_POOL = HERE / "condor"
SEED = os.environ.get("OCEANID_FAULT_SEED") or str(secrets.randbelow(10**6))
ROUNDS = int(os.environ.get("OCEANID_FAULT_ROUNDS", "30"))
KEY = pytest.StashKey[Figures]()
QUICK = """
[OCEANID.SUPERVISOR]
LEASE_S = 3.0
BEAT_S = 0.5
POLL_S = 0.02
SWEEP_S = 2.0
[OCEANID.LOCAL]
CPUS = 6
DISK_RESERVE_MIB = 1
"""

MakePlace = Callable[..., Place]


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no figures."""
    config.stash[KEY] = Figures(SEED)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here is slow, and runs by a command of its own: on this machine, on a pool."""
    for item in items:
        if ON_A_POOL in item.path.parents:
            item.add_marker(pytest.mark.condor_faults)
        elif HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many rounds as were asked for."""
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(ROUNDS))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures."""
    figures = config.stash[KEY]
    if figures.rounds or figures.takeovers or figures.notes:
        terminalreporter.section("faults")
        for line in figures.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where tests write down what they measured."""
    return pytestconfig.stash[KEY]


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def database(request: pytest.FixtureRequest) -> str:
    """The name of the database on which the test runs."""
    return str(request.param)


@pytest.fixture
def make_place(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakePlace]:
    """Makes homes for one test, each with a database of its own."""
    with _making(database, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="module")
def lasting_place(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One home for all tests of a module, so that each finds what the earlier ones left."""
    with _making(database, tmp_path_factory) as make:
        place = make()
        place.migrate()
        yield place


@contextmanager
def _making(database: str, folders: pytest.TempPathFactory) -> Iterator[MakePlace]:
    with ExitStack() as ending:

        def make(*, settings: str = QUICK, paths: tuple[Path, ...] = ()) -> Place:
            address = ""
            if database == "postgresql":
                address, drop = _new_database()
                ending.callback(drop)
            folder = folders.mktemp("place")
            place = Place(folder, database=address, settings=settings, paths=paths)
            ending.callback(place.close)
            return place

        yield make


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Chance that the seed repeats, another for each test."""
    return random.Random(f"{SEED} {request.node.name}")


def _new_database() -> tuple[str, Callable[[], None]]:
    import psycopg

    server = os.environ["OCEANID_TEST_POSTGRES"]
    name = f"faults_{secrets.token_hex(6)}"

    def run(statement: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    run(f"CREATE DATABASE {name}")
    address = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    return address, lambda: run(f"DROP DATABASE {name} WITH (FORCE)")
