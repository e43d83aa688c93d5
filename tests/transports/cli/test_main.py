"""How the outcome of a part of the command line becomes an exit code, where no server can bring it about."""

import sys
from argparse import Namespace
from types import SimpleNamespace

from flowflex_transports import cli
from flowflex_transports.environment import VARIABLES


def test_a_bug_of_ours_is_one_sentence_without_its_words(monkeypatch, capsys):
    """What nobody expected is told by its kind and place alone: its words could hold a secret."""

    def run(options):
        raise KeyError("cis_secret")

    monkeypatch.setattr(cli, "parse", lambda arguments: Namespace(run=run))
    assert cli.main([]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert "KeyError" in line
    assert "test_main.py" in line
    assert "cis_secret" not in line


def test_ctrl_c_before_the_send_tells_of_no_event(monkeypatch, capsys):
    """While the payload is still awaited on stdin, there is nothing that may have been accepted."""

    def read():
        raise KeyboardInterrupt

    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "x")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=read)))
    assert cli.main(["send", "e", "--data", "-"]) == 130
    assert capsys.readouterr() == ("", "flowflex: interrupted\n")
