"""The section of the site admin."""

from contextlib import suppress

from django.apps import apps
from django.contrib import admin

from oceanid import conf
from oceanid.admin.accounts import CloudAccountAdmin
from oceanid.admin.audit import AuditAdmin
from oceanid.admin.clusters import ClusterAdmin
from oceanid.admin.jobs import JobAdmin
from oceanid.admin.order import arrange
from oceanid.admin.schedulers import AppSchedulerAdmin, SchedulerAdmin
from oceanid.admin.settings import SettingAdmin
from oceanid.errors import InvalidSettings

with suppress(InvalidSettings):  # the system checks tell of it
    apps.get_app_config("oceanid").verbose_name = conf.current().admin_title
arrange(admin.site)

__all__ = [
    "AppSchedulerAdmin",
    "AuditAdmin",
    "CloudAccountAdmin",
    "ClusterAdmin",
    "JobAdmin",
    "SchedulerAdmin",
    "SettingAdmin",
]
