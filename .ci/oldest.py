"""Prints pip constraints that pin every dependency of the library to the oldest version that it allows.

A lower bound that no test runs with is a guess.
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *extras["trio"], *extras["testing"], *extras["tls"], *extras["cli"]]:
    name, version = re.fullmatch(r"([\w-]+)>=([\w.]+)", requirement).groups()
    print(f"{name}=={version}")
