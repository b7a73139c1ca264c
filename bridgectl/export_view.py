"""`bridgectl export view`: an archive as a local web page, served or written as files."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, cast

import typer

from adapters.archive_site import serving
from archive.reading import Archive
from archive.view.index import Index, build, open_index, threads_of
from archive.view.site import Site
from archive.view.static import write
from archive.view.texts import Language
from bridgectl.export_read import Folder, progress
from bridgectl.output import clear_end


def register(cli: typer.Typer) -> None:
    """Add the command to `bridgectl export`."""
    cli.command()(view)


def view(
    folder: Folder,
    static: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write the pages into this new folder instead; they work offline."),
    ] = None,
    lang: Annotated[str, typer.Option(help="Language of the pages: `en` or `ko`.")] = "en",
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes any that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Read an archive in the browser: search, chats, tickets with their threads, files, the report.

    Served on this machine only, at an address with a random word in it, until Ctrl-C. An index is made first in the
    folder for temporary files, and removed at the end.
    """
    if lang not in ("en", "ko"):
        raise typer.BadParameter("--lang is en or ko")
    language = cast(Language, lang)

    with clear_end(), _index(Archive(folder)) as (archive, index):
        if static is None:
            asyncio.run(_serve(Site(archive, index, live=True), port, language, browser))
            typer.echo("Stopped.")
        else:
            with progress("Writing") as step:
                pages = write(Site(archive, index, live=False), static, language, step)
            typer.echo(f"{pages:,} files written to {static}; open {static / 'index.html'}.")


@contextmanager
def _index(archive: Archive) -> Iterator[tuple[Archive, Index]]:
    with tempfile.TemporaryDirectory(prefix="archive-view-") as scratch:
        file = Path(scratch) / "index.sqlite"
        with progress("Indexing") as step:
            threads = threads_of(archive)
            build(archive, file, lambda done: step(done, max(done, threads)))
        with closing(open_index(file)) as db:
            yield archive, Index(db)


async def _serve(site: Site, port: int, lang: Language, browser: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(lambda asked, name, query: site.answer(cast(Language, asked), name, query), port) as base:
        address = f"{base}/{lang}/index.html"
        typer.echo(f"{address}\nOnly on this machine, to be read only. Ctrl-C ends it.")
        if browser and sys.stdout.isatty():
            webbrowser.open(address)
        await stop.wait()
