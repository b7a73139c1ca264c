"""`bridgectl manifest`: the app package, built and checked."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bridge.errors import Misconfigured
from bridge.settings import Settings, load
from bridgectl.doctor.report import Finding, Report, worst
from bridgectl.manifest import deployment as deployments
from bridgectl.manifest import package as packages
from bridgectl.manifest import template
from bridgectl.manifest.deployment import Deployment
from bridgectl.manifest.examine import examine
from bridgectl.output import FOUND, clear_end, show_json

cli = typer.Typer(no_args_is_help=True, help="Build and check the app package that Teams installs.")
Outputs = Annotated[
    Path | None,
    typer.Option(
        help="What `terraform output -json` printed; without it the settings say which bot and address.",
        exists=True,
        dir_okay=False,
        readable=True,
    ),
]


@cli.command()
def build(
    env: Annotated[str, typer.Option(help="Environment of manifest/environments.toml: prod, stg, dev.")],
    out: Annotated[Path, typer.Option(help="Folder that the package is written to.")] = Path("dist"),
    outputs: Outputs = None,
    without_rsc: Annotated[
        bool,
        typer.Option("--without-rsc", help="Ask for no resource-specific permissions: the bot hears only mentions."),
    ] = False,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the package (default: that of the bridge); an update needs a higher one."),
    ] = None,
) -> None:
    """Write the app package of an environment, `teams-app-ENV.zip`, unless `manifest check` would find a problem.

    Its bytes depend on its contents alone.
    """
    with clear_end():
        settings = load()
        deployment = deployments.of(settings, outputs)
        files = template.fill(env, deployment, version or _version(), rights=not without_rsc)
        report = Report(f"teams-app-{env}.zip")
        examine(report, files, deployment, all_messages=settings.channel_messages == "all")
        bad = [finding for finding in report.findings if finding.status in ("problem", "warning")]
        _print(bad)
        if report.broken:
            raise typer.Exit(FOUND)
        typer.echo(f"{_write(out, f'teams-app-{env}.zip', packages.pack(files))}: for {deployment.host}")


@cli.command()
def check(
    package: Annotated[
        Path | None,
        typer.Argument(
            help="App package (zip), or the folder with its files; without it the template, for every environment.",
            exists=True,
            readable=True,
        ),
    ] = None,
    outputs: Outputs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check an app package: files, Microsoft's schema, icons, texts, commands, permissions, agreement with the bridge.

    Each line says what was looked at, and what to change if it is wrong. Warnings do not change the exit code.
    """
    with clear_end():
        settings = load()
        findings = _one(package, settings, outputs) if package else _template(settings, outputs)
        result = worst(findings)
        if as_json:
            show_json({"status": result, "checks": [asdict(finding) for finding in findings]})
        else:
            _print(findings)
        if result == "problem":
            raise typer.Exit(FOUND)


def _one(path: Path, settings: Settings, outputs: Path | None) -> list[Finding]:
    report = Report(path.name)
    try:
        files = packages.read(path)
    except ValueError as error:
        report.problem("package", str(error), "Give a package of `bridgectl manifest build`, or its folder.")
    else:
        examine(report, files, _known(settings, outputs), all_messages=settings.channel_messages == "all")
    return report.findings


def _template(settings: Settings, outputs: Path | None) -> list[Finding]:
    known, found = _known(settings, outputs), list[Finding]()
    for env in template.environments().environments:
        report = Report(env)
        files = template.fill(env, known or deployments.EXAMPLE, _version())
        examine(report, files, known, all_messages=settings.channel_messages == "all")
        found += report.findings
    return found


def _known(settings: Settings, outputs: Path | None) -> Deployment | None:
    """Give what to compare with; None where nothing says it. Raises Misconfigured where it is wrong."""
    if outputs or settings.app_id or settings.public_url:
        return deployments.of(settings, outputs)
    return None


def _version() -> str:
    """Read the version of the bridge; raise Misconfigured."""
    path = Path(__file__).parents[2] / "pyproject.toml"
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, KeyError, ValueError):
        raise Misconfigured(f"{path} tells no version; give --version") from None


def _write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.part"
    draft.write_bytes(content)
    return draft.replace(folder / name)


def _print(findings: list[Finding]) -> None:
    """Print a line each; what a package holds can steer no terminal."""
    for finding in findings:
        todo = f" → {finding.todo}" if finding.todo else ""
        line = f"{finding.status:<8} {finding.check}: {finding.subject}: {finding.seen}{todo}"
        typer.echo("".join(letter if letter.isprintable() else "?" for letter in line))
