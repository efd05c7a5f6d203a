"""Leaves COUNT orphans behind, each of which ends after SECONDS; then, or with `wait` at once at a line on stdin, exits 7."""

import os
import sys
import time

count, seconds = int(sys.argv[1]), float(sys.argv[2])
for _ in range(count):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(seconds)
        os._exit(0)
    os.wait()
os.write(1, b"ready\n")
if "wait" in sys.argv:
    os.read(0, 1)
os._exit(7)
