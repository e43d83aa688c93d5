"""The options of the `flowflex` command, and which function runs each of its parts.

The parts are imported when they run, so that `flowflex --help` answers at once.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from flowflex_core.version import __version__
from flowflex_transports.cli.errors import print_error

_SETTINGS = """\
settings come from the environment:
  FLOWFLEX_API_KEY, FLOWFLEX_API_SECRET, FLOWFLEX_INTEGRATION_CODE, FLOWFLEX_BASE_URL
"""

_EXIT_CODES = """\
exit codes:
  0    done
  1    refused, or not reached; this event was not accepted (an earlier one under its key may have been)
  2    wrong options, settings, payload or file; no event was sent
  3    outcome unknown: the event was sent and may have been accepted
  130  interrupted by Ctrl-C; an event that may have been accepted is named, with its idempotency key
"""

_PATHS = """\
payload paths are those of results and errors:
  --file invoice=a.pdf            {"invoice": FILE}
  --file order.receipt=a.pdf      {"order": {"receipt": FILE}}
  --file 'gallery[0]=a.png'       {"gallery": [FILE]}
  --file 'order["a.b"]=a.pdf'     {"order": {"a.b": FILE}}; odd keys stand in quotes
"""


_RATES = {"real": 1.0, "frozen": 0.0}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the whole usage before it."""

    _as_json = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)

    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        """Refuse what is unknown here: the parser of all commands would point at its own help, not at the command's."""
        words: Sequence[str] | None = args[0]  # as argparse gives them itself
        words = list(sys.argv[1:] if words is None else words)
        self._as_json = "--json" in words[: words.index("--") if "--" in words else None]
        known, unknown = super().parse_known_args(*args, **options)
        if unknown:
            self.error(f"unrecognized arguments: {', '.join(map(repr, unknown))}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        sentence = f"{self.prog}: {message}; see {self.prog} --help"
        if self._as_json:
            print_error(sentence)
        self.exit(2, f"{sentence}\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; `.run` of what comes back is the function that runs it."""
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="flowflex",
        description="Fire FlowFlex custom-integration events and attach private files.",
        epilog=f"{_SETTINGS}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"flowflex-kit {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _describe_demo(
        commands.add_parser(
            "demo",
            help="send an event with files to a fake FlowFlex in this process, and show what happened",
            description="Send an event with files to a fake FlowFlex in this process, and show what happened. "
            "Needs no account and no network.",
        )
    )
    _describe_send(
        commands.add_parser(
            "send",
            help="send an event, with files",
            description="Send an event, with files.",
            epilog=f"{_PATHS}\n{_SETTINGS}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _describe_resume(
        commands.add_parser(
            "resume",
            help="go on with a send that failed, from its snapshot",
            description="Go on with a send that failed, from the FILE of flowflex send --snapshot FILE: the same body "
            "under the same idempotency key, and no upload twice. FILE is removed when the event is accepted.",
            epilog=f"{_SETTINGS}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _describe_upload(
        commands.add_parser(
            "upload",
            help="upload files and print their asset ids, which live 48 hours",
            description="Upload files and print their asset ids. FlowFlex keeps an uploaded file for 48 hours.",
            epilog=f"{_SETTINGS}\n{_EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    _describe_fake(
        commands.add_parser(
            "fake",
            help="serve a fake FlowFlex on this machine until Ctrl-C or SIGTERM",
            description="Serve a fake FlowFlex on this machine until Ctrl-C or SIGTERM, "
            "with a page that shows what arrives. "
            "It prints the four export lines that point flowflex, and your program, at it.",
        )
    )
    return parser


def _describe_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument("files", nargs="*", metavar="FILE", help="what to attach; by default two small files made here")
    _add_transport(demo)
    demo.set_defaults(run=_demo)


def _describe_send(send: argparse.ArgumentParser) -> None:
    send.add_argument("event", metavar="EVENT", help="the name of the event, such as invoice.created")
    send.add_argument("--data", metavar="JSON|@FILE|-", help="the payload, a JSON object: here, in a file, or on stdin")
    send.add_argument(
        "--file",
        dest="files",
        action="append",
        default=[],
        metavar="PAYLOAD.PATH=FILE",
        help="attach FILE at this place of the payload; may be given many times",
    )
    send.add_argument("--idempotency-key", metavar="K", help="by default a new one, which is printed")
    send.add_argument(
        "--snapshot",
        metavar="FILE",
        help="where a send that failed, and can be resumed, is written: flowflex resume FILE goes on with it. "
        "FILE holds the payload, and nobody else may read it",
    )
    _add_transport(send)
    _add_json(send)
    send.set_defaults(run=_send)


def _describe_resume(resume: argparse.ArgumentParser) -> None:
    resume.add_argument("snapshot", metavar="FILE", help="what flowflex send --snapshot FILE has written")
    _add_transport(resume)
    _add_json(resume)
    resume.set_defaults(run=_resume)


def _describe_upload(upload: argparse.ArgumentParser) -> None:
    upload.add_argument("files", nargs="+", metavar="FILE")
    _add_json(upload)
    upload.set_defaults(run=_upload)


def _describe_fake(fake: argparse.ArgumentParser) -> None:
    fake.add_argument("--host", metavar="H", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    fake.add_argument("--port", metavar="P", type=_port, help="of the API and the page; default: a free one")
    fake.add_argument("--storage-port", metavar="P", type=_port, help="default: a free one")
    fake.add_argument("--inspector-port", metavar="P", type=_port, help="a further port for the page alone")
    fake.add_argument("--api-key", metavar="K")
    fake.add_argument("--api-secret", metavar="S")
    fake.add_argument("--integration", metavar="CODE")
    fake.add_argument(
        "--clock",
        metavar="real|frozen|RATE",
        type=_rate,
        default=1.0,
        help="how fast its time goes: RATE seconds in a second (default: real)",
    )
    fake.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="keep what it holds in DIR, for the next time, with the ports that were free; credentials are not kept",
    )
    fake.add_argument(
        "--allow-remote",
        action="store_true",
        help="let --host be an address that other machines reach: whoever does may read and change everything",
    )
    _describe_switches(fake)
    fake.set_defaults(run=_fake)


def _describe_switches(fake: argparse.ArgumentParser) -> None:
    switches = fake.add_argument_group("where the real FlowFlex is not documented")
    switches.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        help="hold the rules that are an assumed strictness (default: hold them)",
    )
    switches.add_argument("--storage-dialect", choices=("s3", "supabase"), help="default: s3")
    switches.add_argument("--api-dialect", choices=("error/code", "message/name"), help="default: error/code")
    switches.add_argument(
        "--key-fingerprint",
        choices=("body", "key"),
        help="what a repeated idempotency key is compared by (default: body)",
    )
    switches.add_argument(
        "--reused-key-status",
        type=int,
        choices=(422, 400),
        help="for a key that comes again with another body (default: 422)",
    )
    switches.add_argument(
        "--refuses-key-in-flight",
        action=argparse.BooleanOptionalAction,
        help="answer 409 while the first request under a key is worked on (default: do)",
    )
    switches.add_argument(
        "--missing-file",
        choices=("refused", "failed-run"),
        help="what becomes of an event whose file is missing (default: refused)",
    )
    switches.add_argument(
        "--rate-limit",
        metavar="N/SECONDS",
        type=_rate_limit,
        help="so many requests of one integration in so many seconds (default: any number)",
    )


def _add_transport(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--transport", choices=("urllib3", "trio"), default="urllib3", help="the client (default: %(default)s)"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result, or the error, as JSON")


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")


def _rate(text: str) -> float:
    if text in _RATES:
        return _RATES[text]
    rate = _positive(text)
    if rate is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not real, frozen or a number over 0")
    return rate


def _rate_limit(text: str) -> tuple[int, float]:
    requests, _, window = text.partition("/")
    seconds = _positive(window)
    if not (requests.isascii() and requests.isdecimal() and 0 < len(requests) < 10 and int(requests)) or not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 100/60: requests, and in how many seconds")
    return int(requests), seconds


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def _demo(options: argparse.Namespace) -> None:
    from flowflex_transports.cli.demo import demo

    demo(options)


def _send(options: argparse.Namespace) -> None:
    from flowflex_transports.cli.send import send

    send(options)


def _resume(options: argparse.Namespace) -> None:
    from flowflex_transports.cli.send import resume

    resume(options)


def _upload(options: argparse.Namespace) -> None:
    from flowflex_transports.cli.send import upload

    upload(options)


def _fake(options: argparse.Namespace) -> None:
    from flowflex_transports.cli.fake import serve

    serve(options)
