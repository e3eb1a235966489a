"""Amazon keeps the clouds' contract, with no more rights than the documentation gives."""

from __future__ import annotations

from pathlib import Path

from oceanid.clouds.testing import CloudContract, Stage
from tests.contract.clouds.amazon_stage import AmazonStage


class TestAmazonCloud(CloudContract):
    """Every rule of the suite."""

    def make_stage(self, tmp_path: Path) -> Stage:
        return AmazonStage()


class TestAmazonWhereNamesAreKept(CloudContract):
    """The same in the region in which the names of all clusters are reserved."""

    def make_stage(self, tmp_path: Path) -> Stage:
        return AmazonStage(config={"region": "us-east-1"})
