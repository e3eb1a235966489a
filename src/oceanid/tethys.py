"""What a Tethys Portal's configuration points to: a list of URL patterns.

In ``portal_config.yml``::

    settings:
      INSTALLED_APPS: [oceanid]
      OCEANID: {ADMIN_TITLE: Tethys Compute (Oceanid)}
      TETHYS_PORTAL_CONFIG:
        ADDITIONAL_URLPATTERNS: [oceanid.tethys.urlpatterns]
"""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [path("compute/", include("oceanid.urls"))]
