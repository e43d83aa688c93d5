"""How many cases Hypothesis tries here; for a long look, `pytest tests/core --hypothesis-profile=thorough`."""

import os

from hypothesis import HealthCheck, Phase, settings

# On machines shared by many, an example's time says nothing; a history is large by nature.
_ALWAYS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

settings.register_profile("quick", _ALWAYS, max_examples=200, derandomize=bool(os.environ.get("CI")))
settings.register_profile("thorough", _ALWAYS, max_examples=3_000, derandomize=False)
# The first counterexample will do: nothing is kept, and nothing is made smaller.
settings.register_profile(
    "breaks", _ALWAYS, max_examples=500, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("quick")
