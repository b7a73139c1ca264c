"""The server of data sets as a process, and its control."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def command(*arguments):
    return [sys.executable, "-m", "sandbox.archive_server", *arguments]


def test_the_process_says_in_one_json_line_that_it_listens_and_stops_on_a_signal():
    arguments = command("--conversations", "1000000", "--tickets", "1000000", "--set", "conversations_listed=true")
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert ready["ready"].startswith("http://127.0.0.1:")
    assert ready["env"]["FRESHCHAT_API_URL"] == f"{ready['ready']}/v2"
    assert ready["env"]["FRESHDESK_URL"] == ready["ready"]
    assert {"FRESHCHAT_API_KEY", "FRESHDESK_API_KEY"} <= set(ready["env"])


def test_a_port_in_use_ends_the_process_with_code_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = command("--port", str(taken.getsockname()[1]))
        ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert "cannot listen" in ended.stderr


def test_an_unknown_switch_is_refused():
    ended = subprocess.run(command("--set", "nothing=1"), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2
    assert "unknown setting nothing" in ended.stderr


async def test_every_answer_takes_at_least_the_latency(serve):
    hands = await serve(latency_ms=80, conversations=10, tickets=10)
    for answering in (hands.chat("/agents"), hands.desk("/agents/me")):
        began = time.perf_counter()
        assert (await answering).status == 200
        assert time.perf_counter() - began >= 0.08


async def test_the_truth_is_told_over_http(hands):
    counts = (await hands.call("GET", "/_sandbox/archive/truth")).body
    assert counts == json.loads(json.dumps(hands.truth.counts()))
    ids = (await hands.call("GET", "/_sandbox/archive/truth/bridge")).body
    assert ids == list(hands.truth.ids("bridge"))
    few = (await hands.call("GET", "/_sandbox/archive/truth/conversations?sources=users")).body
    assert few == list(hands.truth.ids("conversations", frozenset({"users"})))
    assert (await hands.call("GET", "/_sandbox/archive/truth/nothing")).status == 404


@pytest.mark.parametrize(("service", "path"), [("freshdesk", "/api/v2/agents/me"), ("freshchat", "/v2/agents")])
async def test_faults_strike_and_requests_are_counted(serve, service, path):
    hands = await serve(conversations=10, tickets=10)
    fault = {"on": service, "kind": "status", "status": 503, "retry_after": 2, "times": 1}
    assert (await hands.call("POST", "/_sandbox/faults", json=fault)).status == 200
    struck = await hands.call("GET", path)
    assert (struck.status, struck.headers["Retry-After"]) == (503, "2")
    assert (await hands.call("GET", path)).status == 401
    counts = (await hands.call("GET", "/_sandbox/requests/counts")).body
    assert counts[service] == 2
    assert len((await hands.call("GET", f"/_sandbox/requests?on={service}")).body) == 2
    assert len((await hands.call("GET", "/_sandbox/faults")).body) == 1
    assert (await hands.call("DELETE", "/_sandbox/faults")).body == []


async def test_a_file_can_fail_too(hands):
    fault = {"on": "files", "kind": "status", "status": 500, "times": 1}
    assert (await hands.call("POST", "/_sandbox/faults", json=fault)).status == 200
    assert (await hands.call("GET", "/s3/x/original/y")).status == 500
    assert (await hands.call("GET", "/s3/x/original/y")).status == 403


async def test_wrong_wishes_are_refused(hands):
    for path, body in (
        ("/_sandbox/archive/settings", {"nothing": 1}),
        ("/_sandbox/settings", {"latency_ms": -1}),
        ("/_sandbox/faults", {"on": "nothing", "kind": "status"}),
    ):
        assert (await hands.call("POST", path, json=body)).status == 400
    assert (await hands.call("GET", "/_sandbox/requests?on=nothing")).status == 400
    assert (await hands.call("POST", "/_sandbox/settings", json={"latency_ms": 0})).body["latency_ms"] == 0
