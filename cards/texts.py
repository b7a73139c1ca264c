"""Short texts for people, one row per text, in every language we have."""

from __future__ import annotations

from collections.abc import Mapping

TEXTS: Mapping[str, Mapping[str, str]] = {
    "agent": {"en": "Agent", "ko": "상담원"},
    "button_unknown": {
        "en": "This button is no longer available.",
        "ko": "이 버튼은 더 이상 사용할 수 없습니다.",
    },
    "edited": {"en": "(edited) {text}", "ko": "(수정됨) {text}"},
    "deleted": {
        "en": "(A message was deleted in Teams.)",
        "ko": "(Teams에서 메시지가 삭제되었습니다.)",
    },
    "speaker": {"en": "{name}: {text}", "ko": "{name}: {text}"},
    "someone": {"en": "A Teams user", "ko": "Teams 사용자"},
}


def language(locale: str | None) -> str:
    """Choose the language for a locale such as `ko-KR`; English when we do not have it."""
    return "ko" if (locale or "").lower().split("-")[0].split("_")[0] == "ko" else "en"


def say(key: str, locale: str | None, **values: str) -> str:
    """Give a text in the locale's language with its values filled in."""
    return TEXTS[key][language(locale)].format(**values)
