"""The package as a whole: what it imports, and how its process starts and stops."""

import ast
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "bridge",
    "bots",
    "adapters",
    "cards",
    "bridgectl",
    "archive",
    "app",
    "botbuilder",
    "botframework",
    "msgraph",
}
ALLOWED = {"aiohttp", "cryptography", "jwt", "sandbox"} | set(sys.stdlib_module_names)
SOURCES = sorted((ROOT / "sandbox").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level names of everything a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_the_sandbox_may_use(path):
    names = imported(path)
    assert not names & FORBIDDEN
    assert names <= ALLOWED


def test_importing_it_loads_none_of_the_bridge():
    script = "import sandbox.__main__, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(loaded.stdout.split()) & FORBIDDEN


def test_the_process_says_in_one_json_line_that_it_listens_and_stops_on_a_signal():
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--seed", "x", "--bridge", "http://127.0.0.1:9"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert ready["ready"].startswith("http://127.0.0.1:")
    assert ready["bridge"] == "http://127.0.0.1:9"


def test_a_port_in_use_ends_the_process_with_code_2(shared_port):
    command = [sys.executable, "-m", "sandbox", "--port", str(shared_port)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert "cannot listen" in ended.stderr


@pytest.fixture
def shared_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]
