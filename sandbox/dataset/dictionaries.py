"""The small lists of a Freshdesk account."""

from collections.abc import Sequence

from sandbox.wire import JsonObject

_BEGAN = "2024-01-01T00:00:00Z"
_FIELDS: list[JsonObject] = [
    {
        "id": 1,
        "name": "status",
        "label": "Status",
        "type": "default_status",
        "choices": {"2": ["Open", "Being processed"], "3": ["Pending", "대기"], "7": ["보류", "보류"]},
    },
    {"id": 2, "name": "priority", "label": "Priority", "type": "default_priority", "choices": {"Low": 1, "Urgent": 4}},
    {"id": 3, "name": "cf_category", "label": "분류", "type": "nested_field", "choices": {"IT": {"프린터": ["고장"]}}},
    {"id": 4, "name": "cf_freshchat_conversation_id", "label": "Chat", "type": "custom_text", "choices": []},
]
_DICTIONARIES: dict[str, list[JsonObject]] = {
    "groups": [
        {"id": 1 + n, "name": name, "agent_ids": [], "created_at": _BEGAN} for n, name in enumerate(("1선", "IT"))
    ],
    "roles": [
        {"id": 1, "name": "Account Administrator", "default": True},
        {"id": 2, "name": "Agent", "default": True},
    ],
    "products": [{"id": 1, "name": "사내 포털", "primary_email": "help@desk.example"}],
    "ticket_fields": _FIELDS,
    "admin/ticket_fields": [{**field, "archived": False} for field in _FIELDS],
    "admin/groups": [{"id": 1, "name": "1선", "intelli_assign": True}],
    "contact_fields": [{"id": 11, "name": "name", "label": "Full name", "type": "default_name"}],
    "company_fields": [{"id": 21, "name": "name", "label": "Company", "type": "default_name"}],
    "sla_policies": [{"id": 31, "name": "Default", "is_default": True}],
    "business_hours": [{"id": 41, "name": "Seoul", "time_zone": "Seoul"}],
    "email_configs": [{"id": 51, "name": "Help", "reply_email": "help@desk.example"}],
    "surveys": [{"id": 1, "title": "만족도", "active": True, "questions": []}],
}
NAMES = tuple(_DICTIONARIES)


def dictionary(name: str) -> Sequence[JsonObject]:
    """The rows behind a path such as `groups` or `admin/groups`."""
    return _DICTIONARIES[name]


def agent(agent_id: int, number: int) -> JsonObject:
    """An agent; the first is an account administrator with global scope."""
    name = "관리자" if number == 0 else f"Agent {number}"
    contact: JsonObject = {
        "name": name,
        "email": f"agent{number}@desk.example",
        "active": True,
        "language": "ko",
        "mobile": None,
        "time_zone": "Seoul",
        "created_at": _BEGAN,
        "updated_at": _BEGAN,
    }
    return {
        "id": agent_id,
        "type": "support_agent",
        "available": True,
        "occasional": number == 3,
        "ticket_scope": 1 if number == 0 else 2,
        "signature": None,
        "group_ids": [1],
        "role_ids": [1 if number == 0 else 2],
        "skill_ids": [],
        "contact": contact,
        "created_at": _BEGAN,
        "updated_at": _BEGAN,
    }
