"""The pytest plugin, as a user's run sees it."""

import re
import subprocess
import sys

import pytest
import trustme  # noqa: F401

# What is imported here is there for every run of pytest below, each of which forgets what it imported itself.
from flowflex_testing import faults, marker, timeline  # noqa: F401
from flowflex_testing.server import live, mount, shared  # noqa: F401
from flowflex_transports import AsyncFlowFlex, FlowFlex  # noqa: F401

pytest_plugins = ["pytester"]

CLIENT = """
import pytest
from flowflex_testing import FakeFlowFlex, faults
from flowflex_transports import FlowFlex, file

def send(fake, event="invoice.created", **options):
    with FlowFlex(**fake.client_options, max_retries=0, **options) as client:
        return client.send_event(event, payload={"f": file(b"%PDF", filename="a.pdf")}, idempotency_key="k")
"""

FIXTURES = {
    "flowflex_fake": "",
    "flowflex_fake_session": "",
    "flowflex_fake_tls": "",
    "mount_flowflex": """
@pytest.fixture
def mounted(mount_flowflex, httpserver):
    return mount_flowflex(httpserver)
""",
}


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest over a test module, warnings being errors, and return what it printed and how it ended."""
    # Other plugins that happen to be installed would be imported anew by each of these runs.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "flowflex_testing.plugin", "-p", "pytest_httpserver.pytest_plugin", "-p", "no:cacheprovider")

    def run(source: str, *arguments: str):
        pytester.makepyfile(test_it=CLIENT + source)
        options = ("-W", "error", "--strict-markers", "--no-header", "-q")
        return pytester.runpytest_inprocess(*plugins, *options, *arguments)

    return run


@pytest.fixture(params=FIXTURES)
def fixture(request):
    """Give the name of each fixture that gives a fake, and what a module needs beside it."""
    name = "mounted" if request.param == "mount_flowflex" else request.param
    return name, FIXTURES[request.param]


def sections(result) -> list[str]:
    return re.findall(r"^-+ FlowFlex requests \((\w+)\) -+$", str(result.stdout), re.MULTILINE)


# The fixtures.


@pytest.mark.parametrize("number", [1, 2])
def test_the_fixture_is_a_fresh_live_fake(flowflex_fake, number):
    """Each test has a running fake in which nothing has happened."""
    assert flowflex_fake.base_url.startswith("http://127.0.0.1:")
    flowflex_fake.assert_nothing_sent()
    flowflex_fake.clock.advance(hours=number)


def test_a_fake_of_the_session_is_new_for_each_test_at_one_address(run):
    """The server stays; journal, clock, faults, tenants and switches are those of the test."""
    result = run(
        """
seen = []

@pytest.fixture(scope="session")
def program(flowflex_server):
    return FlowFlex(**flowflex_server.client_options)

@pytest.mark.parametrize("number", [1, 2])
def test_it(flowflex_fake_session, flowflex_server, program, number):
    fake = flowflex_fake_session
    assert flowflex_server.fake is fake
    fake.assert_nothing_sent()
    assert fake.clock.now() - fake.clock.start < 3600
    fake.add_tenant("acme")
    fake.faults.arm("event", faults.Status(400))
    with pytest.raises(Exception, match="400"):
        program.send_event("a")
    program.send_event("b")
    fake.assert_event("b", times=1)
    fake.clock.advance(hours=49)
    seen.append((fake.client_options, fake.switches.strict))

@pytest.mark.flowflex(strict=False)
def test_another(flowflex_fake_session):
    send(flowflex_fake_session)
    seen.append((flowflex_fake_session.client_options, flowflex_fake_session.switches.strict))

def test_the_last(program):
    program.send_event("c")
    program.close()
    assert [strict for _, strict in seen] == [True, True, False]
    assert len({options["base_url"] for options, _ in seen}) == 1
"""
    )
    result.assert_outcomes(passed=4)


def test_a_fake_over_tls_is_trusted_by_its_authority_alone(run):
    """`ssl_context` leads either client there; without it, the certificate is not trusted."""
    result = run(
        """
import trio
from flowflex_transports import AsyncFlowFlex, FlowFlexError

def test_sync(flowflex_fake_tls):
    assert flowflex_fake_tls.base_url.startswith("https://")
    send(flowflex_fake_tls, ssl_context=flowflex_fake_tls.ssl_context)
    flowflex_fake_tls.assert_event("invoice.created")

def test_trio(flowflex_fake_tls):
    async def main():
        fake = flowflex_fake_tls
        async with AsyncFlowFlex(**fake.client_options, ssl_context=fake.ssl_context) as client:
            await client.send_event("a")
    trio.run(main)
    flowflex_fake_tls.assert_event("a")

def test_untrusted(flowflex_fake_tls):
    with pytest.raises(FlowFlexError, match="certificate"):
        send(flowflex_fake_tls)
    flowflex_fake_tls.assert_nothing_sent()
"""
    )
    result.assert_outcomes(passed=3)


def test_a_fake_is_mounted_for_one_test(run):
    """Beside the user's own expectations, on as many paths as are wanted, and gone afterwards."""
    result = run(
        """
import urllib.request

def test_it(mount_flowflex, httpserver):
    httpserver.expect_request("/mine").respond_with_data("mine")
    fake, other = mount_flowflex(httpserver), mount_flowflex(httpserver, path="/other")
    send(fake)
    send(other, "b")
    assert urllib.request.urlopen(httpserver.url_for("/mine")).read() == b"mine"
    fake.assert_event("invoice.created", files={"f": b"%PDF"})
    other.assert_event("b", files={"f": "a.pdf"})
    httpserver.check()

def test_after(httpserver):
    httpserver.expect_request("/flowflex/v1/x").respond_with_data("mine")
    assert urllib.request.urlopen(httpserver.url_for("/flowflex/v1/x")).read() == b"mine"
"""
    )
    result.assert_outcomes(passed=2)


# The checks at teardown.


def test_a_fault_that_never_fired_is_an_error_at_teardown(run, fixture):
    """The test itself passes, and its teardown says which fault it has not tried, and nothing of the plugin's code."""
    name, source = fixture
    result = run(f"""{source}
def test_it({name}):
    {name}.faults.arm("put", faults.Status(503))
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["faults never fired: Status(status=503) on put 1 (0 such requests came)"])
    assert "plugin.py" not in str(result.stdout)
    assert len(sections(result)) == 1


def test_an_error_in_the_fake_itself_is_an_error_at_teardown(run, fixture):
    """A bug of ours is not taken for an answer of FlowFlex."""
    name, source = fixture
    result = run(f"""{source}
from flowflex_testing.engine.routing import Engine

def test_it({name}, monkeypatch):
    monkeypatch.setattr(Engine, "handle", lambda *_: 1 / 0)
    options = dict(ssl_context={name}.ssl_context) if "tls" in "{name}" else dict()
    with pytest.raises(Exception):
        send({name}, **options)
""")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*RuntimeError: the fake itself failed: ZeroDivisionError*"])


@pytest.mark.parametrize(
    ("end", "outcomes"),
    [
        ("assert 0", {"failed": 1}),
        ("pytest.skip('not here')", {"skipped": 1}),
        ("pytest.xfail('known')", {"xfailed": 1}),
    ],
)
def test_a_test_that_did_not_pass_is_not_told_what_else_is_missing(run, end, outcomes):
    """A fault that never fired is no second error of a test that ended before."""
    result = run(f"""
def test_it(flowflex_fake):
    flowflex_fake.faults.arm("put", faults.Status(503))
    {end}
""")
    result.assert_outcomes(**outcomes)


# The report.


def test_a_failure_shows_what_arrived(run):
    """The report of a failed test ends in the timeline of its fakes, told once."""
    result = run("""
def test_it(flowflex_fake, mount_flowflex, httpserver):
    send(flowflex_fake)
    flowflex_fake.faults.arm("event", faults.Status(500))
    mount_flowflex(httpserver)
    assert flowflex_fake.events == []
""")
    result.assert_outcomes(failed=1)
    assert sections(result) == ["flowflex_fake", "mount_flowflex"]
    result.stdout.fnmatch_lines(
        [
            "*- FlowFlex requests (flowflex_fake) -*",
            "  +0.000 s  #1  POST upload-url a.pdf -> 200",
            "  +?.??? s  #2  PUT put a.pdf, 4 bytes -> 200",
            "  +?.??? s  #3  POST event 'invoice.created', key 'k', 38 bytes -> 202 accepted",
            "            armed, and never fired: Status(status=500) on event 1",
            "*- FlowFlex requests (mount_flowflex) -*",
            "no request arrived",
        ]
    )


def test_errors_before_and_after_a_test_show_it_too(run):
    """What a fixture of the user's sent is told when it is a fixture that fails."""
    result = run("""
@pytest.fixture
def before(flowflex_fake):
    send(flowflex_fake, "before")
    assert 0

@pytest.fixture
def after(flowflex_fake):
    yield
    send(flowflex_fake, "after")
    assert 0

def test_before(before): pass
def test_after(after): pass
""")
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*POST event 'before'*", "*POST event 'after'*"])
    assert len(sections(result)) == 2


def test_a_test_that_passes_prints_nothing(run, fixture):
    """Not even where the output of passed tests is asked for."""
    name, source = fixture
    result = run(
        f"""{source}
def test_it({name}):
    options = dict(ssl_context={name}.ssl_context) if "tls" in "{name}" else dict()
    send({name}, **options)
""",
        "-rA",
    )
    result.assert_outcomes(passed=1)
    assert "FlowFlex" not in str(result.stdout)
    assert "POST" not in str(result.stdout)


@pytest.mark.parametrize(
    "check",
    [
        'assert_event("order.placed")',
        'assert_attempts("put", 2)',
        "assert_nothing_sent()",
        'assert_never_sent(header="authorization")',
    ],
)
def test_a_failure_points_at_the_line_of_the_test(run, check):
    """What is shown is the user's code, and none of ours."""
    result = run(f"""
def test_it(flowflex_fake):
    send(flowflex_fake)
    flowflex_fake.{check}
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f">       flowflex_fake.{check}", "E       AssertionError: *", "test_it.py:11: *"])
    assert "witness.py" not in str(result.stdout)
    assert "assertions.py" not in str(result.stdout)


@pytest.mark.slow
def test_reports_cross_from_the_workers_of_xdist(run):
    """Timelines, checks at teardown and one server a worker: as without."""
    result = run(
        """
@pytest.mark.parametrize("number", range(4))
def test_failing(flowflex_fake, number):
    send(flowflex_fake)
    assert 0

@pytest.mark.flowflex(faults="storage_outage")
def test_unfired(flowflex_fake_session): pass

@pytest.mark.parametrize("number", range(4))
def test_passing(flowflex_fake_session, number):
    send(flowflex_fake_session)
    flowflex_fake_session.assert_event("invoice.created", times=1)
""",
        "-p",
        "xdist",
        "-n",
        "2",
    )
    result.assert_outcomes(failed=4, passed=5, errors=1)
    assert sections(result).count("flowflex_fake") == 4
    result.stdout.fnmatch_lines(["faults never fired: Status(status=503*"])


# The marker.


def test_the_marker_sets_switches_and_faults(run, fixture):
    """The nearest marker counts, word by word; each test has its faults armed anew."""
    name, source = fixture
    result = run(f"""{source}
pytestmark = pytest.mark.flowflex(api_dialect="message/name", strict=True)

@pytest.mark.flowflex(strict=False, faults="throttle")
class Test:
    @pytest.mark.parametrize("number", [1, 2])
    @pytest.mark.flowflex(faults=[faults.Aim("event", faults.Status(500)), faults.Aim("put", faults.Status(404))])
    def test_list(self, {name}, number):
        fake = {name}
        assert (fake.switches.strict, fake.switches.api_dialect) == (False, "message/name")
        assert [str(armed) for armed in fake.faults.unfired()] == [
            "Status(status=500) on event 1",
            "Status(status=404) on put 1",
        ]
        fake.faults.clear()

    def test_preset(self, {name}):
        assert {{armed.fault.status for armed in {name}.faults.unfired()}} == {{429}}
        {name}.faults.clear()

def test_module({name}):
    assert {name}.switches.strict
    assert {name}.faults.unfired() == []
""")
    result.assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("False", "takes keywords alone, not False: strict, *, faults"),
        ("stict=False", "takes strict, *, faults; not stict (is strict meant[?])"),
        ("port=1", "takes strict, *, faults; not port"),
        ("strict='no'", "cannot be obeyed: strict is one of True, False, not 'no'"),
        ("faults='outage'", "cannot be obeyed: preset is one of lost_response, *, not 'outage'"),
        ("faults=[faults.Status(503)]", "cannot be obeyed: faults is the name of a preset, or a list of Aim*"),
        ("faults=None", "cannot be obeyed: faults is the name of a preset, or a list of Aim*"),
    ],
)
def test_a_marker_that_means_nothing_is_one_clear_error(run, arguments, message):
    """The test is not run, and the message says what the marker takes."""
    result = run(f"""
@pytest.mark.flowflex({arguments})
def test_it(flowflex_fake): pass
""")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"@pytest.mark.flowflex {message}"])
    assert "plugin.py" not in str(result.stdout)


def test_the_marker_is_registered(pytester, monkeypatch):
    """`pytest --markers` tells it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = pytester.runpytest_inprocess("-p", "flowflex_testing.plugin", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.flowflex(strict=*"])


# The cost.


def test_a_run_that_does_not_use_it_loads_nothing_of_it(tmp_path, unmeasured):
    """The plugin itself loads neither werkzeug, nor the fake, nor anything else of ours."""
    (tmp_path / "test_it.py").write_text("""
import sys

def test_it():
    heavy = ("werkzeug", "tomllib", "trio", "urllib3", "flowflex_core", "flowflex_transports", "pytest_httpserver")
    assert not set(heavy) & set(sys.modules)
    ours = {name for name in sys.modules if name.startswith("flowflex_testing")}
    assert ours == {"flowflex_testing", "flowflex_testing.plugin"}
""")
    # What other plugins and tools load, pytest-httpserver's werkzeug among it, is not of our doing.
    environment = unmeasured | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "flowflex_testing.plugin"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert "1 passed" in run.stdout, run.stdout


def test_the_package_names_what_it_has():
    """Public names are found when they are asked for, and a slip is an AttributeError."""
    import flowflex_testing

    for name in flowflex_testing.__all__:
        assert getattr(flowflex_testing, name) is not None
    assert flowflex_testing.faults is faults
    with pytest.raises(AttributeError, match="has no attribute 'Fake'"):
        _ = flowflex_testing.Fake
