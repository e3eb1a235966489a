"""Machines for the tests: a master that works alone, and one with two workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.clouds.vms.booter import VmBooter
from tests.clouds.vms.cluster import Cluster


@dataclass(frozen=True)
class Grown:
    """A cluster whose master does not work, with the ids of its workers."""

    cluster: Cluster
    workers: tuple[str, ...]

    @property
    def addresses(self) -> set[str]:
        """The workers' private addresses."""
        return {self.cluster.machine(each).address for each in self.workers}


@pytest.fixture(scope="session")
def booter() -> Iterator[VmBooter]:
    with VmBooter() as made:
        yield made


@pytest.fixture(scope="session")
def alone(booter: VmBooter) -> Cluster:
    """A cluster of size 1."""
    made = Cluster(booter, "alone", works=True)
    made.wait(made.master_id)
    return made


@pytest.fixture(scope="session")
def grown(booter: VmBooter) -> Grown:
    """A cluster of size 3."""
    made = Cluster(booter, "grown", works=False)
    made.wait(made.master_id)
    workers = made.grow(2)
    made.wait(*workers)
    return Grown(made, tuple(workers))
