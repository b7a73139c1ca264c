"""Tickets that change while they are read: they move to the end of the order of changes, and the others move up."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from sandbox.lazy import Lazy

KEPT = 1000


class Touched:
    """The last changes, by the number of the ticket; moments are epoch seconds."""

    def __init__(self) -> None:
        self._moments: OrderedDict[int, int] = OrderedDict()

    def touch(self, ticket: int, moment: int) -> None:
        """Note a change."""
        self._moments[ticket] = moment
        self._moments.move_to_end(ticket)
        if len(self._moments) > KEPT:
            self._moments.popitem(last=False)

    def when(self, ticket: int) -> int | None:
        """When a ticket was touched last."""
        return self._moments.get(ticket)

    def moved(self, numbers: Sequence[int], place_of: Callable[[int], int | None], since: float) -> Sequence[int]:
        """Numbers in the order of changes, with the touched ones at its end; `place_of` tells where one was."""
        places = (place_of(ticket) for ticket in self._moments)
        left = sorted(place for place in places if place is not None and 0 <= place < len(numbers))
        late = [ticket for ticket, moment in self._moments.items() if moment >= since]
        late = [ticket for ticket in late if place_of(ticket) is not None]
        kept = len(numbers) - len(left)

        def at(i: int) -> int:
            if i >= kept:
                return late[i - kept]
            for place in left:
                i += place <= i
            return numbers[i]

        return Lazy(kept + len(late), at)
