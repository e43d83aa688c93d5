import subprocess
import sys

import pytest

from examples.http_client_transport import HttpClientTransport
from flowflex_testing import contract
from flowflex_testing.memory import AsyncMemoryTransport, MemoryTransport
from flowflex_transports.sync.transport import Urllib3Transport
from flowflex_transports.trio.transport import TrioTransport
from tests.testing.contract import planted, runtimes


def declare(make, *, live=False, asynchronous=None):
    return contract.SemanticsSubject(make=make, live=live, asynchronous=asynchronous)


TRANSPORTS = {
    "memory": declare(MemoryTransport),
    "memory-on-asyncio": declare(AsyncMemoryTransport, asynchronous=runtimes.ASYNCIO),
    "memory-on-trio": declare(AsyncMemoryTransport, asynchronous=runtimes.TRIO),
    "http_client": declare(lambda _fake: HttpClientTransport(), live=True),
    "urllib3": declare(lambda _fake: Urllib3Transport(), live=True),
    "trio": declare(lambda _fake: TrioTransport(), live=True, asynchronous=runtimes.TRIO),
}
CHECKS = {check.__name__: check for check in contract.SEMANTICS}

PLANTED = [
    (planted.DropsHeaders, "event_arrives", "an event without files is not delivered"),
    (planted.DropsReplyHeaders, "event_arrives", "the reply comes back changed"),
    (planted.CutsReplies, "event_arrives", "an event without files is not delivered"),
    (planted.CutsReplies, "files_arrive", "an event with files is not delivered"),
    (planted.TakesTroubleForSuccess, "lost_reply_is_repeated", "a repeated event differs in its key or its body"),
    (planted.TakesTroubleForSuccess, "unknown_outcome_is_resumed", "a lost reply is taken for something else"),
    (planted.RaisesForStatus, "unavailable_is_repeated", "perform raises"),
    (planted.CallsRefusalsTrouble, "refusal_tells_its_code", "a refusal does not come with its status and code"),
    (planted.CallsRefusalsTrouble, "mime_refusal_is_returned", "the refusal of a MIME type is not returned"),
    (planted.ReencodesText, "files_arrive", "an event with files is not delivered"),
    (planted.PadsSources, "broken_source_stores_nothing", "a source that raises does not end the send"),
    (planted.RepeatsInMemory, "unknown_outcome_is_resumed", "a lost reply is taken for something else"),
    (planted.CredentialsEverywhere, "storage_gets_no_credentials", "storage gets the header cookie"),
]


@pytest.mark.parametrize("check", contract.SEMANTICS)
@pytest.mark.parametrize("subject", TRANSPORTS.values(), ids=TRANSPORTS)
def test_our_transports_keep_the_contract(subject, check):
    """Every transport of ours, over sockets and in memory, carries whole sends as they are."""
    check(subject)


@pytest.mark.parametrize(("broken", "check", "fault"), PLANTED, ids=[f"{row[0].__name__}-{row[1]}" for row in PLANTED])
def test_a_planted_fault_is_named(broken, check, fault):
    """A transport with one fault is rejected, by a message that names the fault and what was expected and seen."""
    with pytest.raises(contract.ContractViolation) as caught:
        CHECKS[check](declare(broken))
    assert fault in str(caught.value)
    assert ": expected " in str(caught.value)
    assert "; saw " in str(caught.value)


@pytest.mark.parametrize("check", contract.SEMANTICS)
def test_no_check_is_passed_by_doing_nothing(check):
    """A transport that sends nothing is rejected by every check, whatever it reports."""
    for make in (planted.AlwaysSucceeds, planted.AlwaysFails):
        with pytest.raises(contract.ContractViolation):
            check(declare(make))


def test_check_semantics_stops_at_the_first_violation():
    """`check_semantics` runs every check, and raises what the first violated one raises."""
    contract.check_semantics(declare(MemoryTransport))
    with pytest.raises(contract.ContractViolation, match="an event without files is not delivered"):
        contract.check_semantics(declare(planted.DropsHeaders))
    assert all(check.sentence.endswith(".") for check in contract.SEMANTICS)


def test_the_contract_asks_for_no_library():
    """Importing the contract loads neither a test runner nor an HTTP library nor an event loop."""
    script = "import sys, flowflex_testing.contract; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pytest", "urllib3", "requests", "trio", "h11", "werkzeug", "flowflex_transports"} & set(modules)
