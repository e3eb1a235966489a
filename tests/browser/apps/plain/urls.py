"""The app's addresses."""

from __future__ import annotations

from django.urls import path

from plain import views

app_name = "plain"
urlpatterns = [
    path("", views.index, name="index"),
    path("<int:job_id>/", views.details, name="details"),
]
