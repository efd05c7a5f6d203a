"""Not ready before the postStart hook has done its work and written a file.

    LIFECYCLE_POST_START_FILE=/tmp/postStart_done python examples/03_post_start_trigger.py &
    echo "Wake up!" > /tmp/postStart_done

What to see: startup hooks run at once, and everything else when the file has come. What it says is the
message. A file of an earlier run does not count.
"""

import sys

from lifecycle import Lifecycle, Trigger

life = Lifecycle()


@life.on_startup
async def prepare() -> None:
    print(f"prepared; waiting for {life.settings.post_start_file}")


@life.on_post_start
async def wake_up(trigger: Trigger) -> None:
    print(f"woken up by {trigger.path.name}: {trigger.message}")


async def main() -> None:
    print(f"{life.phase}: working")


if __name__ == "__main__":
    sys.exit(life.run(main))
