"""Lists that are computed where they are looked at, so that a million elements need no memory."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T], Generic[T]):
    """A list of a known length whose elements are made when they are asked for; a slice is a real list."""

    def __init__(self, length: int, make: Callable[[int], T]) -> None:
        self._length = length
        self._make = make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, wanted: int) -> T: ...

    @overload
    def __getitem__(self, wanted: slice) -> list[T]: ...

    def __getitem__(self, wanted: int | slice) -> T | list[T]:
        if isinstance(wanted, slice):
            return [self._make(i) for i in range(*wanted.indices(self._length))]
        return self._make(range(self._length)[wanted])


class Every(Lazy[int]):
    """The positions below a length whose remainder by the period is one of the offsets, in order.

    An offset that is named twice gives its positions twice.
    """

    def __init__(self, period: int, offsets: Sequence[int], length: int) -> None:
        self._period = period
        self._offsets = sorted(offsets)
        super().__init__(self.rank(length) if self._offsets else 0, self._at)

    def rank(self, position: int) -> int:
        """How many of them come before a position."""
        full, rest = divmod(position, self._period)
        return full * len(self._offsets) + bisect_left(self._offsets, rest)

    def has(self, position: int) -> bool:
        """Whether a position is one of them."""
        return position % self._period in self._offsets

    def _at(self, number: int) -> int:
        full, rest = divmod(number, len(self._offsets))
        return full * self._period + self._offsets[rest]
