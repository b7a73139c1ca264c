"""The Freshchat users of a data set."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from sandbox.dataset.plan import Plan
from sandbox.dataset.words import PEOPLE
from sandbox.exact import exact
from sandbox.lazy import Lazy
from sandbox.wire import JsonObject, iso, parse_iso

_DAY_MS = 24 * 3600 * 1000
_FOREVER = 10**15


class Users:
    """Users by number and by id."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seeded = plan.seeded

    def id(self, user: int) -> str:
        """A uuid; older accounts have arbitrary texts."""
        role = self._plan.role(user)
        if role == "alias":
            return f"old.user+{user}@fenn.example"
        return f"김 고객 #{user}" if role == "korean alias" else self._seeded.uuid("user", user)

    def number(self, user_id: str) -> int | None:
        """The user with an id; deleted and merged ones are not found."""
        digits = user_id.partition("+")[2].partition("@")[0] or user_id.partition("#")[2]
        number = int(digits) if digits.isascii() and digits.isdigit() else self._seeded.number_of("user", user_id)
        if number is None or number >= self._plan.users or self._plan.role(number) in ("deleted", "merged"):
            return None
        return number if self.id(number) == user_id else None

    def email(self, user: int) -> str | None:
        """What the Freshdesk contact of the same person has too."""
        return None if self._plan.role(user) == "nameless" else f"person{user}@fenn.example"

    def between(self, low: str | None, high: str | None, updated: bool = False) -> Sequence[JsonObject]:
        """The listed users that were created, or updated, in a window; ends are ISO 8601 and included."""
        listed, late = self._plan.listed_users, _DAY_MS if updated else 0

        def moment(user: int) -> int:
            return self._plan.joined_ms(user) + late

        begin = bisect_left(listed, _ms(low, -_FOREVER), key=moment)
        end = bisect_right(listed, _ms(high, _FOREVER), key=moment)
        return Lazy(max(0, end - begin), lambda i: self.user(listed[begin + i]))

    def user(self, user: int) -> JsonObject:
        """The user as the API shows it."""
        plain = self._plan.role(user) != "nameless"
        first, last = PEOPLE[user % len(PEOPLE)] if plain else (None, None)
        joined = self._plan.joined_ms(user)
        record: JsonObject = {
            "id": self.id(user),
            "created_time": iso(joined / 1000),
            "updated_time": iso((joined + _DAY_MS) / 1000),
            "first_name": first,
            "last_name": last,
            "email": self.email(user),
            "phone": None if user % 3 else f"+8210{user:08d}",
            "avatar": {},
            "reference_id": f"teams:{self._seeded.bytes('reference', user).hex()}" if plain else None,
            "restore_id": None,
            "properties": [{"name": "부서", "value": "경영지원팀"}, {"name": "empty", "value": None}],
            "org_contact_id": str(1_000_000_000_000_000_000 + user),
            "login_status": False,
            "social_profiles": [],
        }
        return record | (_ODD if user % 5 == 0 else {})


_ODD: JsonObject = {
    "lifetime_value": exact("1.10"),
    "score": exact("-0.0"),
    "legacy_number": 2**80 + 1,
    "x_not_documented": {"ключ": [None, {}, [], ""], "exponent": exact("1E+2")},
}


def _ms(text: str | None, otherwise: int) -> int:
    moment = parse_iso(text) if text else None
    return otherwise if moment is None else round(moment * 1000)
