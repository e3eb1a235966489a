"""Addresses of the tests' site."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls)]
if find_spec("oceanid.urls") is not None:
    urlpatterns.append(path("compute/", include("oceanid.urls")))
