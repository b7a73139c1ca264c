"""`bridgectl graph`: the account that answers in channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import typer

from adapters.http import session as http_session
from adapters.stores import open_ports
from adapters.teams.sign_in import GraphSignIn
from adapters.upstreams import graph_sign_in
from bridge.settings import load
from bridge.text import when
from bridgectl.output import FOUND, run, show_json

cli = typer.Typer(no_args_is_help=True, help="The account that answers in channels through Graph.")


@asynccontextmanager
async def _sign_in() -> AsyncIterator[GraphSignIn]:
    settings = load()
    settings.require_bot()
    async with open_ports(settings) as ports, http_session() as session:
        yield graph_sign_in(settings, session, ports.secrets)


@cli.command()
def login() -> None:
    """Sign the service account in, by a code that you confirm in any browser. Works while the bridge runs or not."""

    async def work() -> str:
        async with _sign_in() as sign_in:
            code = await sign_in.start()
            typer.echo(f"Open {code.uri} as the account that shall answer in channels, and type: {code.user_code}")
            return (await sign_in.finish(code)).name

    typer.echo(f"Signed in: {run(work())}. Channel answers go through Graph from now on (TEAMS_REPLY_VIA=auto).")


@cli.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Tell who is signed in, and whether the sign-in still works. Exit code 1 if it does not."""

    async def work() -> dict[str, Any]:
        async with _sign_in() as sign_in:
            found = await sign_in.status()
            return {
                "account": found.account.name if found.account else None,
                "token_until": when(found.expires_at) if found.expires_at else None,
                "problem": found.problem,
            }

    found = run(work())
    if as_json:
        show_json(found)
    elif found["problem"]:
        typer.echo(f"Not usable ({found['problem']}). Run `bridgectl graph login`.")
    else:
        typer.echo(f"Signed in: {found['account']}. The present token lasts until {found['token_until']}.")
    if found["problem"]:
        raise typer.Exit(FOUND)
