"""The curl command of a request, read by a shell."""

import shlex
import subprocess

import pytest

from flowflex_testing.inspector.curl import curl_command

BASE_URL = "http://127.0.0.1:8080"


def shown(**changes):
    return {
        "origin": "api",
        "method": "POST",
        "target": "/v1/events/ic",
        "headers": [["host", "h"], ["content-length", "2"], ["content-type", "application/json"]],
        "body": "{}",
        "received": 2,
    } | changes


def test_an_event_is_repeated_with_variables_for_its_credentials():
    """The shell puts the credentials in, which the page never knew."""
    headers = [["authorization", "[secret]"], ["content-type", "application/json"], ["x-event", "it's"], ["x-none", ""]]
    command = curl_command(shown(headers=headers), BASE_URL)
    assert '-u "$FLOWFLEX_API_KEY:$FLOWFLEX_API_SECRET"' in command
    assert shlex.split(command) == [
        *("curl", "-X", "POST", "http://127.0.0.1:8080/v1/events/ic"),
        *("-u", "$FLOWFLEX_API_KEY:$FLOWFLEX_API_SECRET"),
        *("-H", "content-type: application/json", "-H", "x-event: it's", "-H", "x-none;"),
        *("--data-raw", "{}"),
    ]


def test_a_put_goes_to_the_upload_url_with_the_file():
    """The URL is a secret, and the file stands in the working directory."""
    target = "/assets/default/asset_1/-my%20file.pdf?[secret]"
    request = shown(
        origin="storage", method="PUT", target=target, headers=[["content-type", "application/pdf"]], body=None
    )
    command = curl_command(request, BASE_URL)
    assert '"$UPLOAD_URL"' in command
    assert shlex.split(command) == [
        *("curl", "-X", "PUT", "$UPLOAD_URL", "-H", "content-type: application/pdf"),
        *("--data-binary", "@./-my file.pdf"),
    ]


def test_curl_does_not_change_what_it_sends():
    """Neither its globs, nor its paths, nor the type that it thinks a body has."""
    words = shlex.split(curl_command(shown(target="/a/../[1]", headers=[]), BASE_URL))
    assert words[3:6] == ["--globoff", "--path-as-is", "http://127.0.0.1:8080/a/../[1]"]
    assert words[6:8] == ["-H", "content-type:"]


@pytest.mark.parametrize("word", ["'; rm -rf / #", "$(reboot)", "`reboot`", '"\\', "a\nb"])
def test_a_shell_takes_what_was_sent_for_one_word(word):
    """Whatever stands in a body or header, nothing of it is run."""
    words = shlex.split(curl_command(shown(body=word, headers=[["x-event", word]]), BASE_URL))
    assert words[-1] == word
    assert words[words.index("-H") + 1] == f"x-event: {word}"


def test_nothing_moves_the_cursor_of_a_terminal():
    """An escape sequence could end the paste, and press Enter."""
    command = curl_command(shown(body="a\x1b[201~\rb", target="/\x9b1m"), BASE_URL)
    assert all(character.isprintable() for character in command)


@pytest.mark.parametrize("body", ['{"a":"x\u202ey"}', "-%d%%\\n\\033\u200d'\"$HOME`\n", "\x1b[201~\rb\x007"])
def test_what_is_not_seen_is_sent_all_the_same(body):
    """A body with invisible characters comes out of the shell as it was, and shows as plain text in the command."""
    command = curl_command(shown(body=body), BASE_URL)
    assert all(character.isprintable() or character == "\n" for character in command)
    printing, _, curl = command.rpartition(" | curl ")
    assert curl.endswith(" --data-binary @-")
    printed = subprocess.run(["/bin/sh", "-c", printing], capture_output=True, check=True)
    assert printed.stdout == body.encode()
