"""The counterparts, each started once, and what is new for each test.

The tests are there only where `__main__` runs them: it says where the counterparts lie.
"""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import trustme

from flowflex_testing import FakeFlowFlex
from tests.counterparts.api import Api
from tests.counterparts.haproxy import HAProxy
from tests.counterparts.install import program
from tests.counterparts.nginx import Nginx
from tests.counterparts.scene import Scene, Storage
from tests.counterparts.seaweedfs import SeaweedFS
from tests.counterparts.tinyproxy import Tinyproxy

_DIRECTORY = os.environ.get("FLOWFLEX_COUNTERPARTS")
collect_ignore_glob = [] if _DIRECTORY else ["test_*.py"]


class _Brought:
    """What `install` has brought, and homes for what is started."""

    def __init__(self, directory: Path, temporary: pytest.TempPathFactory) -> None:
        self.directory = directory
        self._temporary = temporary

    def home(self, name: str) -> Path:
        """Return a new directory, mode 0700."""
        return self._temporary.mktemp(name)

    def program(self, name: str) -> Path:
        """Return where a program is, or leave the test out."""
        found = program(self.directory, name)
        if found is None:
            pytest.skip(f"{name} could not be brought")
        return found


@pytest.fixture(scope="session")
def brought(tmp_path_factory: pytest.TempPathFactory) -> _Brought:
    assert _DIRECTORY
    return _Brought(Path(_DIRECTORY), tmp_path_factory)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, brought: _Brought) -> Path:
    path = brought.home("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def api() -> Generator[Api]:
    api = Api()
    yield api
    api.close()


@pytest.fixture(scope="session")
def running_nginx(brought: _Brought, api: Api) -> Generator[Nginx]:
    with Nginx.started(brought.program("nginx"), brought.directory, brought.home("nginx"), api.port) as nginx:
        yield nginx


@pytest.fixture(scope="session")
def running_seaweedfs(brought: _Brought) -> Generator[SeaweedFS]:
    with SeaweedFS.started(brought.program("weed"), brought.directory, brought.home("seaweedfs")) as seaweedfs:
        yield seaweedfs


@pytest.fixture(scope="session")
def haproxy(
    brought: _Brought, authority: trustme.CA, api: Api, running_nginx: Nginx, running_seaweedfs: SeaweedFS
) -> Generator[HAProxy]:
    home = brought.home("haproxy")
    certificate = home / "certificate.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    behind = {"api": api.port, "nginx": running_nginx.storage, "seaweedfs": running_seaweedfs.storage}
    with HAProxy.started(
        brought.program("haproxy"), brought.directory, home, certificate, behind, running_nginx.storage
    ) as haproxy:
        yield haproxy


@pytest.fixture(scope="session")
def open_proxy(brought: _Brought) -> Generator[Tinyproxy]:
    home = brought.home("tinyproxy")
    with Tinyproxy.started(brought.program("tinyproxy"), brought.directory, home, asks=False) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def asking_proxy(brought: _Brought) -> Generator[Tinyproxy]:
    home = brought.home("tinyproxy")
    with Tinyproxy.started(brought.program("tinyproxy"), brought.directory, home, asks=True) as proxy:
        yield proxy


@pytest.fixture
def nginx(running_nginx: Nginx) -> Nginx:
    """Give nginx with nothing stored: each new fake counts its assets from one."""
    running_nginx.empty()
    return running_nginx


@pytest.fixture
def seaweedfs(running_seaweedfs: SeaweedFS) -> SeaweedFS:
    """Give SeaweedFS with nothing stored."""
    running_seaweedfs.empty()
    return running_seaweedfs


@pytest.fixture(params=["urllib3", "trio"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["nginx", "seaweedfs"])
def storage(request: pytest.FixtureRequest) -> Storage:
    storage: Storage = request.getfixturevalue(request.param)
    return storage


@pytest.fixture
def fake() -> Generator[FakeFlowFlex]:
    with FakeFlowFlex() as fake:
        yield fake


@pytest.fixture
def plain(transport: str, fake: FakeFlowFlex, api: Api) -> Scene:
    """Give the way without TLS, straight to API and storage."""
    return Scene(transport, fake, api, f"http://127.0.0.1:{api.port}", lambda port: f"http://127.0.0.1:{port}")


@pytest.fixture
def encrypted(transport: str, fake: FakeFlowFlex, api: Api, haproxy: HAProxy, ca_file: Path) -> Scene:
    """Give the way through HAProxy, which ends the TLS before API and storage."""
    options: dict[str, Any] = {"ca_file": ca_file}
    base_url = f"https://localhost:{haproxy.before(api.port)}"
    return Scene(transport, fake, api, base_url, lambda port: f"https://localhost:{haproxy.before(port)}", options)
