"""Every exit status that is the supervisor's own. All others are the program's.

From sysexits(3) where it has one that fits; 124 to 127 and 128 + N are what shells and timeout(1) made of them.
"""

USAGE = 64
READINESS = 68
UNAVAILABLE = 69
INTERNAL = 70
SYSTEM = 71
PYTHON_MISSING = 72
CANNOT_WRITE = 73
INSTALL_REFUSED = 74
SKIPPED = 75
NAME_TAKEN = 76
NOEXEC_TARGET = 77
CANCELLED = 78
TIMED_OUT = 124
NOT_EXECUTABLE = 126
NOT_FOUND = 127
BY_SIGNAL = 128

MEANINGS = {
    USAGE: "the command line or a `SUPERVISOR_*` variable is wrong; nothing was started",
    READINESS: "`supervisor trigger` or `supervisor stop` found no supervisor to talk to",
    UNAVAILABLE: "what `--after` or `--wait-file` waits for did not come in time, or can no longer come",
    INTERNAL: "a defect of the supervisor itself",
    SYSTEM: "the system refused a process (fork failed)",
    PYTHON_MISSING: "the zipapp found a Python older than 3.11",
    CANNOT_WRITE: "the program ended well, but a marker that was asked for could not be written",
    INSTALL_REFUSED: "`supervisor install` could not write its target",
    SKIPPED: "a predecessor failed, so the program was never started",
    NAME_TAKEN: "another container of this pod holds the same `--name`",
    NOEXEC_TARGET: "`supervisor install` was pointed at a volume that is mounted noexec",
    CANCELLED: "the program was cancelled through `--cancel-file`",
    TIMED_OUT: "`--timeout` ran out, and the program was stopped",
    NOT_EXECUTABLE: "the program was found but cannot be executed",
    NOT_FOUND: "the program was not found",
    BY_SIGNAL: "128 + N: the program ended by signal N; or signal N came before it was started",
}
