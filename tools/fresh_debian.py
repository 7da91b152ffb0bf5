"""A minimal Debian in a folder, for tools that test on a new system."""

from __future__ import annotations

import subprocess
from pathlib import Path

_CERTIFICATES = "/usr/local/share/ca-certificates"
_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def debootstrap(release: str, system: Path, *packages: str) -> None:
    """Make the smallest system of a release, with these packages, that trusts the certificates of this machine."""
    include = f"--include={','.join(packages)}"
    make: list[str | Path] = ["debootstrap", "--variant=minbase", include, release, system]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    certificates = map(str, Path(_CERTIFICATES).glob("*.crt"))
    for file in ("/etc/resolv.conf", "/etc/hosts", *certificates):
        subprocess.run(["cp", "--dereference", file, f"{system}{file}"], check=True)
    subprocess.run(["chroot", system, "update-ca-certificates"], check=True, capture_output=True)
    (system / "etc/pip.conf").write_text(f"[global]\ncert = {_BUNDLE}\n", encoding="utf-8")
