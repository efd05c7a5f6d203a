"""What a supervisor costs, beside tini, dumb-init and supervisord: `python -m benchmarks.supervisor`."""
