import pickle
import ssl

import pytest
import trustme

from flowflex_core import FlowFlexConfigError
from flowflex_core.address import parse
from flowflex_transports.environment import VARIABLES, Proxies, Proxy, settings_from_environment, tls_context

GIVEN = {"api_key": "key", "api_secret": "hidden", "integration_code": "code", "base_url": "https://api.example.test"}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """Each test says what its environment holds."""
    for name in (*VARIABLES.values(), "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# Settings


def test_what_is_left_out_is_taken_from_the_environment(monkeypatch):
    """Each of the four arguments has its variable."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, GIVEN[name])
    settings = settings_from_environment(timeout_seconds=3.0)
    assert (settings.base_url, settings.integration_code) == (GIVEN["base_url"], "code")
    assert settings.authorization == settings_from_environment(**GIVEN).authorization
    assert settings.timeout_seconds == 3.0


def test_an_argument_goes_before_the_environment(monkeypatch):
    """A variable does not override what the caller says, even where the caller says something wrong."""
    monkeypatch.setenv("FLOWFLEX_INTEGRATION_CODE", "other")
    assert settings_from_environment(**GIVEN).integration_code == "code"
    with pytest.raises(FlowFlexConfigError, match=r"integration_code is required: it is empty$"):
        settings_from_environment(**{**GIVEN, "integration_code": ""})


@pytest.mark.parametrize("name", VARIABLES)
def test_what_is_missing_is_told_with_argument_and_variable(name):
    """Whoever reads the error knows both ways to give it."""
    with pytest.raises(FlowFlexConfigError, match=rf"^{name} is required.*{VARIABLES[name]}"):
        settings_from_environment(**{**GIVEN, name: None})


@pytest.mark.parametrize(("name", "value"), [("api_key", ""), ("api_secret", " hidden"), ("base_url", "http://evil")])
def test_a_wrong_variable_is_named(monkeypatch, name, value):
    """The error says where the value came from, and shows no secret."""
    monkeypatch.setenv(VARIABLES[name], value)
    with pytest.raises(FlowFlexConfigError, match=rf"^{name}.*taken from {VARIABLES[name]}") as caught:
        settings_from_environment(**{**GIVEN, name: None})
    assert "hidden" not in str(caught.value)


# Proxies


@pytest.mark.parametrize(
    ("url", "host", "port", "authorization"),
    [
        ("http://proxy.example.test:3128", "proxy.example.test", 3128, None),
        ("http://proxy.example.test", "proxy.example.test", 80, None),
        ("proxy.example.test:3128", "proxy.example.test", 3128, None),
        ("HTTP://[::1]:3128/", "[::1]", 3128, None),
        ("http://us%40er:p%3Aass@proxy:1", "proxy", 1, "Basic dXNAZXI6cDphc3M="),
        ("http://user@proxy:1", "proxy", 1, "Basic dXNlcjo="),
    ],
)
def test_a_proxy_is_read_from_its_url(url, host, port, authorization):
    """With or without scheme, port and percent-encoded credentials."""
    assert Proxy.parse(url, "proxy") == Proxy(host, port, authorization)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "socks5://user:hidden@proxy:1080",
        "https://user:hidden@proxy:443",
        "http://user:hidden@",
        "http://user:hidden@proxy:port",
        "http://user:hidden@proxy:1/path",
        "http://user:hidden@pro xy:1",
        7,
    ],
)
def test_what_is_no_http_proxy_is_refused_without_repeating_it(url):
    """The URL may hold a password."""
    with pytest.raises(FlowFlexConfigError, match=r"^HTTPS_PROXY") as caught:
        Proxy.parse(url, "HTTPS_PROXY")
    assert "hidden" not in str(caught.value)


def test_the_repr_of_a_proxy_holds_no_credentials():
    """Nor does that of what holds it."""
    assert "dTpo" not in repr(Proxy.parse("http://u:hidden@proxy:1", "proxy"))


def way(url, *, proxy=None, trust_environment=True):
    found = Proxies(proxy, trust_environment=trust_environment).for_address(parse(url))
    return found and found.port


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_environment_names_a_proxy_for_each_scheme(monkeypatch, name):
    """Of https for https, of http for http, and neither for the other."""
    monkeypatch.setenv(name, "http://proxy:1")
    assert way("https://api.example.test/") == 1
    assert way("http://api.example.test/") is None
    assert way("https://api.example.test/", trust_environment=False) is None
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:2")
    assert way("http://api.example.test/") == 2


def test_lower_case_goes_first(monkeypatch):
    """As with curl and urllib."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("https_proxy", "http://proxy:2")
    assert way("https://api.example.test/") == 2
    monkeypatch.setenv("https_proxy", "")
    assert way("https://api.example.test/") is None


def test_a_cgi_client_cannot_set_the_proxy(monkeypatch):
    """A `Proxy:` header of a request becomes HTTP_PROXY in a CGI script."""
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", "http://evil:1")
    assert way("http://api.example.test/") is None


@pytest.mark.parametrize(
    ("no_proxy", "url", "port"),
    [
        ("example.test", "https://api.example.test/", None),
        (".example.test", "https://api.example.test/", None),
        ("other.test, API.example.test", "https://api.example.test/", None),
        ("api.example.test:443", "https://api.example.test/", None),
        ("api.example.test:444", "https://api.example.test/", 1),
        ("ample.test", "https://api.example.test/", 1),
        ("10.0.0.7", "https://10.0.0.7/", None),
        ("*", "https://api.example.test/", None),
        ("", "https://api.example.test/", 1),
    ],
)
def test_no_proxy_is_obeyed(monkeypatch, no_proxy, url, port):
    """By suffix, by port, or for all."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert way(url) == port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "localhost."])
def test_no_proxy_of_the_environment_leads_to_loopback(monkeypatch, host):
    """It would be the proxy's own loopback, and plain http would show it the credentials; a proxy given is obeyed."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    assert way(f"http://{host}:8000/") is None
    assert way(f"http://{host}:8000/", proxy="http://mine:2") == 2


def test_a_proxy_given_goes_before_the_environment(monkeypatch):
    """NO_PROXY included; what is wrong in the environment is then not looked at."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1")
    monkeypatch.setenv("NO_PROXY", "*")
    assert way("https://api.example.test/", proxy="http://mine:2") == 2


def test_a_wrong_proxy_in_the_environment_is_told_by_its_variable(monkeypatch):
    """Where it would be the way, and nowhere else: the variable may be meant for other programs."""
    monkeypatch.setenv("https_proxy", "socks5://proxy:1")
    monkeypatch.setenv("NO_PROXY", "internal.test")
    for _ in range(2):
        with pytest.raises(FlowFlexConfigError, match=r"^HTTPS_PROXY"):
            way("https://api.example.test/")
    assert way("https://internal.test/") is None
    assert way("https://localhost/") is None
    assert way("http://api.example.test/") is None


def test_one_proxy_for_all_is_asked_last(monkeypatch):
    """As with curl and requests: ALL_PROXY serves a scheme that has no variable of its own."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy:1")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:2")
    assert way("https://api.example.test/") == 1
    assert way("http://api.example.test/") == 2
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1")
    with pytest.raises(FlowFlexConfigError, match=r"^ALL_PROXY"):
        way("https://api.example.test/")


# TLS


def test_a_context_given_is_the_context():
    """Nothing is changed in it."""
    context = ssl.create_default_context()
    assert tls_context(context, None) is context


def test_the_system_is_trusted_by_default():
    """Certificates and host names are checked."""
    context = tls_context(None, None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_file_takes_the_place_of_the_system(tmp_path):
    """Its authorities alone are trusted."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    assert len(tls_context(None, path).get_ca_certs()) == 1


@pytest.mark.parametrize("content", [None, b"no certificate", b""])
def test_a_file_that_cannot_be_used_is_told(tmp_path, content):
    """A missing or wrong file is a configuration error that names it."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FlowFlexConfigError, match=r"^ca_file .*ca.pem.* cannot be used"):
        tls_context(None, path)


def test_a_context_and_a_file_are_one_too_many(tmp_path):
    """Which of the two to obey is not guessed."""
    with pytest.raises(FlowFlexConfigError, match="both given"):
        tls_context(ssl.create_default_context(), tmp_path)


def test_a_password_in_the_environment_is_kept_in_no_clear_text(monkeypatch):
    """Of the variables themselves only NO_PROXY is kept."""
    monkeypatch.setenv("https_proxy", "http://me:PASSWORD@proxy.test:1")
    monkeypatch.setenv("no_proxy", "internal.test")
    proxies = Proxies()
    assert "PASSWORD" not in repr(vars(proxies))
    assert proxies.for_address(parse("https://api.internal.test")) is None
    assert proxies.for_address(parse("https://api.example.test")) is not None


def test_a_proxy_is_not_pickled():
    """Its password would go along."""
    with pytest.raises(FlowFlexConfigError, match="anew"):
        pickle.dumps(Proxy.parse("http://me:PASSWORD@proxy.test:1", "proxy"))


def test_errors_of_the_environment_pickle():
    """Like every error of this library."""
    with pytest.raises(FlowFlexConfigError) as caught:
        settings_from_environment()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
