"""Whether state is kept, and where: only a pod whose containers share the volume has a use for it."""

from . import _markers
from ._errors import StateError, Voice
from ._loop import Loop
from ._settings import Settings
from ._statuses import NAME_TAKEN
from ._system import TYPE_CHECKING, posix

if TYPE_CHECKING:
    from ._state import State

DEFAULT = "/var/run/wrapper/state"


def directory_of(settings: Settings, environment: dict[str, str]) -> str:
    return settings.state_dir or DEFAULT


def name_of(settings: Settings) -> str:
    return settings.name or settings.command[0].rpartition("/")[2] or "program"


def claim(settings: Settings, base: str, voice: Voice, loop: Loop) -> "State | None":
    """
    Raises:
        StateError: Another container holds the name that was asked for.
    """
    asked_for = settings.name is not None or settings.state_dir is not None
    if not asked_for and not posix.access(base.rpartition("/")[0], posix.W_OK):
        return None
    from ._state import State

    state = State(base, name_of(settings))
    try:
        state.claim(
            after=[
                _markers.name(wanted.target)
                for wanted in settings.after
                if wanted.kind in ("name", "tombstone") and wanted.state in ("started", "ready")
            ]
        )
    except StateError as failure:
        if failure.status == NAME_TAKEN and settings.name is not None:
            raise
        if asked_for:
            voice.warn(f"{failure}; the program is served without")
        return None
    loop.private.add(state.lock)
    return state
