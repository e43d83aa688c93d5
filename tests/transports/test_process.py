import os
import threading

from flowflex_transports.process import PerProcess


def test_a_process_has_one_value():
    """All threads get the same one, also where several ask first at the same time."""
    together = threading.Barrier(4, timeout=10)

    def make():
        together.wait()
        return object()

    values = PerProcess(make)
    got = []
    threads = [threading.Thread(target=lambda: got.append(values.get())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, [*got, values.get()]))) == 1


def test_another_process_has_another_and_lets_go_of_the_inherited_one(monkeypatch):
    """What a child finds from its parent is let go of, once."""
    let_go: list[object] = []
    values = PerProcess(object, let_go.append)
    parents = values.get()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    childs = values.get()
    assert childs is not parents
    assert values.get() is childs
    assert let_go == [parents]
