"""The contract suites against real services or emulators, with `--live` only: see docs/live-tests.md."""

from __future__ import annotations

import pytest

from bridge.errors import Misconfigured
from bridge.settings import Settings, load
from tests.live.targets import NAMED_BY, places, refusal

pytest.register_assert_rewrite("tests.contract")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run against names that are not for tests, before anything is asked."""
    if not config.getoption("--live"):
        return
    try:
        problem = refusal(load())
    except Misconfigured as error:
        problem = str(error)
    if problem:
        raise pytest.UsageError(problem)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which services are asked."""
    if not config.getoption("--live"):
        return []
    asked = places(load())
    return [f"live: {service}: {asked.get(service, 'not asked for')}" for service in NAMED_BY]


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest) -> Settings:
    if not request.config.getoption("--live"):
        pytest.skip("only with --live")
    return load()


@pytest.fixture(autouse=True)
def _stay_on_this_host() -> None:
    """Replaces the rule of all other tests: these are about other hosts."""
