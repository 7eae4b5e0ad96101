"""The library of PyPI certstream, as its own examples use it."""

import sys

import certstream

from common import WS, check_certificate

MESSAGES = 50
seen = set()


def on_message(message, context):
    check_certificate(message, full=False)
    data = message["data"]
    identity = (data["source"]["url"], data["cert_index"])
    assert identity not in seen, f"{identity} came twice"
    seen.add(identity)
    if len(seen) == MESSAGES:
        sys.stdout.flush()
        # The library reconnects for ever; this is how its users leave it.
        import os
        os._exit(0)


def on_error(instance, error):
    import os
    print("the client failed:", repr(error))
    os._exit(1)


certstream.listen_for_events(on_message, url=f"{WS}/", on_error=on_error)
