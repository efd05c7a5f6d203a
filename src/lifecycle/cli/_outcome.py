"""How `lifecycle stop` ends: its exit statuses, which its --help explains."""

STOPPED = 0
FAILED = 1
WRONG_USAGE = 2
NOBODY_THERE = 3
NOT_ALLOWED = 4
TIMED_OUT = 5
NOT_OURS = 6
CONNECTION_LOST = 7


class Outcome(Exception):  # noqa: N818 - it ends the conversation, wherever it stands; not always an error
    """An exit status and the line that explains it."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
