"""The Freshchat conversations of a data set: which there are, who can find them, and how they look."""

import uuid

from sandbox.dataset.links import Links
from sandbox.dataset.plan import Plan
from sandbox.dataset.users import Users
from sandbox.exact import exact
from sandbox.lazy import Every
from sandbox.wire import JsonObject, iso
from sandbox.world import World

INTERNAL_ID = 1_000_000_000_000_000
#: Conversations in a row whose ids have an old form; two of them differ only in case.
_FORM_PERIOD = 41
_FORMS = {5: "hex", 6: "upper hex", 9: "feedback"}
_STATUSES = ("resolved", "resolved", "new", "assigned", "reopened", "waiting on customer", "snoozed")
#: A rating came with every ninth.
RATED_EVERY = 9


class Conversations:
    """Conversations by number and by id."""

    def __init__(self, plan: Plan, users: Users, links: Links, world: World) -> None:
        self._plan = plan
        self._users = users
        self._links = links
        self._world = world
        slots = [slot for slot in range(40) if plan.mark(slot) not in ("unlisted", "bridge")]
        self.listed = Every(40, slots, plan.conversations)

    def id(self, conversation: int) -> str:
        """A uuid, or an older form."""
        form = _FORMS.get(conversation % _FORM_PERIOD)
        if form == "upper hex":
            return self.id(conversation - 1).upper()
        plain = self._plan.seeded.uuid("conversation", conversation)
        if form == "hex":
            return f"c{plain.replace('-', '')[1:]}"
        if form == "feedback":
            return f"{self._world.freshchat_app_id}_{plain}_feedback"
        return plain

    def number(self, conversation_id: str) -> int | None:
        """The conversation with an id, also one that is gone."""
        try:
            tail = uuid.UUID(conversation_id.removesuffix("_feedback")[-36:].lower()).int
        except ValueError:
            return None
        number = self._plan.seeded.unmasked(tail)
        number += _FORMS.get(number % _FORM_PERIOD) == "hex" and conversation_id == self.id(number + 1)
        return number if number < self._plan.conversations and self.id(number) == conversation_id else None

    def of_user(self, user: int) -> list[int]:
        """What the list of a user shows: their own, and a neighbour's that both take part in."""
        if self._plan.role(user) == "vanishing":
            return []
        own = [c for c in self._plan.conversations_of(user) if self._plan.mark(c) != "bridge"]
        return self._shared_by(user - 1) + own

    def in_users(self, conversation: int) -> bool:
        """Whether a listed user's list shows it."""
        if self._plan.mark(conversation) == "bridge":
            return False
        user = self._plan.user_of(conversation)
        return self._shows(user) or (self._shows(user + 1) and conversation in self._shared_by(user))

    def in_reports(self, conversation: int) -> bool:
        return self._plan.mark(conversation) not in ("bridge", "unreported")

    def in_bridge(self, conversation: int) -> bool:
        """Whether the bridge, or a webhook, has seen it."""
        return self._plan.mark(conversation) in ("bridge", "unreported") or conversation % 10 == 0

    def gone(self, conversation: int) -> bool:
        """Whether it is named by others, but cannot be read any more."""
        return self._plan.mark(conversation) == "gone"

    def rating(self, conversation: int) -> JsonObject | None:
        """The satisfaction rating, where there is one."""
        if conversation % RATED_EVERY or self.gone(conversation):
            return None
        comment = '고마워요 🙂, "빨랐어요"\nthanks' if conversation % 2 else ""
        return {"rating": 1 + conversation % 5, "comment": comment}

    def record(self, conversation: int) -> JsonObject:
        """The conversation as the API shows it."""
        plan, began = self._plan, self._plan.began_ms(conversation)
        user_id = self._users.id(plan.user_of(conversation))
        last = plan.said_ms(conversation, max(0, plan.messages(conversation) - 1))
        inbox = self._world.inboxes[conversation % len(self._world.inboxes)]
        record: JsonObject = {
            "conversation_id": self.id(conversation),
            "app_id": self._world.freshchat_app_id,
            "channel_id": inbox.id,
            "status": _STATUSES[conversation % len(_STATUSES)],
        }
        if plan.mark(conversation) == "bare":
            return record
        record |= {
            "conversation_internal_id": INTERNAL_ID + conversation,
            "assigned_agent_id": self._world.agents[0].id if conversation % 2 else "",
            "assigned_group_id": "",
            "skill_id": 0,
            "properties": {"priority": "Medium", "cf_region": "KR", "cf_empty": None},
            "url": f"https://desk.example/inbox/open/0/conversation/{INTERNAL_ID + conversation}",
            "user_id": user_id,
            "created_by": user_id,
            "created_time": iso(began / 1000),
            "updated_time": iso((last + 60_000) / 1000),
        }
        return record | (_ODD if conversation % 6 == 0 else {}) | self._link(conversation, record["properties"])

    def _link(self, conversation: int, properties: JsonObject) -> JsonObject:
        link = self._links.of_conversation(conversation)
        number = 0 if link is None else self._plan.ticket_id(link.ticket)
        if link is not None and link.where == "ticket_id":
            return {"ticket_id": number}
        if link is not None and link.where == "meta.ticket_id":
            return {"meta": {"ticket_id": str(number)}}
        if link is not None and link.where == "properties.cf_freshdesk_ticket_id":
            return {"properties": {**properties, "cf_freshdesk_ticket_id": str(number)}}
        return {}

    def _shared_by(self, user: int) -> list[int]:
        """The last conversation of a user, when the next user takes part in it."""
        last = self._plan.conversations_of(user)[-1:] if user >= 0 else ()
        return [conversation for conversation in last if self._plan.mark(conversation) == "shared"]

    def _shows(self, user: int) -> bool:
        return user < self._plan.users and self._plan.role(user) not in ("deleted", "merged", "vanishing")


_ODD: JsonObject = {
    "wait_seconds": exact("0.10"),
    "sla_policy_id": 9_007_199_254_740_993,
    "legacy": {"number": 12_345_678_901_234_567_890_123, "ratio": exact("1e-7"), "nothing": None},
}
