"""Alerts and charts ask for what the bridge tells: names of metrics, labels, spans and roles are those of the code."""

from __future__ import annotations

import asyncio
import io
import re
from collections import defaultdict

from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapters.otel import Exports, Sink
from adapters.otel_metrics import Reading
from bridge.ports import Delivery, Depth, Envelope
from bridge.telemetry import Telemetry
from tests.infra.offline import AZURE

QUERY = re.compile(r"<<-KQL\n(.*?)\n\s+KQL", re.DOTALL)
CHART = re.compile(r'metric = "(\w+)", value = "([^"]*)", by = "(\w+)"')


def _text(file: str) -> str:
    return (AZURE / "modules" / "observability" / file).read_text(encoding="utf-8")


def _process(file: str) -> str:
    return (AZURE / "modules" / "compute" / file).read_text(encoding="utf-8")


def _told() -> dict[str, dict[str, set[str]]]:
    """Tell of one of everything; give the values of each label of each metric, as they are pushed to Azure."""
    telemetry = Telemetry("CRITICAL")
    telemetry.accepted("to-teams", "stored")
    telemetry.refused("to-teams", 503, "x")
    telemetry.ended("to-teams", "delivered", 0.0)
    telemetry.ended("to-teams", "dead_letter", 0.0, code="x")
    telemetry.retried("to-teams", "x")
    telemetry.held("to-teams", "t", held=True)
    telemetry.depth("to-teams", Depth(waiting=1, dead=1, oldest_age=1.0, dead_recently=1))
    with telemetry.call("freshchat", "POST") as call:
        call.status = 401
    data = Reading(telemetry.registry, Resource({}), delta=True).take()
    told: dict[str, dict[str, set[str]]] = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        labels = told.setdefault(metric.name, defaultdict(set))
        for point in metric.data.data_points:
            for name, value in (point.attributes or {}).items():
                labels[name].add(str(value))
    return told


def _asked() -> list[tuple[set[str], set[str]]]:
    """Give the metrics and the labels that each alert and each chart asks for."""
    alerts = [
        (set(re.findall(r'\bName == "(\w+)"', query)), set(re.findall(r"Properties\.(\w+)", query)))
        for query in QUERY.findall(_text("alerts.tf"))
        if "AppMetrics" in query
    ]
    return alerts + [({metric}, {label}) for metric, _, label in CHART.findall(_text("workbook.tf"))]


def test_alerts_and_charts_ask_for_metrics_that_are_pushed() -> None:
    """A query for a name that nobody sends is an alert that never comes."""
    told, asked = _told(), _asked()
    assert len(asked) >= len(CHART.findall(_text("workbook.tf"))) + 5
    for metrics, labels in asked:
        assert metrics <= set(told)
        assert labels <= {label for metric in metrics for label in told[metric]}, metrics


def test_values_that_alerts_look_for_are_sent() -> None:
    """A word that is compared with is one that the bridge uses."""
    values = {value for labels in _told().values() for found in labels.values() for value in found}
    compared = set(re.findall(r'tostring\(Properties\.\w+\) == "([^"]+)"', _text("alerts.tf")))
    assert compared == {"dead_letter", "401", "503"}
    assert compared <= values


def test_the_slow_alert_knows_the_spans_of_deliveries() -> None:
    """It counts spans by the beginning of their name."""
    spans = InMemorySpanExporter()
    telemetry = Telemetry("CRITICAL")
    sink = Sink(spans, ConsoleMetricExporter(out=io.StringIO()))
    exports = Exports(telemetry.registry, [lambda _provider: sink], interval=3600)
    telemetry.tracer = exports.tracer
    envelope = Envelope(
        direction="to-teams",
        tenant="t",
        message_id="1",
        session="s",
        kind="message",
        trace="1" * 32,
        body=b"{}",
        received_at=0.0,
    )
    with telemetry.work(Delivery(envelope=envelope, attempts=0, first_failed_at=None, lease="")):
        pass
    asyncio.run(exports.stop(5.0))
    [beginning] = re.findall(r'Name startswith "([^"]+)"', _text("alerts.tf"))
    assert [span.name.startswith(beginning) for span in spans.get_finished_spans()] == [True]


def test_alerts_know_the_names_of_processes() -> None:
    """Application Insights calls a process what OTEL_SERVICE_NAME says, the platform calls the job by its name."""
    [role] = re.findall(r'AppRoleName == "([^"]+)"', _text("alerts.tf"))
    [job] = re.findall(r'"JobName_s", ""\) == "([^"]+)"', _text("alerts.tf"))
    assert re.findall(r'"OTEL_SERVICE_NAME"\n +value = "([^"]+)"', _process("worker.tf")) == [role]
    assert re.findall(r'^  name += "([^"]+)"', _process("export.tf"), re.M) == [job]


def test_exit_codes_are_found_in_the_platforms_words() -> None:
    """Both forms that Container Apps writes; a good end is no failure."""
    [pattern] = re.findall(r'extract\(@"([^"]+)"', _text("alerts.tf"))
    said = {
        "Container 'export' was terminated with exit code '2' and reason 'ProcessExited'": "2",
        "Container process exited with exit code: 137": "137",
        "Container 'export' was terminated with exit code '0' and reason 'Completed'": "0",
    }
    assert {text: re.search(pattern, text)[1] for text in said} == said
