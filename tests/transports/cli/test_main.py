"""How the outcome of a part of the command line becomes an exit code, where no server can bring it about."""

from argparse import Namespace

from flowflex_transports import cli


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
