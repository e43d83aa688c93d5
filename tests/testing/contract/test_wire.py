import ast
import inspect
import ssl

import pytest

from examples import http_client_transport
from examples.http_client_transport import HttpClientTransport
from flowflex_testing import contract
from flowflex_testing.contract.wire import bounds, connections, failures, replies, requests, security
from flowflex_transports.sync.transport import Urllib3Transport
from flowflex_transports.trio.transport import TrioTransport
from tests.testing.contract import planted, runtimes

# Making a context takes longer than most checks.
SYSTEM_TRUST = ssl.create_default_context()

HTTP_CLIENT = contract.WireSubject(
    make=lambda: HttpClientTransport(SYSTEM_TRUST),
    trusting=lambda ca_file: HttpClientTransport(ssl.create_default_context(cafile=ca_file)),
    proxied=None,
    reuses_connections=False,
    reads_strictly=False,
    bounds_total=False,
    skips_interim=False,
    reads_early_replies=False,
    reads_unframed_replies=False,
    asynchronous=None,
)
URLLIB3 = contract.WireSubject(
    make=lambda: Urllib3Transport(ssl_context=SYSTEM_TRUST),
    trusting=lambda ca_file: Urllib3Transport(ca_file=ca_file),
    proxied=lambda url: Urllib3Transport(ssl_context=SYSTEM_TRUST, proxy=url),
    reuses_connections=True,
    reads_strictly=True,
    bounds_total=True,
    skips_interim=True,
    reads_early_replies=True,
    reads_unframed_replies=True,
    asynchronous=None,
)
TRIO = contract.WireSubject(
    make=lambda: TrioTransport(ssl_context=SYSTEM_TRUST),
    trusting=lambda ca_file: TrioTransport(ca_file=ca_file),
    proxied=lambda url: TrioTransport(ssl_context=SYSTEM_TRUST, proxy=url),
    reuses_connections=True,
    reads_strictly=True,
    bounds_total=True,
    skips_interim=True,
    reads_early_replies=True,
    reads_unframed_replies=True,
    asynchronous=runtimes.TRIO,
)
PLANTED = [
    (planted.ReencodesTheUrl, "target_is_sent_byte_for_byte", "the URL's path and query are not sent byte for byte"),
    (planted.SpeaksHttp10, "host_names_the_origin", "the request is not HTTP/1.1"),
    (planted.MisstatesTheLength, "bytes_are_framed_by_their_length", "the Content-Length is missing or wrong"),
    (planted.SpeaksGibberish, "host_names_the_origin", "what arrives at the peer is not an HTTP/1.1 request"),
    (planted.SendsChunked, "source_is_framed_by_its_length", "the body is sent with a Transfer-Encoding"),
    (planted.AddsAuthorization, "no_header_is_added", "adds a header of its own, authorization"),
    (planted.StripsHeaders, "header_values_are_latin_1", "the header x-idempotency-key does not arrive once"),
    (planted.FollowsRedirects, "redirects_are_returned", "a redirect 301 is followed"),
    (planted.RepeatsByItself, "request_is_sent_once", "the transport repeats a request by itself"),
    (planted.RepeatsByItself, "unavailable_is_returned", "the transport repeats a request by itself"),
    (planted.SaysNotSent, "reset_after_the_request_is_a_failure", "not reported as `connection`, sent"),
    (planted.SaysNotSent, "silence_is_bounded_by_timeout", "not reported as `timeout`, sent"),
    (planted.SaysSent, "refused_connection_is_a_failure", "not reported as `connection`, not sent"),
    (planted.SaysSent, "unknown_authority_is_refused", "not reported as `tls`, not sent"),
    (planted.TellsTheUrl, "failures_tell_no_secret", "holds a secret of the request"),
    (planted.RaisesForTrouble, "refused_connection_is_a_failure", "saw ConnectionError raised"),
    (planted.ForgetsWhichRequest, "host_names_the_origin", "the outcome does not name its request"),
    (planted.ReturnsNothing, "host_names_the_origin", "perform returns what is no outcome"),
    (planted.IgnoresTotal, "dripping_head_is_bounded_by_total", "`total` does not bound a reply whose head drips"),
    (planted.IgnoresTotal, "slow_upload_is_bounded_by_total", "`total` does not bound an upload"),
    (planted.IgnoresTimeout, "silence_is_bounded_by_timeout", "a silent peer is not reported as `timeout`"),
    (planted.IgnoresTimeout, "stalled_upload_is_bounded_by_timeout", "a peer that does not read the body"),
    (planted.TakesTimeoutForTotal, "steady_reply_outlasts_timeout", "`timeout` cuts off a reply that is slow"),
    (planted.OneAtATime, "requests_run_at_once", "requests performed at the same time wait for each other"),
    (planted.SwallowsSourceErrors, "source_error_ends_the_request", "a request whose source raised is reported as"),
    (planted.PadsBrokenSources, "source_error_ends_the_request", "a request whose source raised is reported as"),
    (planted.TrustsEverybody, "unknown_authority_is_refused", "a certificate of an unknown authority"),
    (planted.CallsNothingEarly, "early_reply_is_marked", "comes before the request was sent whole is not marked"),
    (planted.CallsAllEarly, "early_reply_is_marked", "a reply to a request that was sent whole is marked as early"),
    (HttpClientTransport, "peer_that_never_pauses_is_bounded_by_total", "`total` does not bound a peer that sends"),
    (planted.Naive, "redirects_are_returned", "a redirect 301 is followed"),
    (planted.Naive, "no_header_is_added", "adds a header of its own, user-agent"),
    (planted.Naive, "target_is_sent_byte_for_byte", "the URL's path and query are not sent byte for byte"),
    (planted.Naive, "cookies_are_not_kept", "a cookie of the first reply is sent"),
    (planted.Naive, "netrc_is_not_read", "credentials from a netrc file are sent"),
    (planted.Naive, "interim_replies_are_skipped", "an interim reply (1xx) is returned as if it were the final"),
    (planted.Naive, "content_coding_is_left_alone", "a compressed reply is unpacked"),
    (planted.Naive, "reply_is_bounded", "a reply without end"),
    (planted.Naive, "early_reply_ends_the_upload", "an early reply (413) during an upload is missed"),
    (planted.Naive, "dripping_body_is_bounded_by_total", "`total` does not bound a reply whose body drips"),
    (planted.Naive, "failures_tell_no_secret", "holds a secret of the request"),
    (planted.Naive, "reset_after_the_request_is_a_failure", "not reported as `connection`, sent"),
    (planted.Naive, "garbage_is_a_failure", "is not reported as `protocol`, sent"),
    (planted.KeepsOneConnection, "stale_connection_is_replaced", "a request fails over a kept connection"),
    (planted.KeepsOneConnection, "closed_connection_is_not_reused", "over a connection that the peer declared closed"),
    (planted.KeepsOneConnection, "unasked_reply_is_nobodys", "a reply that nobody asked for is returned"),
    (planted.KeepsOneConnection, "close_closes_connections", "close leaves a connection open"),
    (planted.KeepsOneConnection, "reply_without_length_ends_with_the_connection", "is not returned whole"),
    (planted.KeepsOneConnection, "interim_replies_are_skipped", "an interim reply (1xx) is returned"),
]
CHECKS = {check.__name__: check for check in contract.WIRE}


def declare(make, *, reuses_connections=False, reads_strictly=False, trusting=None, proxied=None, does_the_rest=False):
    return contract.WireSubject(
        make=make,
        trusting=trusting,
        proxied=proxied,
        reuses_connections=reuses_connections,
        reads_strictly=reads_strictly,
        bounds_total=does_the_rest,
        skips_interim=does_the_rest,
        reads_early_replies=does_the_rest,
        reads_unframed_replies=does_the_rest,
        asynchronous=None,
    )


@pytest.mark.parametrize("check", contract.wire_checks(HTTP_CLIENT))
def test_a_transport_over_http_client_keeps_the_contract(check):
    """The example over http.client passes every check that applies to it."""
    check(HTTP_CLIENT)


def test_the_transport_over_http_client_is_30_lines():
    """Imports included; blank lines, comments and docstrings aside."""
    text = inspect.getsource(http_client_transport)
    nodes = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    docstrings = {
        number
        for node in nodes
        if ast.get_docstring(node) is not None
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    lines = enumerate(text.splitlines(), 1)
    code = [line for number, line in lines if line.strip() and line.strip()[0] != "#" and number not in docstrings]
    assert len(code) <= 30


@pytest.mark.parametrize("check", contract.wire_checks(URLLIB3))
def test_the_urllib3_transport_keeps_the_contract(check):
    """Urllib3Transport passes every check of the wire."""
    check(URLLIB3)


@pytest.mark.parametrize("check", contract.wire_checks(TRIO))
def test_the_trio_transport_keeps_the_contract(check):
    """TrioTransport passes every check of the wire."""
    check(TRIO)


@pytest.mark.parametrize(("broken", "check", "fault"), PLANTED, ids=[f"{row[0].__name__}-{row[1]}" for row in PLANTED])
def test_a_planted_fault_is_named(broken, check, fault):
    """A transport with one fault is rejected, by a message that names the fault and what was expected and seen."""
    with pytest.raises(contract.ContractViolation) as caught:
        CHECKS[check](declare(broken))
    planted.KeepsOneConnection.clean_up()
    assert fault in str(caught.value)
    assert ": expected " in str(caught.value)
    assert "; saw " in str(caught.value)


@pytest.mark.parametrize("check", contract.WIRE)
def test_no_check_is_passed_by_doing_nothing(check):
    """A transport that sends nothing is rejected by every check, whatever it reports."""
    for make in (planted.AlwaysSucceeds, planted.AlwaysFails):
        subject = declare(
            make,
            reuses_connections=True,
            reads_strictly=True,
            does_the_rest=True,
            trusting=lambda _, m=make: m(),
            proxied=lambda _, m=make: m(),
        )
        with pytest.raises(contract.ContractViolation):
            check(subject)


def test_a_promise_to_reuse_connections_is_held_to():
    """A transport that opens a connection a request, and declares that it reuses them, is rejected."""
    with pytest.raises(contract.ContractViolation, match="connections are not reused after"):
        CHECKS["connection_is_reused"](declare(lambda: HttpClientTransport(SYSTEM_TRUST), reuses_connections=True))


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("reply_cut_in_its_head_is_a_failure", "cut in its head, is not reported"),
        ("odd_chunks_are_a_failure", "the chunk"),
        ("doubtful_framing_is_a_failure", "a reply with the framing"),
    ],
)
def test_a_promise_to_read_strictly_is_held_to(check, fault):
    """http.client takes for whole what is cut, and reads what is framed in two ways in one of them."""
    with pytest.raises(contract.ContractViolation, match=fault):
        CHECKS[check](declare(lambda: HttpClientTransport(SYSTEM_TRUST), reads_strictly=True))


def test_a_transport_that_blocks_its_loop_is_rejected():
    """An async transport whose requests wait for each other is rejected like a synchronous one."""
    subject = contract.WireSubject(
        make=planted.BlocksTheLoop,
        trusting=None,
        proxied=None,
        reuses_connections=False,
        reads_strictly=False,
        bounds_total=False,
        skips_interim=False,
        reads_early_replies=False,
        reads_unframed_replies=False,
        asynchronous=runtimes.TRIO,
    )
    with pytest.raises(contract.ContractViolation, match="requests performed at the same time wait for each other"):
        CHECKS["requests_run_at_once"](subject)


def test_an_undeclared_async_transport_is_told_so():
    """An async transport that is not declared as one gets a sentence, not a riddle."""
    with pytest.raises(TypeError, match="does its subject say asynchronous= as it is"):
        CHECKS["refused_connection_is_a_failure"](declare(TrioTransport))


def test_a_proxy_that_is_passed_by_is_noticed():
    """A transport that takes a proxy and goes past it is rejected."""
    subject = declare(planted.Wrapper, proxied=lambda _url: planted.Wrapper())
    for check in ("proxy_is_asked", "unreachable_proxy_is_a_failure", "proxy_tunnels_https"):
        with pytest.raises(contract.ContractViolation, match="proxy"):
            CHECKS[check](subject)


def test_what_a_subject_does_not_declare_is_left_out():
    """Checks that need an option apply only where the subject has it, and no other is left out."""
    bare = contract.wire_checks(declare(planted.Wrapper))
    assert {check.__name__ for check in contract.WIRE} - {check.__name__ for check in bare} == {
        "connection_is_reused",
        "slow_upload_is_bounded_by_total",
        "dripping_head_is_bounded_by_total",
        "dripping_body_is_bounded_by_total",
        "peer_that_never_pauses_is_bounded_by_total",
        "interim_replies_are_bounded_by_total",
        "interim_replies_are_skipped",
        "early_reply_ends_the_upload",
        "early_reply_is_marked",
        "reply_without_length_ends_with_the_connection",
        "other_name_is_refused",
        "trusted_peer_is_spoken_to",
        "tls_is_bounded_by_total",
        "truncated_tls_is_a_failure",
        "reply_cut_in_its_head_is_a_failure",
        "odd_chunks_are_a_failure",
        "doubtful_framing_is_a_failure",
        "proxy_is_asked",
        "proxy_tunnels_https",
        "proxy_cannot_speak_for_the_server",
        "tunnel_is_no_reason_to_trust",
        "unreachable_proxy_is_a_failure",
    }
    assert contract.wire_checks(URLLIB3) == contract.wire_checks(TRIO) == list(contract.WIRE)


def test_every_check_stands_on_the_list():
    """No check was written and forgotten; each has a name of its own and a sentence."""
    written = {
        function
        for module in (bounds, connections, failures, replies, requests, security)
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert written == {check.function for check in contract.WIRE}
    assert len(CHECKS) == len(contract.WIRE)
    assert all(check.sentence.endswith(".") for check in contract.WIRE)


def test_check_wire_runs_every_check_that_applies(monkeypatch):
    """`check_wire` runs all of what applies, in order, and stops at the first violation."""
    ran = []

    async def good(bench):
        ran.append("good")

    async def bad(bench):
        raise contract.ContractViolation("it is bad", expected="good", seen="bad")

    passing, failing = contract.WireCheck(good), contract.WireCheck(bad)
    unfit = contract.WireCheck(bad, needs=("proxied",))
    monkeypatch.setattr("flowflex_testing.contract.wire.WIRE", (passing, unfit, passing, failing, passing))
    with pytest.raises(contract.ContractViolation, match="it is bad: expected good; saw bad"):
        contract.check_wire(declare(planted.Wrapper))
    assert ran == ["good", "good"]
