"""The progress of files: bars on a terminal, lines in a pipe."""

import os
import pty
import re
import subprocess

from flowflex_testing.faults import Status
from flowflex_transports.cli.samples import sample_pdf

SENT = f"sent invoice.pdf ({len(sample_pdf())} bytes)"


def _on_a_terminal(flowflex, *arguments):
    """Run the command with stderr on a terminal; return what it printed there and to stdout."""
    ours, terminal = pty.openpty()
    process = flowflex.start(*arguments, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:  # how Linux tells that the last process has closed a terminal
        pass
    os.close(ours)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    text = shown.decode()
    flowflex.check_silence(text + stdout)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text), stdout


def test_a_terminal_gets_a_bar_for_each_file(flowflex):
    """On a terminal each file has a bar that ends full; results still go to stdout alone."""
    shown, stdout = _on_a_terminal(flowflex, "send", "e", "--file", "a=invoice.pdf", "--file", "b=photo.png")
    for name in ("invoice.pdf", "photo.png"):
        size = (flowflex.folder / name).stat().st_size
        full = rf"{size}/{size} bytes" if size < 1000 else r"([\d.]+)/\1 kB"
        assert re.search(rf"{re.escape(name)} +━+ {full}", shown), shown
    assert "sent " not in shown
    assert stdout.startswith("accepted e ")


def test_brackets_in_a_name_are_part_of_it(flowflex):
    """A file name is shown as it is, not taken as markup."""
    (flowflex.folder / "[red]x.pdf").write_bytes(b"x")
    shown, _ = _on_a_terminal(flowflex, "send", "e", "--file", "a=[red]x.pdf")
    assert "[red]x.pdf" in shown


def test_a_dumb_terminal_gets_lines(flowflex):
    """A terminal that cannot move its cursor gets what a pipe gets."""
    flowflex.environment["TERM"] = "dumb"
    shown, _ = _on_a_terminal(flowflex, "send", "e", "--file", "a=invoice.pdf")
    assert shown.splitlines() == [SENT]


def test_an_upload_that_begins_anew_is_told_again(flowflex, flowflex_fake):
    """A file that had to be sent twice has two lines."""
    flowflex_fake.faults.arm("put", Status(503, retry_after=0))
    run = flowflex("send", "e", "--file", "a=invoice.pdf")
    assert run.stderr.splitlines() == [SENT] * 2


def test_an_empty_file_is_told_once(flowflex):
    """A file of no bytes is sent, and has its line."""
    (flowflex.folder / "empty.txt").touch()
    run = flowflex("send", "e", "--file", "a=empty.txt")
    assert (run.returncode, run.stderr) == (0, "sent empty.txt (0 bytes)\n")


def test_a_closed_stderr_does_not_stop_an_upload(flowflex, flowflex_fake):
    """Whoever closes stderr loses the progress, and not the send."""
    process = flowflex.start("send", "e", "--file", "a=invoice.pdf", stderr=subprocess.PIPE)
    process.stderr.close()
    stdout = process.stdout.read()
    assert (process.wait(timeout=60), stdout.splitlines()[0][:10]) == (0, "accepted e")
    assert len(flowflex_fake.events) == 1
