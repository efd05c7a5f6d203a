"""What resources yielded, by name: `life.state.pool`."""

from typing import Any


class State:
    """The values of the resources that have started; reading one that has not says so."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        values: dict[str, Any] = self.__dict__.get("_values", {})
        try:
            return values[name]
        except KeyError:
            there = ", ".join(sorted(values)) or "none"
            raise AttributeError(
                f"no resource {name!r} has been started: there are {there}. Resources start with the application,"
                " so use them in requests, tasks and later hooks, not at import"
            ) from None

    def put(self, name: str, value: Any) -> None:
        self._values[name] = value

    def items(self) -> dict[str, Any]:
        """A copy: name → value."""
        return dict(self._values)

    def clear(self) -> None:
        self._values.clear()
