"""From a command line and an environment to settings: the first word that is no option begins the program's own."""

from ._errors import UsageError
from ._option import PREFIX, Option
from ._options import BY_NAME, BY_SHORT, COMPATIBLE, OPTIONS
from ._specs import Condition, conditions

# Other wrappers', which are read where their command lines are: for tests, and where nobody may make folders at the root.
ARGO_FOLDER, TEKTON_FOLDER = "SUPERVISOR_ARGO_DIR", "SUPERVISOR_TEKTON_DIR"
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
SERVICE_MARKS = ("_SERVICE_HOST_", "_SERVICE_PORT_", "_PORT_")


class Settings:
    """One attribute for each option of the table, by its name, and the command."""

    after: list[Condition]
    always_zero: bool
    cancel_file: str | None
    delay: list[tuple[int, float]]
    escalate: tuple[tuple[int, float | None], ...] | None
    grace_period: float
    margin: float | None
    mesh: str | None
    name: str | None
    notify: bool
    on_error: str
    on_wait_timeout: str
    parent_death_signal: int | None
    pause_after: str | None
    pause_before: str | None
    pause_on_failure: str | None
    peer_quit: list[str]
    peer_timeout: float
    peers_on_success: bool
    pipe_timeout: float
    post_file: str | None
    pre_stop: tuple[str, ...] | None
    quiet: bool
    ready_file: str | None
    ready_when: Condition | None
    remap: list[tuple[int, int]]
    retry: int
    retry_delay: float
    retry_limit: float
    retry_on: frozenset[int] | None
    rewrite: list[tuple[int, int]]
    second_signal: str
    session: bool
    signal_file: str | None
    signal_to: str
    state_dir: str | None
    stderr_path: str | None
    stdout_path: str | None
    stop_on: tuple[int, ...]
    stop_signal: int | None
    stop_with: tuple[str, ...] | None
    survivors: str
    termination_path: str | None
    timeout: float
    unordered_stop: bool
    until: list[Condition]
    until_all: bool
    verbose: bool
    wait_file: list[str]
    wait_file_content: bool
    wait_file_fresh: bool
    wait_file_variable: str | None
    wait_timeout: float
    watchdog: float

    def __init__(self) -> None:
        self.command: list[str] = []
        # What is not wrong enough to start nothing.
        self.warnings: list[str] = []
        # The content of the last --wait-file is meant for a reader.
        self.tells_message = True
        # Failures of predecessors are somebody's breakpoint, and no reason to skip.
        self.debugging = False
        # Another wrapper's condition says that there is nothing to do: succeed without the program.
        self.not_needed = False
        # Another wrapper's step is to have no network.
        self.isolated = False
        # Another wrapper's file for both outputs, in the order in which they came.
        self.combined_path: str | None = None
        for option in OPTIONS:
            # A list of its own: that of the table is the same for everybody.
            setattr(self, option.attribute, [] if option.repeat else option.default)

    def give(self, option: Option, words: str, *, source: str) -> None:
        try:
            value = option.parse(words)
        except UsageError as failure:
            raise UsageError(f"{source}: {failure}") from None
        if option.repeat:
            getattr(self, option.attribute).append(value)
        else:
            setattr(self, option.attribute, value)

    def check(self) -> None:
        """What is right alone may be wrong together.

        Raises:
            UsageError: Two settings contradict each other.
        """
        if self.margin is not None and self.margin >= self.grace_period > 0:
            raise UsageError(
                f"a margin of {self.margin:g} s leaves nothing of a grace period of "
                f"{self.grace_period:g} s: shorten it, or raise --grace-period"
            )
        waited = sum(patience or 0.0 for _, patience in self.escalate or ())
        if waited > self.grace_period > 0:
            raise UsageError(
                f"the steps of --escalate take {waited:g} s of a grace period of "
                f"{self.grace_period:g} s: set --grace-period above {waited:g}, or shorten one"
            )
        if self.on_error == "continue" and self.always_zero:
            raise UsageError(
                "--on-error continue and --always-zero answer the same question: give one"
            )
        if self.watchdog and not self.notify:
            raise UsageError("--watchdog listens for WATCHDOG=1: it needs --notify")
        if not self.command:
            raise UsageError("no command: write supervisor [options] [--] CMD ARGS…, or see --help")
        if not self.command[0]:
            raise UsageError("the command is an empty word")


def parse(words: list[str], environment: dict[str, str]) -> Settings:
    """
    Raises:
        UsageError: An option or a variable is unknown or wrong.
    """
    settings = Settings()
    if any(name.startswith(PREFIX) for name in environment):
        _read_environment(settings, environment)
        settings.warnings += [
            f"{name} is no setting of the supervisor, and is left to the program: see --help"
            for name in misspelt(environment)
        ]
    given: set[str] = set()
    at = 0
    words = [*words]
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if not word.startswith("-") or word == "-":
            break
        at = _read_option(settings, words, at, given)
    settings.command = words[at:]
    settings.check()
    return settings


def _read_option(settings: Settings, words: list[str], at: int, given: set[str]) -> int:
    word = words[at]
    if not word.startswith("--") and len(word) > 2 and _takes_no_value(word[:2]):
        # `-sg`, `-vvv`: several letters behind one dash, as getopt has it.
        words[at : at + 1] = [word[:2], f"-{word[2:]}"]
        word = words[at]
    if word in COMPATIBLE:
        for name, value in COMPATIBLE[word]:
            settings.give(BY_NAME[name], value, source=word)
        return at + 1
    name, equals, value = word.partition("=")
    option = BY_NAME.get(name)
    if option is None:
        option = BY_SHORT.get(word[:2])
        # `-e143` and `-e 143`, as getopt has it.
        name, equals, value = word[:2], word[2:], word[2:]
    if option is None:
        raise UsageError(f"unknown option {word!r}: see --help, or write -- before the command")
    if option.is_flag:
        settings.give(option, value if equals else "true", source=name)
        return at + 1
    if not equals:
        at += 1
        if at == len(words):
            raise UsageError(f"{name} needs a value: {option.metavar}")
        value = words[at]
    if option.repeat and option.name not in given:
        # The command line replaces what the environment said, it does not add to it.
        getattr(settings, option.attribute).clear()
        given.add(option.name)
    settings.give(option, value, source=name)
    return at + 1


def _takes_no_value(letter: str) -> bool:
    option = BY_SHORT.get(letter)
    return letter in COMPATIBLE or (option is not None and option.is_flag)


def _read_environment(settings: Settings, environment: dict[str, str]) -> None:
    for option in OPTIONS:
        value = environment.get(option.variable)
        if not value:
            continue  # An empty variable is how a manifest takes one back.
        if not option.repeat:
            parts = [value]
        elif option.metavar == "CONDITION":
            parts = conditions(value)
        else:
            parts = value.split(",")
        for part in parts:
            settings.give(option, part, source=option.variable)


def remaining_environment(environment: dict[str, str]) -> dict[str, str]:
    """What the program inherits: not our own settings, which a nested supervisor would take for its own."""
    if not any(name.startswith(PREFIX) for name in environment):
        return environment
    ours = {option.variable for option in OPTIONS} | {ARGO_FOLDER, TEKTON_FOLDER}
    return {name: value for name, value in environment.items() if name not in ours}


def misspelt(environment: dict[str, str]) -> list[str]:
    """Variables that look like ours and are not. Kubernetes makes some of a Service that is called `supervisor`."""
    ours = {option.variable for option in OPTIONS}
    return [
        name
        for name in environment
        if name.startswith(PREFIX)
        and name not in ours
        and not any(mark in f"{name}_" for mark in SERVICE_MARKS)
    ]
