"""What can be made to go wrong, as data: a point in the protocol, an action, and how often.

| point | when | actions |
|---|---|---|
| connect | a TCP connection was made | drop, refuse (answers, then closes with the condition), silence |
| token | put-token | refuse (with `status`), drop, silence |
| attach | a link to a queue | refuse (with `condition`), drop, silence |
| send | a message arrived whole | refuse, drop and silence (not stored), drop-after (stored, not acknowledged) |
| receive | the first part of a message arrived | drop: the connection ends in the middle of the client's transfer |
| deliver | a message goes out | drop (locked, never sent), cut (half of the frame, then the connection ends) |
| settle | a settlement | refuse, drop, drop-after (done, never answered), silence (not done) |
| manage | a management request | refuse, drop, drop-after, silence |
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

Point = Literal["connect", "token", "attach", "send", "receive", "deliver", "settle", "manage"]
Action = Literal["refuse", "drop", "drop-after", "silence", "cut"]
MAX_FAULTS = 100


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. `queue` and `operation` (an outcome of `settle`, an operation of `manage`) narrow it; None: any.

    It lets `skip` occasions pass, then strikes `times` times (None: until it is cleared).
    """

    point: Point
    action: Action
    queue: str | None = None
    operation: str | None = None
    condition: str = "com.microsoft:server-busy"
    description: str = "The request was terminated because the entity is being throttled."
    status: int = 503
    times: int | None = 1
    skip: int = 0

    def __post_init__(self) -> None:
        """Refuse words that would never strike."""
        if self.point not in get_args(Point) or self.action not in get_args(Action):
            raise ValueError(f"no fault {self.action!r} at {self.point!r}")


class Faults:
    """The faults that are set; `fired` counts strikes by `point/action`."""

    def __init__(self) -> None:
        self._set: list[Fault] = []
        self.fired: Counter[str] = Counter()

    def add(self, fault: Fault) -> None:
        """Set a fault; ValueError when too many are set."""
        if len(self._set) >= MAX_FAULTS:
            raise ValueError("too many faults are set")
        self._set.append(fault)

    @property
    def left(self) -> int:
        """Tell how many have not struck as often as they shall."""
        return len(self._set)

    def clear(self) -> None:
        """Remove all faults."""
        self._set.clear()

    def take(self, point: Point, queue: str = "", operation: str | None = None) -> Fault | None:
        """Give the fault that strikes here, if one does."""
        for fault in self._set:
            if fault.point == point and fault.queue in (None, queue) and fault.operation in (None, operation):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                return self._strike(fault)
        return None

    def _strike(self, fault: Fault) -> Fault:
        self.fired[f"{fault.point}/{fault.action}"] += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._set.remove(fault)
        return fault
