"""Which policy applies to a path: looked up for every request, so all patterns are one regular expression."""

import re
from collections.abc import Mapping
from fnmatch import translate

from lifecycle.core import End, Policy, SettingsError, as_end


class RoutePolicies:
    """`fnmatch` patterns for paths, each with its policy; the first that matches counts.

    Raises:
        SettingsError: A pattern or a policy is malformed.
    """

    def __init__(self, routes: Mapping[str, Policy]) -> None:
        if not isinstance(routes, Mapping):
            raise SettingsError(
                f"LifecycleMiddleware: routes={routes!r} is not a mapping: write routes={{'/events': 'end'}}"
            )
        for pattern in routes:
            if not str(pattern).startswith(("/", "*")):
                raise SettingsError(
                    f"LifecycleMiddleware: routes[{pattern!r}] fits no path: patterns begin with a slash, like '/events'"
                    " or '/feed/*'"
                )
        self._ends = [
            as_end(policy, f"LifecycleMiddleware: routes[{pattern!r}]")
            for pattern, policy in routes.items()
        ]
        # One group for each pattern, and none inside: its number is the pattern's place.
        self._match = re.compile(
            "|".join(f"({translate(str(pattern))})" for pattern in routes)
        ).match

    def end(self, path: str, default: End | None) -> End | None:
        """The policy for `path`: `default` if no pattern matches."""
        found = self._match(path)
        if found is None or found.lastindex is None:
            return default
        return self._ends[found.lastindex - 1]
