"""Freshdesk's error bodies."""

from typing import NoReturn

from sandbox.wire import Refusal

_WALL = "You cannot access tickets beyond the 300th page. Please provide a smaller page number."


def invalid(field: str, message: str, code: str = "invalid_value") -> NoReturn:
    """The 400 of validation, with the field at fault."""
    error = {"field": field, "message": message, "code": code}
    raise Refusal(400, {"description": "Validation failed", "errors": [error]})


def beyond_the_wall() -> NoReturn:
    """Tickets end at page 300."""
    invalid("page", _WALL)


def refuse(status: int, code: str, message: str) -> NoReturn:
    """The two members of 401 and 403."""
    raise Refusal(status, {"code": code, "message": message})


def not_found() -> NoReturn:
    """A 404, whose body is empty."""
    raise Refusal(404, None)
