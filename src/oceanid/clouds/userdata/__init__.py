"""What machines boot with: cloud-init's user-data for a cluster's master and its workers."""

from __future__ import annotations

from oceanid.clouds.userdata.plans import MasterPlan, WorkerPlan
from oceanid.errors import UnsupportedCapability


def rendered(plan: MasterPlan | WorkerPlan) -> str:
    """The user-data of a plan, as text of at most 16 KiB."""
    raise UnsupportedCapability(f"This version has no user-data for {type(plan).__name__} yet.")
