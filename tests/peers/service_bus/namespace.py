"""What all connections of a peer share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .broker import Broker
from .cbs import Authority
from .faults import Faults

if TYPE_CHECKING:
    from .connection import Connection


@dataclass(slots=True)
class Namespace:
    """Queues, trust, faults, counters and live connections. `idle_timeout` in seconds, `frame_size` in bytes."""

    broker: Broker = field(default_factory=Broker)
    authority: Authority = field(default_factory=Authority)
    faults: Faults = field(default_factory=Faults)
    stats: Counter[str] = field(default_factory=Counter)
    connections: set[Connection] = field(default_factory=set)
    idle_timeout: float = 240.0
    frame_size: int = 65_536
    max_connections: int = 2_000
