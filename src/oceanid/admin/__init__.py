"""The section of the site admin."""

from contextlib import suppress

from django.apps import apps

from oceanid import conf
from oceanid.admin.audit import AuditAdmin
from oceanid.admin.jobs import JobAdmin
from oceanid.admin.schedulers import AppSchedulerAdmin, SchedulerAdmin
from oceanid.errors import InvalidSettings

with suppress(InvalidSettings):  # the system checks tell of it
    apps.get_app_config("oceanid").verbose_name = conf.current().admin_title

__all__ = ["AppSchedulerAdmin", "AuditAdmin", "JobAdmin", "SchedulerAdmin"]
