"""`python -m sandbox`: run it until interrupted; one JSON line on standard output says that it listens."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys

import sandbox
from sandbox import Options, Sandbox


def main() -> int:
    """Run the sandbox; the exit code is 2 when it cannot listen."""
    options = _options()
    try:
        asyncio.run(_run(options))
    except OSError as error:
        print(f"sandbox: cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _options() -> Options:
    default = Options()
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=sandbox.__doc__)
    parser.add_argument("--host", default=default.host, help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=default.port, help="port, 0 picks a free one (%(default)s)")
    parser.add_argument("--bridge", default=default.bridge, help="where the bridge listens (%(default)s)")
    parser.add_argument("--tenant", default=default.tenant, help="tenant id (%(default)s)")
    parser.add_argument("--seed", help="make ids repeatable")
    parser.add_argument("--public-url", help="how the bridge reaches this server, if not by host and port")
    parser.add_argument("--open-control", action="store_true", help="let other machines use the control API")
    parser.add_argument("--crowd", action="store_true", help="three more people and a second group chat")
    parser.add_argument("--no-page", dest="page", action="store_false", help="do not serve the web page")
    return Options(**vars(parser.parse_args()))


async def _run(options: Options) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, stopped.set)
    async with Sandbox(options) as running:
        ready = {"ready": running.url, "control": f"{running.url}/_sandbox", "bridge": running.settings.bridge}
        print(json.dumps(ready), flush=True)  # noqa: T201  the promise to whoever started us
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main())
