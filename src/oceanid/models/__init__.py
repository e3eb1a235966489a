"""The tables: what is wanted of each job, and what was observed."""

from oceanid.models.account import CloudAccount
from oceanid.models.audit import AuditEvent
from oceanid.models.bulk import BulkAction, BulkResult, BulkState, BulkVerb
from oceanid.models.cluster import Cluster
from oceanid.models.delivery import Delivery, DeliveryState, Webhook
from oceanid.models.event import EventKind, JobEvent
from oceanid.models.gone import JobGone
from oceanid.models.job import Job, JobQuerySet, job_class, job_types, register_job_class
from oceanid.models.machine import (
    ClusterEvent,
    ClusterLaunch,
    ClusterNode,
    FoundEstate,
    PriceTable,
)
from oceanid.models.notice import (
    Channel,
    JobWatch,
    Notice,
    NoticeKind,
    NoticePreference,
    Outbox,
    Subject,
)
from oceanid.models.scheduler import AppScheduler, Scheduler, SchedulerEvent
from oceanid.models.settings import Part, Setting
from oceanid.models.share import JobShare, ShareRight
from oceanid.models.supervision import Lease, SupervisorBeat
from oceanid.models.tail import TailWish
from oceanid.models.tally import Depth, FailureTally, Standing, Tally
from oceanid.models.task import Batch, Task, TaskRole
from oceanid.models.view import SavedView
from oceanid.models.workflow import WorkflowEdge, WorkflowNode

__all__ = [
    "AppScheduler",
    "AuditEvent",
    "Batch",
    "BulkAction",
    "BulkResult",
    "BulkState",
    "BulkVerb",
    "Channel",
    "CloudAccount",
    "Cluster",
    "ClusterEvent",
    "ClusterLaunch",
    "ClusterNode",
    "Delivery",
    "DeliveryState",
    "Depth",
    "EventKind",
    "FailureTally",
    "FoundEstate",
    "Job",
    "JobEvent",
    "JobGone",
    "JobQuerySet",
    "JobShare",
    "JobWatch",
    "Lease",
    "Notice",
    "NoticeKind",
    "NoticePreference",
    "Outbox",
    "Part",
    "PriceTable",
    "SavedView",
    "Scheduler",
    "SchedulerEvent",
    "Setting",
    "ShareRight",
    "Standing",
    "Subject",
    "SupervisorBeat",
    "TailWish",
    "Tally",
    "Task",
    "TaskRole",
    "Webhook",
    "WorkflowEdge",
    "WorkflowNode",
    "job_class",
    "job_types",
    "register_job_class",
]
