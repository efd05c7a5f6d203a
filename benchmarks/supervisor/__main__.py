"""What a supervisor costs, beside tini, dumb-init and supervisord, paired in one run.

    python -m benchmarks.supervisor [--rounds 30] [--json FILE] [--page FILE]

Every round asks every wrapper in turn. Shown are medians.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.supervisor.measures import measure
from benchmarks.supervisor.page import medians, page, show
from benchmarks.supervisor.wrappers import SHARED, STATIC


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.supervisor", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    if not STATIC.exists():
        sys.exit("build it first: nox -s supervisor")
    if SHARED.exists():
        sys.exit(
            f"{SHARED} is there, so every supervisor would keep its state in it, on a disk, which no peer does: "
            f"rm -r {SHARED}"
        )
    found = measure(given.rounds)
    show(found)
    if given.page:
        given.page.write_text(page(found, given.rounds))
    if given.json:
        given.json.write_text(json.dumps(medians(found), indent=1) + "\n")


if __name__ == "__main__":
    main()
