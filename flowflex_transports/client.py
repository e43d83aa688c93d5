"""What both clients are beside their loops: settings, a state, and what they say of themselves."""

from typing import Any

from flowflex_core import FlowFlexConfigError, Settings, file


class Client:
    """The base of `FlowFlex` and `AsyncFlowFlex`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closed = False

    file = staticmethod(file)

    def _settings_for(
        self, timeout_seconds: float | None, deadline_seconds: float | None, max_retries: int | None
    ) -> Settings:
        """Return the settings for one call; raises `FlowFlexConfigError`, also where the client is closed."""
        self._check_open()
        return self._settings.replace(
            timeout_seconds=timeout_seconds, deadline_seconds=deadline_seconds, max_retries=max_retries
        )

    def _check_open(self) -> None:
        if self._closed:
            raise FlowFlexConfigError("the client is closed: make a new one")

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}({self._settings.base_url!r}, integration_code={self._settings.integration_code!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("a client holds credentials and connections: make it anew in each process")


def check_way(**ways: object) -> None:
    """Refuse a transport, or what stands for one, beside what it takes the place of; it comes first of `ways`.

    Raises:
        FlowFlexConfigError: Both are given.
    """
    first, *others = ways
    if ways[first] is not None:
        for name in others:
            if ways[name] is not None:
                raise FlowFlexConfigError(f"{first} takes the place of {name}: give one of the two")
