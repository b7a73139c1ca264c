"""The HTTP control port of a peer that runs as its own process: JSON in, JSON out.

| route | body | does |
|---|---|---|
| `POST /queues` | `name` and `QueueOptions` | creates a queue (409: exists) |
| `DELETE /queues/{name}` | | deletes it |
| `POST /keys` | `name`, `key`, `rights` | adds a shared access policy |
| `POST /faults`, `DELETE /faults` | `Fault` | sets one, clears all |
| `POST /detach` | `queue`, `condition` | detaches all links of a queue |
| `POST /drop` | `queue` or nothing | cuts connections |
| `POST /lose-locks` | `queue` | all locks expire now |
| `POST /expire-tokens` | | all tokens expire now |
| `POST /stall` | `seconds` | connections neither read nor write |
| `POST /restart` | `seconds` | the AMQP port is away for a while; messages stay |
| `GET /stats` | | counters and depths |
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .frames import AmqpError
from .peer import ServiceBusPeer

_Action = Callable[[ServiceBusPeer, dict[str, Any]], Any]


def _add_key(peer: ServiceBusPeer, body: dict[str, Any]) -> None:
    peer.add_key(body["name"], body["key"], frozenset(body.get("rights", ("Send", "Listen", "Manage"))))


_ACTIONS: dict[str, _Action] = {
    "queues": lambda peer, body: peer.create_queue(**body).snapshot(),
    "keys": _add_key,
    "faults": lambda peer, body: peer.fault(**body),
    "detach": lambda peer, body: peer.detach(**body),
    "drop": lambda peer, body: peer.drop_connections(**body),
    "lose-locks": lambda peer, body: peer.lose_locks(**body),
    "expire-tokens": lambda peer, body: peer.expire_tokens(),
    "stall": lambda peer, body: peer.stall(**body),
    "restart": lambda peer, body: peer.restart(**body),
}


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        return web.json_response({"error": repr(error)}, status=400)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=409)
    except AmqpError as error:
        return web.json_response({"error": str(error)}, status=404)


def control_app(peer: ServiceBusPeer) -> web.Application:
    """Make the control port of a peer."""

    async def act(request: web.Request) -> web.Response:
        action = _ACTIONS.get(request.match_info["action"])
        if action is None:
            raise web.HTTPNotFound
        result = action(peer, await request.json() if request.can_read_body else {})
        if isinstance(result, Awaitable):
            result = await result
        return web.json_response({"done": result})

    async def delete_queue(request: web.Request) -> web.Response:
        peer.namespace.broker.delete(request.match_info["name"])
        return web.json_response({})

    async def clear_faults(request: web.Request) -> web.Response:
        peer.namespace.faults.clear()
        return web.json_response({})

    async def stats(request: web.Request) -> web.Response:
        return web.json_response(peer.stats())

    app = web.Application(middlewares=[_errors])
    app.router.add_get("/stats", stats)
    app.router.add_delete("/queues/{name}", delete_queue)
    app.router.add_delete("/faults", clear_faults)
    app.router.add_post("/{action}", act)
    return app
