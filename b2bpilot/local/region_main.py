"""`python -m b2bpilot.local.region_main REGION`: runs the functions of one region until standard input closes.

Its first line there is a RegionOrder; when its webhook answers, it writes a line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from b2bpilot.local.clients import Keys, LocalAws
from b2bpilot.local.functions import Served, serving
from b2bpilot.local.parent_watch import end_when_input_closes, sigterm_interrupts
from b2bpilot.local.region_process import RegionOrder
from b2bpilot.local.runtime.server import RuntimeServer
from b2bpilot.local.stack import Stack
from b2bpilot.local.subscribers.folder import SubscriberFolder, read_folders

STDOUT = 1
"""`sys.stdout` is the functions' then."""


def main() -> None:
    order = RegionOrder(**json.loads(sys.stdin.buffer.readline()))
    with suppress(KeyboardInterrupt), sigterm_interrupts():
        end_when_input_closes()
        _serve(order)


def _serve(order: RegionOrder) -> None:
    keys = Keys(access_key_id=order.access_key_id, secret_access_key=order.secret_access_key)
    aws = LocalAws(order.endpoint_url, keys, order.region)
    served = Served(
        handlers=order.handlers,
        replies=order.replies,
        variables=order.variables,
        folders=_folders(order),
    )
    server = RuntimeServer(inherited=order.socket, key=order.runtime_key)
    stack, events = Stack(outputs=order.outputs), Path(order.events)
    with serving(server, aws, stack, events, served, time_scale=order.time_scale):
        os.write(STDOUT, b"ready\n")
        signal.pause()


def _folders(order: RegionOrder) -> dict[str, SubscriberFolder]:
    read = read_folders([Path(path) for path in dict.fromkeys(order.folders.values())])
    by_path = {str(folder.path): folder for folder in read}
    return {function: by_path[path] for function, path in order.folders.items()}


if __name__ == "__main__":
    main()
