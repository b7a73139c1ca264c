"""What a bridge with exporters pushes: a trace per message and the counters, and never at the cost of messages."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from collector import CONNECTION, Collector, Seen, collecting, hang, of_trace, to
from stack import Stack, running
from test_conversation import conversation_with, thread_with
from test_doors import activity, bearer

pytestmark = pytest.mark.asyncio(loop_scope="function")

ASKED = ("POST /api/messages", "queue put", "deliver to-freshchat", "POST freshchat", "queue complete")
ANSWERED = ("POST /freshchat/webhook/{tenant}/{token}", "queue put", "deliver to-teams", "POST connector")


async def traced(stack: Stack, text: str) -> str:
    """Ask, and give the trace id that the log names."""
    await stack.say(text)
    await conversation_with(stack, text)

    async def ended() -> str | None:
        found = [r for r in stack.log() if r.get("action") == "delivered" and r["direction"] == "to-freshchat"]
        return str(found[-1]["trace"]) if found else None

    return str(await stack.until(ended))


async def arrived(stack: Stack, collector: Collector, name: str, **facts: Any) -> Seen:
    """Wait for a span."""

    async def there() -> list[Seen]:
        return collector.named(name, **facts)

    seen: Seen = (await stack.until(there))[-1]
    return seen


async def test_one_trace_from_the_door_to_the_upstream(tmp_path: Path) -> None:
    """A question is one trace with the right parents; its answer is another one, which links to it."""
    async with collecting() as collector, running(tmp_path, TEAMS_REPLY_VIA="bot", **to(collector)) as stack:
        question = await traced(stack, "hello")
        spans = await of_trace(stack, collector, question, *ASKED)
        door, put, work, call, done = (spans[name] for name in ASKED)
        assert [span.kind for span in (door, put, work, call)] == ["server", "producer", "consumer", "client"]
        assert (door.parent, put.parent, work.parent) == ("", door.id, door.id)
        assert (call.parent, done.parent) == (work.id, work.id)
        assert (door.facts["http.response.status_code"], call.facts["http.response.status_code"] // 100) == (200, 2)
        assert work.facts["bridge.outcome"] == "delivered"

        conversation = (await conversation_with(stack, "hello"))["conversation_id"]
        await stack.answer(conversation, "welcome")
        await thread_with(stack, "welcome")
        answer = await arrived(stack, collector, "deliver to-teams", bridge__outcome="delivered")
        assert (answer.trace != question, answer.links) == (True, [question])
        spans = await of_trace(stack, collector, answer.trace, *ANSWERED)
        door, put, work, call = (spans[name] for name in ANSWERED)
        assert (put.parent, work.parent, call.parent) == (door.id, door.id, work.id)


async def test_an_authentic_caller_may_continue_a_trace_and_a_stranger_may_not(tmp_path: Path) -> None:
    """`traceparent` counts once the caller is known; a request that is refused leaves no span."""
    async with collecting() as collector, running(tmp_path, TEAMS_REPLY_VIA="bot", **to(collector)) as stack:
        mine, theirs, above = f"{1:032x}", f"{2:032x}", f"{3:016x}"
        refused = {"Content-Type": "application/json", "traceparent": f"00-{theirs}-{above}-01"}
        assert (await stack.raw("/freshchat/webhook", b"{}", refused))[0] == 401
        assert (await stack.raw("/api/messages", b"{}", refused))[0] == 401
        headers = await bearer(stack) | {"traceparent": f"00-{mine}-{above}-01"}
        assert (await stack.raw("/api/messages", json.dumps(activity(stack)), headers))[0] == 200
        spans = await of_trace(stack, collector, mine, "POST /api/messages", "deliver to-freshchat")
        door = spans["POST /api/messages"]
        assert (door.parent, spans["deliver to-freshchat"].parent) == (above, door.id)
        await stack.stop_bridge()
        assert not [span for span in collector.spans if span.trace == theirs]
        assert len(collector.named("POST /api/messages")) == 1


async def test_what_fails_is_seen_in_the_trace(tmp_path: Path) -> None:
    """Each try is a span below the door's; the failed one names its code and its component, the call its status."""
    async with (
        collecting() as collector,
        running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.1", **to(collector)) as stack,
    ):
        await stack.fault("freshchat", "status", match="POST .*/conversations$", status=503, times=1)
        await traced(stack, "later")
        failed = await arrived(stack, collector, "deliver to-freshchat", error__type="freshchat_503")
        again = await arrived(stack, collector, "deliver to-freshchat", bridge__outcome="delivered")
        assert (failed.failed, again.failed, again.trace, again.parent) == (True, False, failed.trace, failed.parent)
        assert (failed.facts["bridge.component"], again.facts["bridge.attempt"]) == ("freshchat", 2)
        call = await arrived(stack, collector, "POST freshchat", http__response__status_code=503)
        assert (call.failed, call.parent) == (True, failed.id)


async def test_a_message_from_before_the_exporter_keeps_its_trace(tmp_path: Path) -> None:
    """Accepted without a span, delivered after a restart with an exporter: the trace id is the one people were told."""
    async with collecting() as collector, running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_RETRY_WAIT="0.1") as stack:
        await stack.fault("freshchat", "status", status=503, times=None)
        await stack.say("patience")

        async def tried() -> str | None:
            return next((str(r["trace"]) for r in stack.log() if r.get("action") == "retry"), None)

        trace = await stack.until(tried)
        await stack.stop_bridge()
        await stack.clear_faults()
        stack.extra |= to(collector)
        await stack.start_bridge()
        work = await arrived(stack, collector, "deliver to-freshchat", bridge__outcome="delivered")
        assert (work.trace, work.parent) == (trace, "")


async def test_sampling_by_the_standard_variables(tmp_path: Path) -> None:
    """`always_off` records no span, and messages keep a trace id all the same; the counters go on being pushed."""
    async with (
        collecting() as collector,
        running(tmp_path, TEAMS_REPLY_VIA="bot", **to(collector, OTEL_TRACES_SAMPLER="always_off")) as stack,
    ):
        trace = await traced(stack, "hello")
        assert len(trace.strip("0")) > 16
        await stack.stop_bridge()
        assert collector.points("bridge_deliveries_total")
        assert collector.spans == []


async def test_the_counters_of_metrics_are_pushed_under_the_same_names(tmp_path: Path) -> None:
    """What the collector has is what /metrics shows: counters, gauges, and histograms with their buckets."""
    async with collecting() as collector, running(tmp_path, TEAMS_REPLY_VIA="bot", **to(collector)) as stack:
        for text in ("one", "two", "three"):
            await traced(stack, text)
        await stack.settled()

        async def counted() -> bool:
            points = collector.points("bridge_deliveries_total")
            return {p["attributes"][0]["value"]["stringValue"]: p["asDouble"] for p in points} == {"to-freshchat": 3.0}

        await stack.until(counted)
        assert await stack.metric("bridge_deliveries_total", direction="to-freshchat") == 3
        [latency] = collector.points("bridge_latency_seconds")
        assert (latency["count"], sum(map(int, latency["bucketCounts"]))) == ("3", 3)
        assert len(latency["bucketCounts"]) == len(latency["explicitBounds"]) + 1
        assert collector.points("bridge_queue_waiting")
        hops = {a["value"]["stringValue"] for p in collector.points("bridge_hop_seconds") for a in p["attributes"]}
        assert {"to-freshchat", "door", "queue", "delivery"} <= hops


async def test_stopping_pushes_what_is_left(tmp_path: Path) -> None:
    """Nothing is pushed for a minute; a process that stops before leaves nothing behind."""
    async with collecting() as collector:
        slow = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        async with running(tmp_path, TEAMS_REPLY_VIA="bot", **slow) as stack:
            question = await traced(stack, "hello")
            assert collector.pushes == 0
            assert await stack.stop_bridge() == 0
            assert set(ASKED) <= {span.name for span in collector.spans if span.trace == question}
            assert [point["asDouble"] for point in collector.points("bridge_deliveries_total")] == [1.0]


async def test_azure_monitor_gets_traces_and_counters(tmp_path: Path) -> None:
    """With a connection string, Application Insights has the request, its dependency, and what was counted, once."""
    often = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200"}
    async with collecting() as collector:
        connection = {"APPLICATIONINSIGHTS_CONNECTION_STRING": CONNECTION.format(url=collector.url)}
        async with running(tmp_path, TEAMS_REPLY_VIA="bot", **often, **connection) as stack:
            question = await traced(stack, "hello")
            await stack.stop_bridge()
    kinds = {e["data"]["baseType"] for e in collector.envelopes}
    assert kinds == {"RequestData", "RemoteDependencyData", "MetricData"}
    mine = [e["data"]["baseData"] for e in collector.envelopes if e["tags"].get("ai.operation.id") == question]
    assert {"POST /api/messages", "deliver to-freshchat"} <= {m["name"] for m in mine}
    assert ("freshchat", True) in {(m.get("target"), m["success"]) for m in mine}
    metrics = [e["data"]["baseData"] for e in collector.envelopes if e["data"]["baseType"] == "MetricData"]
    stored = [
        m["metrics"][0]["value"]
        for m in metrics
        if m["metrics"][0]["name"] == "bridge_accepted_total" and m["properties"]["outcome"] == "stored"
    ]
    assert stored == [1.0], "pushed several times, and counted once"
    assert "Traceback" not in (tmp_path / "bridge.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("exporter", ["otlp", "azure"])
async def test_a_collector_that_hangs_costs_nothing_but_telemetry(tmp_path: Path, exporter: str) -> None:
    """Messages pass as ever, and the process stops within its grace."""
    async with collecting() as collector:
        collector.answer = hang
        extra = to(collector, OTEL_BSP_MAX_QUEUE_SIZE="64", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="16", BRIDGE_GRACE="2")
        extra["OTEL_EXPORTER_OTLP_TIMEOUT"] = "60"
        if exporter == "azure":
            extra.pop("OTEL_EXPORTER_OTLP_ENDPOINT")
            extra["APPLICATIONINSIGHTS_CONNECTION_STRING"] = CONNECTION.format(url=collector.url)
        async with running(tmp_path, TEAMS_REPLY_VIA="bot", **extra) as stack:
            for number in range(20):  # more spans than the queue takes
                await stack.say(f"question {number}")
            await conversation_with(stack, "question 19")
            await stack.settled()
            assert await stack.metric("bridge_deliveries_total", outcome="delivered") == 20
            assert collector.pushes > 0, "somebody pushed and got no answer"
            began = time.monotonic()
            assert await stack.stop_bridge() == 0
            assert time.monotonic() - began < 20, (
                "the SDK would wait 30 s for its thread, and that for its own time-out"
            )


async def test_no_collector_there_is_no_trouble(tmp_path: Path) -> None:
    """Connections refused: messages pass, the log names the exporter without prose, and the process stops."""
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with running(tmp_path, TEAMS_REPLY_VIA="bot", BRIDGE_GRACE="3", **nobody) as stack:
        await traced(stack, "hello")
        assert await stack.stop_bridge() == 0
        log = (tmp_path / "bridge.log").read_text(encoding="utf-8")
        assert all(line.startswith("{") for line in log.splitlines())


@pytest.mark.parametrize(
    "setting",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example.com:4318"},
        {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=not-a-key"},
        {"APPLICATIONINSIGHTS_CONNECTION_STRING": CONNECTION.format(url="http://insights.example.com")},
    ],
)
async def test_an_exporter_that_cannot_be_used_stops_the_start(tmp_path: Path, setting: dict[str, str]) -> None:
    """Plain http to elsewhere, a key that is none: said at once, and without the value."""
    async with running(tmp_path, bridge=False, **setting) as stack:
        with pytest.raises(AssertionError, match="did not start") as failed:
            await stack.start_bridge()
        [(name, value)] = setting.items()
        assert name in str(failed.value)
        assert value not in str(failed.value)
