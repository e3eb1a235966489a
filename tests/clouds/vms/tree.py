"""The Debian tree that all machines boot from, made once: an image as a cloud offers it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.clouds.vms.ground import VmError, run

SUITE: Final = os.environ.get("OCEANID_VMS_SUITE", "trixie")
"""Debian's stable one, or another with a newer HTCondor."""
INCLUDE: Final = (
    "systemd-sysv",
    "mount",
    "passwd",
    "cloud-init",
    "openssh-server",
    "sudo",
    "iproute2",
    "netbase",
    "openssl",
    "ca-certificates",
    "procps",
)
"""What Debian's own cloud images have, as far as a boot from our user-data has to do with it."""
OFFERED: Final = ("condor", "nftables", "openssl")
"""What can be installed in a machine without a network, with all that it needs."""
LEFT_OUT: Final = ("doc", "man", "info", "locale", "i18n", "lintian", "bash-completion")

# The seed is the only source of data, and the machine's network stands before it boots.
_CLOUD: Final = """\
datasource_list: [ NoCloud, None ]
network: { config: disabled }
"""
_DPKG: Final = "force-unsafe-io\nno-debsig\n"
_ARCHIVE: Final = "deb [trusted=yes] file:/srv/archive ./\n"
# What would look for a network or a device that no machine here has.
_MASKED: Final = (
    "systemd-networkd-wait-online.service",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-firstboot.service",
    "systemd-logind.service",
    "systemd-hwdb-update.service",
    "console-getty.service",
    "getty.target",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-kernel-config.mount",
    "sys-fs-fuse-connections.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "modprobe@.service",
)


def build(root: Path) -> Path:
    """The tree below a folder; made if it is not there yet, by one process at a time."""
    root.mkdir(parents=True, exist_ok=True)
    tree = root / f"cloud-{SUITE}-{_version()}"
    with (root / "cloud.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            for former in root.glob(f"cloud-{SUITE}-*"):
                run("rm", "-rf", "--one-file-system", str(former))
            new = root / f"cloud-{SUITE}.new"
            run("rm", "-rf", "--one-file-system", str(new))
            _bootstrap(new, log=root / "cloud-build.log")
            _furnish(new)
            new.rename(tree)
    return tree


def _version() -> str:
    made_of = (INCLUDE, OFFERED, LEFT_OUT, _CLOUD, _DPKG, _ARCHIVE, _MASKED)
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]


def _bootstrap(new: Path, *, log: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise VmError("The machines' tree is made by mmdebstrap: apt-get install mmdebstrap")
    download = (
        f'chroot "$1" apt-get install -qqy --no-install-recommends --download-only '
        f'{" ".join(OFFERED)}; mkdir -p "$1"/srv/archive; '
        'cp "$1"/var/cache/apt/archives/*.deb "$1"/srv/archive/'
    )
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
    with log.open("wb") as told:
        done = subprocess.run(
            [
                "mmdebstrap",
                "--mode=root",
                "--variant=apt",
                "--dpkgopt=force-unsafe-io",
                *excluded,
                '--aptopt=APT::Install-Recommends "false"',
                '--aptopt=Acquire::Languages "none"',
                # Mirrors of suites that move lag behind.
                '--aptopt=Acquire::Check-Valid-Until "false"',
                f"--customize-hook={download}",
                f"--include={','.join(INCLUDE)}",
                SUITE,
                str(new),
                _mirror(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise VmError(f"The machines' tree could not be made (all in {log}):\n{tail}")


def _mirror() -> str:
    if given := os.environ.get("CONDOR_POOL_MIRROR"):
        return given
    known = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian")
    if not known:
        raise VmError("apt knows no archive of Debian's: give its address as CONDOR_POOL_MIRROR")
    return known.splitlines()[0]


def _furnish(tree: Path) -> None:
    _index(tree / "srv" / "archive")
    (tree / "etc/cloud/cloud.cfg.d/99-harness.cfg").write_text(_CLOUD)
    (tree / "etc/dpkg/dpkg.cfg.d/harness").write_text(_DPKG)
    (tree / "etc/apt/apt.conf.d/99harness").write_text('Acquire::Languages "none";\n')
    for former in (tree / "etc/apt/sources.list.d").iterdir():
        former.unlink()
    (tree / "etc/apt/sources.list").write_text(_ARCHIVE)
    for name in _MASKED:
        unit = tree / "etc/systemd/system" / name
        unit.unlink(missing_ok=True)
        unit.symlink_to("/dev/null")
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (tree / "etc/machine-id").write_text("uninitialized\n")
    (tree / "etc/resolv.conf").write_text("")
    (tree / "etc/hostname").write_text("localhost\n")
    run("chroot", str(tree), "apt-get", "update", "-qq")
    run("chroot", str(tree), "apt-get", "clean")


def _index(archive: Path) -> None:
    # What dpkg-scanpackages does, without dpkg-dev and Perl.
    entries = []
    for package in sorted(archive.glob("*.deb")):
        control = run("dpkg-deb", "-f", str(package)).strip()
        data = package.read_bytes()
        entries.append(
            f"{control}\nFilename: ./{package.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    (archive / "Packages").write_text("\n".join(entries))
