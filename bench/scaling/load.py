"""What a load asks of each part of a deployment."""

from __future__ import annotations

from bench.scaling.inputs import Inputs, Size
from bench.scaling.queueing import Stage

HOUR, MONTH_DAYS = 3600.0, 30.4
SLICES = 3
"""Pieces in which a worker's core works on a message: open the link; take and read; record."""


class Load:
    """Rates per second at `headroom` times the peak, and what they take."""

    def __init__(self, given: Inputs) -> None:
        self.given = given
        self.openings = given.tenants * given.questions / HOUR * given.headroom
        self.followings = self.openings * given.follow_ups
        self.answers = self.openings * given.answers
        self.statuses = self.openings * given.statuses
        self.questions = self.openings + self.followings
        self.to_teams = self.answers + self.statuses
        self.messages = self.questions + self.to_teams

    def weighted(self, opening: float, following: float, answer: float, status: float) -> float:
        """Sum up a figure per kind of message, per second."""
        return self.openings * opening + self.followings * following + self.answers * answer + self.statuses * status

    @property
    def active(self) -> float:
        """Conversations of all tenants that are read back in each pass."""
        given = self.given
        daily = given.tenants * given.questions / given.peak_share
        return daily * given.reconcile_days * given.work_days / MONTH_DAYS

    @property
    def reading_back(self) -> float:
        """Calls of Freshchat per second, of all tenants, that read back."""
        return self.active * self.given.reconcile_calls / self.given.reconcile_seconds

    @property
    def web_cores(self) -> float:
        """Cores that the doors keep busy: what is stored, and the echoes of what we post, which are dropped."""
        return (self.messages * self.given.web_ms + self.questions * self.given.ignored_ms) / 1000

    @property
    def worker_cores(self) -> float:
        """Cores that deliveries and reading back keep busy."""
        given = self.given
        calls = self.weighted(given.opening_calls, given.following_calls, given.answer_calls, given.status_calls)
        each = given.link_ms + given.message_ms + given.handler_ms
        return (self.messages * each + calls * given.cosmos_ms + self.reading_back * given.reconcile_ms) / 1000

    @property
    def units(self) -> float:
        """RU per second."""
        given = self.given
        return self.weighted(given.opening_units, given.following_units, given.answer_units, given.status_units)

    @property
    def operations(self) -> float:
        """Operations of Service Bus per second."""
        return self.messages * self.given.bus_operations

    @property
    def largest(self) -> float:
        """The largest tenant's share of all messages."""
        return self.given.largest / (self.given.tenants - 1 + self.given.largest)

    def slot(self, calls: float, upstream: float) -> float:
        """Seconds that a thread occupies a worker's slot for one message."""
        given = self.given
        return 2 * given.bus_seconds + calls * given.cosmos_seconds + upstream + given.listen

    def connections(self, size: Size) -> float:
        """AMQP connections to Service Bus: links that wait, threads that are worked on, senders."""
        given = self.given
        worked_on = self.questions * self.slot(given.following_calls, given.freshchat_seconds)
        worked_on += self.to_teams * self.slot(given.answer_calls, given.teams_seconds)
        return size.workers * 2 * given.polls + worked_on + size.web * 2 * given.senders

    def secret_reads(self, size: Size) -> float:
        """Reads of Key Vault per second: each web replica reads all tenants' secrets, some at a time."""
        given = self.given
        wanted = given.tenants * given.vault_secrets / given.vault_fresh
        return size.web * min(wanted, given.vault_at_once / given.vault_seconds)

    # --- stages

    def stages(self, size: Size) -> dict[str, Stage]:
        """Give everything that may be full, by name."""
        every = [*self._web(size), *self._workers(size), *self._stores(size), *self._largest_tenant()]
        return {stage.name: stage for stage in every}

    def _web(self, size: Size) -> list[Stage]:
        given, requests, knob = self.given, self.messages + self.questions, "more web replicas"
        cpu, senders = self.web_cores / requests, given.senders * size.web

        def links(direction: str, rate: float) -> Stage:
            name = f"send {direction}"
            return Stage(name=name, rate=rate, seconds=given.bus_seconds, servers=senders, knob=knob)

        return [
            Stage(name="web CPU", rate=requests / size.web, seconds=cpu, knob=knob),
            links("to-freshchat", self.questions),
            links("to-teams", self.to_teams),
        ]

    def _workers(self, size: Size) -> list[Stage]:
        given, slices = self.given, SLICES * self.messages
        cpu = Stage(
            name="worker CPU",
            rate=slices / size.workers,
            seconds=self.worker_cores / slices,
            visits=SLICES - 1,
            knob="more worker replicas",
        )
        to_freshchat = self.slot(given.following_calls, given.freshchat_seconds)
        to_teams = self.slot(given.answer_calls, given.teams_seconds)
        return [
            cpu,
            *self._sessions(size, "to-freshchat", self.questions, to_freshchat, cpu.mean()),
            *self._sessions(size, "to-teams", self.to_teams, to_teams, cpu.mean()),
        ]

    def _sessions(self, size: Size, direction: str, rate: float, seconds: float, core: float) -> list[Stage]:
        """A slot is taken from when its link begins to open; each visit of the core may have to wait for it."""
        given = self.given
        link = given.polls / given.accepts + core
        return [
            Stage(
                name=f"links {direction}",
                rate=rate,
                seconds=link,
                servers=given.polls * size.workers,
                knob="more worker replicas",
            ),
            Stage(
                name=f"slots {direction}",
                rate=rate,
                seconds=link + seconds + (SLICES - 1) * core,
                servers=given.concurrency * size.workers,
                knob="`BRIDGE_CONCURRENCY`",
            ),
        ]

    def _stores(self, size: Size) -> list[Stage]:
        given = self.given
        secrets = given.tenants * given.vault_secrets
        return [
            Stage(
                name="Cosmos DB",
                rate=self.messages,
                seconds=self.units / self.messages / size.cosmos,
                burst=max(size.cosmos * self.messages / self.units, 1.0),
                knob="autoscale maximum",
            ),
            Stage(
                name="Service Bus operations",
                rate=self.operations,
                seconds=1 / size.bus_rate,
                burst=size.bus_rate,
                knob="Premium, messaging units",
            ),
            Stage(
                name="Service Bus connections",
                rate=self.connections(size),
                seconds=1 / given.bus_connections,
                knob="another stamp",
                hard=True,
            ),
            Stage(
                name="webhook keys read in time",
                rate=secrets * given.vault_seconds / given.vault_at_once,
                seconds=1 / given.key_wait,
                knob="values in the tenants' settings instead of `secret:`; another stamp",
                hard=True,
            ),
            Stage(
                name="Key Vault reads",
                grows=False,
                rate=self.secret_reads(size),
                seconds=1 / given.vault_rate,
                knob="values in the tenants' settings instead of `secret:`; another stamp",
                hard=True,
            ),
        ]

    def _largest_tenant(self) -> list[Stage]:
        given, share = self.given, self.largest
        calls = share * (self.openings * given.opening_posts + self.followings)
        one = given.reconcile_gap + given.reconcile_calls * given.freshchat_seconds
        calls_back = min(share * self.reading_back, given.reconcile_calls / one)  # one conversation at a time
        return [
            Stage(
                name="largest tenant: Freshchat calls",
                rate=calls + calls_back,
                seconds=1 / given.account_rate,
                burst=given.account_burst,
                grows=False,
                knob="`BRIDGE_RECONCILE_SECONDS`, `BRIDGE_RECONCILE_DAYS`; a higher limit from Freshworks",
            ),
            Stage(
                name="largest tenant: a pass of reading back",
                rate=share * self.active * one,
                seconds=1 / given.reconcile_seconds,
                grows=False,
                knob="`BRIDGE_RECONCILE_SECONDS`, `BRIDGE_RECONCILE_DAYS`",
            ),
            Stage(
                name="largest tenant: its busiest channel",
                rate=share * given.channel_share * self.answers,
                seconds=1 / given.channel_rate,
                burst=given.channel_rate * 30,
                grows=False,
                knob="`TEAMS_REPLY_VIA`: Graph takes one message a second, all hour long",
            ),
            Stage(
                name="largest tenant: its busiest channel, in an hour",
                rate=share * given.channel_share * self.answers,
                seconds=HOUR / given.channel_hour,
                grows=False,
                knob="`TEAMS_REPLY_VIA`: Graph takes one message a second, all hour long",
            ),
            Stage(
                name="largest tenant: connector calls",
                rate=share * self.answers,
                seconds=1 / given.tenant_rate,
                burst=given.tenant_rate,
                grows=False,
                knob="nothing of ours",
            ),
        ]
