"""`python -m sandbox.scenario`: play the story and say what was seen."""

import argparse
import asyncio
import random
import sys
import time

import aiohttp

from sandbox.scenario.hands import Cast
from sandbox.scenario.stage import NotSeen, Refused, Stage
from sandbox.scenario.story import Story
from sandbox.scenario.words import STEPS, TELLS

ABOUT = """Play the whole story of a question against a running demo: a channel question with a screenshot, an answer
with formatting and a mention, a picture, buttons, edits, a deletion, a file that is kept out, commands, a rating,
another language. Each step says what is expected and checks what arrived."""
EXAMPLES = """Start the demo first (`make demo`), open its page, then for instance:

  python -m sandbox.scenario              all steps, as fast as the bridge is
  python -m sandbox.scenario --pace 4     four seconds between the steps, to watch it on the page
  python -m sandbox.scenario --lang ko    the same story in Korean

The exit code is 0 when everything was seen, 1 when something was not, 2 when there is no demo."""


def main() -> int:
    """Play it; give the exit code."""
    return asyncio.run(_run(_options()))


def _options() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.scenario", description=ABOUT, epilog=EXAMPLES, formatter_class=formatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:4100", help="the demo's page (%(default)s)")
    parser.add_argument(
        "--pace", type=float, default=0.0, metavar="SECONDS", help="pause after each step (%(default)s)"
    )
    parser.add_argument("--lang", choices=sorted(STEPS), default="en", help="language of the story (%(default)s)")
    parser.add_argument(
        "--patience", type=float, default=30.0, metavar="SECONDS", help="how long to wait for an effect (%(default)s)"
    )
    parser.add_argument(
        "--infected", action="store_true", help="send EICAR's test virus, not just a program; the bridge must scan"
    )
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> int:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        stage = Stage(session, options.url, options.patience)
        try:
            config = await stage.get("config")
        except (aiohttp.ClientError, TimeoutError, Refused) as error:
            _tell(TELLS[options.lang]["away"].format(url=options.url, why=error))
            return 2
        await stage.wait_for(config["bridge"])  # else each step says what is missing
        return await _play(stage, config, options)


async def _play(stage: Stage, config: dict[str, list[dict[str, str]]], options: argparse.Namespace) -> int:
    people = {user["key"]: user for user in config["users"]}
    order = ("ada", "minjun") if options.lang == "en" else ("minjun", "ada")
    cast = Cast(people[order[0]], people[order[1]], config["agents"][0])
    number = f"P-{random.SystemRandom().randrange(1000, 10_000)}"
    story = Story(stage, cast, options.lang, number, infected=options.infected)
    passed = 0
    for at, (name, step) in enumerate(story.steps, start=1):
        _announce(at, name, cast, options)
        started = time.monotonic()
        try:
            await step()
        except (NotSeen, Refused, aiohttp.ClientError, TimeoutError) as error:
            _tell(f"    ✗ {TELLS[options.lang]['missing'].format(what=error)}")
        else:
            passed += 1
            _tell(f"    ✓ {TELLS[options.lang]['seen'].format(seconds=time.monotonic() - started)}")
        await asyncio.sleep(options.pace)
    await story.end()
    _tell("\n" + TELLS[options.lang]["done"].format(passed=passed, all=len(story.steps)))
    return 0 if passed == len(story.steps) else 1


def _announce(at: int, name: str, cast: Cast, options: argparse.Namespace) -> None:
    tells, (title, expected) = TELLS[options.lang], STEPS[options.lang][name]
    names = {"main": cast.main["name"], "other": cast.other["name"], "agent": cast.agent["name"]}
    names["status"] = "status" if options.lang == "en" else "상태"
    _tell(f"\n{at:2}  {title.format(**names)}")
    _tell(f"    {tells['expected'].format(what=expected)}")
    if name == "infected":
        _tell(f"    {tells['eicar' if options.infected else 'program']}")


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a program that talks


if __name__ == "__main__":
    sys.exit(main())
