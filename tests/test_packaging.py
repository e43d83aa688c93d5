"""The built wheel in real, empty virtual environments with one extra each: what works there, and what is missed."""

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from the sdist, so that nothing can be missing from either."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Make the environment that holds the wheel with one extra, once for each extra."""
    made = {}

    def install(extra):
        if extra not in made:
            folder = tmp_path_factory.mktemp("environment")
            _run(sys.executable, "-m", "venv", "--without-pip", folder)
            python = folder / "bin" / "python"
            requirement = f"{wheel}[{extra}]" if extra else wheel
            _run(sys.executable, "-m", "pip", "--python", python, "install", "-q", requirement)
            made[extra] = SimpleNamespace(
                python=lambda code: _try(folder, python, "-W", "error", "-c", code),
                flowflex=lambda *arguments: _try(folder, folder / "bin" / "flowflex", *arguments),
                pytest=lambda *arguments: _try(folder, folder / "bin" / "pytest", *arguments),
                packages=lambda: {
                    line.partition("==")[0].partition(" @ ")[0].lower()
                    for line in _run(sys.executable, "-m", "pip", "--python", python, "freeze").splitlines()
                },
                folder=folder,
            )
        return made[extra]

    return install


def _run(*command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _try(folder, *command):
    """Run away from the source, which would be imported in the place of what was installed."""
    return subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_wheel_holds_the_packages_and_nothing_else(wheel):
    """The wheel holds three typed packages and their data; tests and tools stay out."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"flowflex_core", "flowflex_transports", "flowflex_testing", "flowflex_kit-0.1.0.dist-info"}
    for package in ("flowflex_core", "flowflex_transports", "flowflex_testing"):
        assert f"{package}/py.typed" in names
    assert "flowflex_testing/rules.toml" in names
    assert "flowflex_kit-0.1.0.dist-info/licenses/LICENSE" in names


def test_without_extras_there_is_urllib3_and_no_more(installed):
    """Installing without extras gives the core and the sync client, and pulls in urllib3 alone."""
    assert installed("").packages() == {"flowflex-kit", "urllib3"}


SYNC = """
from flowflex_transports import FlowFlex, FlowFlexConnectionError
client = FlowFlex(
    api_key="k", api_secret="s", integration_code="c", base_url="http://127.0.0.1:1", max_retries=0
)
try:
    client.send_event("e")
except FlowFlexConnectionError:
    print("nobody listens")
"""
TRIO = (
    SYNC.replace("FlowFlex,", "AsyncFlowFlex,")
    .replace("= FlowFlex(", "= AsyncFlowFlex(")
    .replace('client.send_event("e")', 'import trio; trio.run(client.send_event, "e")')
)
LIVE = """
from flowflex_testing import FakeFlowFlex
with FakeFlowFlex() as fake:
    print(fake.base_url)
"""


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("", "import flowflex_core"),
        ("", "import flowflex_testing.contract"),
        ("", "from flowflex_testing import FakeFlowFlex; FakeFlowFlex()"),
        ("", SYNC),
        ("trio", TRIO),
        ("testing", LIVE),
        ("testing,tls", LIVE.replace("FakeFlowFlex()", "FakeFlowFlex(tls=True)")),
        ("testing", SYNC),
        ("cli", SYNC),
    ],
)
def test_a_layer_works_with_its_own_extra(installed, extra, code):
    """Each layer runs, not only imports, where nothing but its own extra is installed."""
    run = installed(extra).python(code)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr


@pytest.mark.parametrize(
    ("extra", "code", "missing"),
    [
        ("", "from flowflex_transports import AsyncFlowFlex", "trio"),
        ("testing", "from flowflex_transports import AsyncFlowFlex", "trio"),
        ("", LIVE, "testing"),
        ("trio", LIVE, "testing"),
        ("testing", LIVE.replace("FakeFlowFlex()", "FakeFlowFlex(tls=True)"), "tls"),
    ],
)
def test_a_missing_extra_is_one_sentence(installed, extra, code, missing):
    """Who uses a layer without its extra is told which one to install, in one line and as an ImportError."""
    run = installed(extra).python(f"try:\n    exec({code!r})\nexcept ImportError as error:\n    print(error)")
    assert (run.returncode, run.stderr) == (0, "")
    (sentence,) = run.stdout.splitlines()
    assert f"flowflex-kit[{missing}]" in sentence


@pytest.mark.parametrize(
    ("extra", "arguments", "missing"),
    [
        ("", ["send", "order.placed"], "cli"),
        ("", ["upload", "a.pdf"], "cli"),
        ("", ["fake"], "testing"),
        ("cli", ["send", "order.placed", "--transport", "trio"], "trio"),
        ("cli", ["demo"], "testing"),
        ("cli", ["demo", "--transport", "trio"], "testing,trio"),
        ("cli", ["fake"], "testing"),
        ("testing", ["demo"], "cli"),
    ],
)
def test_the_command_names_the_extra_that_it_misses(installed, extra, arguments, missing):
    """The flowflex command says in one sentence what to install, and ends with the code for wrong use."""
    run = installed(extra).flowflex(*arguments)
    assert (run.returncode, run.stdout) == (2, "")
    (sentence,) = run.stderr.splitlines()
    assert f"pip install 'flowflex-kit[{missing}]'" in sentence


def test_help_needs_no_extra(installed):
    """The help is there for whoever has just installed the package."""
    run = installed("").flowflex("--help")
    assert (run.returncode, run.stderr) == (0, "")


def test_the_fixture_comes_with_the_testing_extra(installed):
    """With the testing extra, pytest knows the fixture without any configuration."""
    environment = installed("testing")
    (environment.folder / "test_fixture.py").write_text(
        "def test_it(flowflex_fake):\n    assert flowflex_fake.events == []\n"
    )
    run = environment.pytest("-q", "-W", "error", "test_fixture.py")
    assert run.returncode == 0, run.stdout + run.stderr
