"""How long fuzzing goes on: seconds, or at length by `pytest tests/fuzzing --hypothesis-profile=soak`."""

from hypothesis import settings

from tests.fuzzing.effort import SOAK

settings.register_profile("soak", max_examples=SOAK)
