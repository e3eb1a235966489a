"""What machines boot with: cloud-init's user-data for a cluster's master and its workers."""

from __future__ import annotations

from oceanid.clouds.userdata.cloudconfig import domain_of, master_user_data, worker_user_data
from oceanid.clouds.userdata.plans import KEEPER, SUBMITTER, MasterPlan, WorkerPlan

__all__ = [
    "KEEPER",
    "SUBMITTER",
    "MasterPlan",
    "WorkerPlan",
    "domain_of",
    "master_user_data",
    "rendered",
    "worker_user_data",
]


def rendered(plan: MasterPlan | WorkerPlan) -> str:
    """The user-data of a plan, as text of at most 16 KiB.

    Raises:
        InvalidValue: A value of the plan can't be used.
    """
    return master_user_data(plan) if isinstance(plan, MasterPlan) else worker_user_data(plan)
