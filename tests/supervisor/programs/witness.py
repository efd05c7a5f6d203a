"""Writes down every signal that it receives, in order, and ends on the one that it was given.

witness.py [LAST [SECONDS]]: after LAST (TERM) it takes SECONDS (0) to clean up, says "clean" and exits 0.
"""

import os
import signal
import sys
import time

last = signal.Signals[f"SIG{sys.argv[1]}"] if len(sys.argv) > 1 else signal.SIGTERM
cleanup = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
every = signal.valid_signals() - {signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, every)
os.write(1, b"ready\n")
while True:
    number = signal.sigwaitinfo(every).si_signo
    name = signal.Signals(number).name if number in list(signal.Signals) else str(number)
    os.write(1, f"{name}\n".encode())
    if number == last:
        time.sleep(cleanup)
        os.write(1, b"clean\n")
        os._exit(0)
