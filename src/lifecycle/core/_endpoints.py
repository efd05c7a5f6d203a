"""Where the platform knocks."""

from dataclasses import dataclass, fields

from lifecycle.core._errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The paths that the middleware answers itself; `None` switches one off.

    Raises:
        SettingsError: A path does not begin with one slash, or two are the same.
    """

    shutdown: str | None = "/shutdown"
    post_start: str | None = "/post-start"
    livez: str | None = "/livez"
    readyz: str | None = "/readyz"
    startupz: str | None = "/startupz"

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for field in fields(self):
            path: object = getattr(self, field.name)
            if path is None:
                continue
            if (
                not isinstance(path, str)
                or not path.startswith("/")
                or path.startswith("//")
                or {"?", "#"} & set(path)
            ):
                raise SettingsError(
                    f"Endpoints({field.name}={path!r}) is not a path: write it like {field.default!r}, or None to switch"
                    " it off"
                )
            if path in seen:
                raise SettingsError(
                    f"Endpoints({field.name}={path!r}) is the path of {seen[path]!r} too: give each its own, or None to"
                    " switch one off"
                )
            seen[path] = field.name
