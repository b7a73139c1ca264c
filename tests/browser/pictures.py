"""`python -m tests.browser.pictures`: take the pictures of docs/img from a demo while the story is played in it.

Needs Chromium, with fonts for Korean and emoji. Everything shown is the real page with the real bridge behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import async_playwright

from sandbox.scenario.hands import Cast
from sandbox.scenario.stage import Stage
from sandbox.scenario.story import Story

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE = {"width": 1440, "height": 1000}
PHONE = {"width": 430, "height": 900}
KOREAN = ("demo.ko.png", "tour-phone.ko.png")
SETTLE_MS = 900


@dataclass
class Camera:
    """An open page, and where its pictures go."""

    page: Any
    folder: Path

    async def look(self, place: str, user: str = "ada", words: str = "", at: str = "") -> None:
        """Show a place in Teams, the conversation with these words, and the message that holds `at`."""
        find = self.page.get_by_test_id
        await find("teams-user-select").select_option(user)
        await find(f"teams-place-{place}").click()
        if words:
            await find("fc-conversation").filter(has_text=words).first.click()
        await self.page.wait_for_timeout(SETTLE_MS)
        if at:
            message = find("teams-message").filter(has_text=at).first
            await message.evaluate("node => node.closest('.feed').scrollTo(0, node.offsetTop - 12)")
        await self.page.mouse.move(0, 0)

    async def take(self, name: str, what: str = "") -> None:
        """Take the page, or a part of it; in Korean only what the documents show."""
        if ".ko." in name and name not in KOREAN:
            return
        await self.page.wait_for_timeout(SETTLE_MS)
        shown = self.page.locator(what) if what else self.page
        await shown.screenshot(path=str(self.folder / name))
        print(name)


async def story_in(camera: Camera, stage: Stage, lang: str) -> None:
    """Play the story in this language and take its pictures on the way."""
    config = await stage.get("config")
    people = {user["key"]: user for user in config["users"]}
    main, other = ("ada", "minjun") if lang == "en" else ("minjun", "ada")
    story = Story(stage, Cast(people[main], people[other], config["agents"][0]), lang, "P-483", infected=False)
    end, resolved = ("", "Resolved") if lang == "en" else (f".{lang}", "해결됨")
    for name in ("ask", "who", "assign", "answer", "picture", "note", "choose", "react"):
        await getattr(story, name)()
        if name == "who":
            await camera.look("it-help", main)
            await camera.take(f"tour-question{end}.png")
    await camera.look("it-help", main, at="reset 14")
    await camera.take(f"demo{end}.png")
    await camera.take(f"tour-answer{end}.png", "#teams")
    await camera.look("it-help", main, at=story.line("offer"))
    await camera.take(f"tour-choice{end}.png", "#teams")
    await camera.page.get_by_test_id("fc-examples").click()
    await camera.take(f"tour-offers{end}.png", "#desk")
    await camera.page.keyboard.press("Escape")
    await story.edit()
    await story.delete()
    await camera.look("it-help", main)
    await camera.take(f"tour-edits{end}.png", "#desk")
    await story.infected()
    await story.status()
    await camera.look("personal", main)
    await camera.take(f"tour-file{end}.png", "#teams")
    await story.resolve()
    await camera.look("it-help", main)
    await camera.take(f"tour-rating{end}.png", "#teams")
    await story.rate()
    await camera.look("it-help", main, words=resolved)
    await camera.take(f"tour-rated{end}.png", "#desk")
    await camera.page.set_viewport_size(PHONE)
    await camera.take(f"tour-phone{end}.png", "#teams")
    await story.end()


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """`make demo` on free ports; gives the page's address."""
    port, bridge_port = _free_port(), _free_port()
    arguments = ["-m", "bridgectl", "sandbox", "--port", str(port), "--bridge-port", str(bridge_port)]
    child = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        while line := await child.stdout.readline():
            if f":{port}".encode() in line:
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        await child.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def main(options: argparse.Namespace) -> None:
    """Take all pictures, in a demo of its own for each language."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    options.out.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright, aiohttp.ClientSession() as session:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for lang in ("en", "ko"):
            async with demo() as url:
                page = await browser.new_page(viewport=WIDE, locale=lang)
                await page.goto(f"{url}/?lang={lang}")
                await page.get_by_test_id("teams-place-general").wait_for()
                await story_in(Camera(page, options.out), Stage(session, url, 30), lang)
                await page.close()
        await browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img", help="folder for the pictures (%(default)s)")
    asyncio.run(main(parser.parse_args()))
