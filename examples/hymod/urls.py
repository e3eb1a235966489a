"""The app's addresses."""

from __future__ import annotations

from django.urls import path

from hymod import views

app_name = "hymod"
urlpatterns = [
    path("", views.index, name="index"),
    path("<int:job_id>/", views.calibration, name="calibration"),
    path("<int:job_id>/stop/", views.stop, name="stop"),
]
