"""Which extra of the distribution each part of the command line needs, and what it says without it."""

from importlib.util import find_spec

# An extra -> the packages that come with it and are used here.
_PACKAGES = {"cli": ("rich",), "testing": ("werkzeug",), "trio": ("trio", "h11")}


class MissingExtraError(Exception):
    """Names the extra that must be installed."""


def need(what: str, *extras: str) -> None:
    """Go on where all of `extras` are installed; otherwise raise one sentence that names those that are not."""
    missing = [extra for extra in extras if not all(find_spec(package) for package in _PACKAGES[extra])]
    if missing:
        names = ",".join(missing)
        raise MissingExtraError(f"{what} needs an extra that is not installed: pip install 'flowflex-kit[{names}]'")
