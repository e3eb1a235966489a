"""Machines that really boot, on one Linux machine: Debian, systemd, cloud-init and HTCondor."""
