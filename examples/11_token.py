"""Who may ask the process to stop: whoever knows the token.

    LIFECYCLE_SHUTDOWN_TOKEN=open-sesame uvicorn --app-dir examples 11_token:app &
    curl -i localhost:8000/shutdown
    curl -i localhost:8000/shutdown --header "X-Lifecycle-Token: open-sesame"

What to see: 403, and nothing happens; then 200, with the report. In a manifest the header stands among
preStop's `httpHeaders`. Where no token is set, callers must be near: this machine, the node.
"""

from starlette.applications import Starlette

from lifecycle import Lifecycle, LifecycleMiddleware

app = LifecycleMiddleware(Starlette(), Lifecycle())
