"""The story of a schedule tells what happened, in its order."""

from flowflex_testing.simulation.hosts import blocking
from flowflex_testing.simulation.schedule import run
from flowflex_testing.simulation.story import lines_of
from flowflex_testing.simulation.tape import Tape
from tests.testing.simulation import loops


def test_what_one_moment_has_stands_in_its_order():
    """What is saved before a request leaves stands before it, and what the server did stands between."""
    first, *story = lines_of(run(Tape(b""), "safety", blocking(loops.sequential)))
    assert first.endswith("what may happen: connection refused")
    words = ["upload-url/0/1", "put/0/2", "saves snapshot 1", "event/1", "the server accepts", "returned"]
    places = [next(place for place, line in enumerate(story) if word in line) for word in words]
    assert places == sorted(places)
    assert "returned {'assetId': " in story[-1]


def test_a_life_begins_before_its_requests():
    """What a life does in the moment in which it begins stands behind its beginning."""
    loop = blocking(loops.sequential, dies=True)
    stories = [lines_of(run(Tape.of_seed(f"story/{number}"), "chaos", loop)) for number in range(100)]
    begun = [
        (story, place)
        for story in stories
        for place, line in enumerate(story)
        if "begins life 2" in line and " 1 send," in story[0]
    ]
    assert begun
    for story, place in begun:
        assert story[place + 1].split()[0] == story[place].split()[0]
