"""Freshchat's error object."""

from typing import NoReturn

from sandbox.wire import Refusal


def refuse(status: int, word: str, message: str) -> NoReturn:
    """Answer with the three members that every Freshchat error has."""
    raise Refusal(status, {"code": status, "status": word, "message": message})


def invalid(message: str) -> NoReturn:
    """The usual 400."""
    refuse(400, "INVALID_VALUE", message)
