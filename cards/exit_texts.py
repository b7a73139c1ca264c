"""What `bridgectl exit plan` tells people about each step of an exit, in every language we have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "ko"]


@dataclass(frozen=True, slots=True)
class StepText:
    """A step for people: its name, who does it, what is done, and how one sees that it worked."""

    title: str
    who: str
    what: str
    check: str


_Who = Mapping[Language, str]

_ADMIN: _Who = {"en": "Teams administrator", "ko": "Teams 관리자"}
_AZURE: _Who = {"en": "Azure administrator", "ko": "Azure 관리자"}
_DESK: _Who = {"en": "Freshchat administrator", "ko": "Freshchat 관리자"}
_OPERATOR: _Who = {"en": "operator of the bridge", "ko": "브리지 운영자"}
_OWNER: _Who = {"en": "owner of the service", "ko": "서비스 책임자"}

_STEPS: Mapping[str, tuple[_Who, Mapping[Language, tuple[str, str, str]]]] = {
    "notice": (
        _OWNER,
        {
            "en": (
                "Notice",
                "Tell users, agents, data protection and procurement the date, what replaces the bridge, and who gets "
                "the archive. Agree on how long it is kept.",
                "Confirmed by a person: where the notice is, and who has agreed.",
            ),
            "ko": (
                "사전 공지",
                "사용자, 상담원, 개인정보 보호 담당, 구매 담당에게 종료일, 대체 수단, 보관본 인수자를 알립니다. "
                "보관 기간을 합의합니다.",
                "담당자가 확인: 공지 위치와 합의한 사람.",
            ),
        },
    ),
    "export": (
        _OPERATOR,
        {
            "en": (
                "Final export",
                "Export all chats and tickets with the kind `final`, while accounts and keys still work.",
                "The archive is complete and of the kind `final`.",
            ),
            "ko": (
                "최종 내보내기",
                "계정과 키가 유효한 동안 모든 채팅과 티켓을 `final` 종류로 내보냅니다.",
                "보관본이 완전하고 종류가 `final`입니다.",
            ),
        },
    ),
    "verify": (
        _OPERATOR,
        {
            "en": (
                "Export verified",
                "Have every file of the archive read again, and note its fingerprint outside of this machine.",
                "No finding; the fingerprint is in the evidence.",
            ),
            "ko": (
                "내보내기 검증",
                "보관본의 모든 파일을 다시 읽고, 지문(fingerprint)을 이 장비 밖에 기록합니다.",
                "발견된 문제가 없고 지문이 증적에 있습니다.",
            ),
        },
    ),
    "sample": (
        _OWNER,
        {
            "en": (
                "Sample signed off",
                "Compare a random sample of the archive with Freshchat and Freshdesk, and sign.",
                "A signed sample of this archive lies beside it, without differences.",
            ),
            "ko": (
                "표본 확인 서명",
                "보관본의 무작위 표본을 Freshchat, Freshdesk와 비교하고 서명합니다.",
                "이 보관본의 서명된 표본이 옆에 있고 차이가 없습니다.",
            ),
        },
    ),
    "app": (
        _ADMIN,
        {
            "en": (
                "App removed from Teams",
                "Teams admin center → Teams apps → Manage apps: block the app, then delete it; take it out of setup "
                "policies.",
                "Confirmed by a person: the app is not found in Teams any more.",
            ),
            "ko": (
                "Teams에서 앱 제거",
                "Teams 관리 센터 → Teams 앱 → 앱 관리에서 앱을 차단한 뒤 삭제하고, 설정 정책에서 제외합니다.",
                "담당자가 확인: Teams에서 앱이 더 이상 검색되지 않습니다.",
            ),
        },
    ),
    "stop": (
        _OPERATOR,
        {
            "en": (
                "Bridge stopped",
                "Retire the bridge while it runs: the doors answer 410, what is queued is delivered. The first command "
                "only looks.",
                "The stores hold the mark, both queues are empty, no dead letter is left behind.",
            ),
            "ko": (
                "브리지 중지",
                "실행 중인 브리지를 은퇴시킵니다. 수신 경로는 410으로 응답하고 대기 중인 메시지는 전달됩니다. "
                "첫 번째 명령은 확인만 합니다.",
                "저장소에 은퇴 표시가 있고 두 대기열이 비었으며 남은 배달 실패 메시지가 없습니다.",
            ),
        },
    ),
    "doors": (
        _OPERATOR,
        {
            "en": ("Doors closed", "Ask both doors from outside.", "Teams' and Freshchat's doors answer 410."),
            "ko": ("수신 경로 폐쇄", "외부에서 두 경로를 호출합니다.", "Teams와 Freshchat 경로가 410으로 응답합니다."),
        },
    ),
    "webhook": (
        _DESK,
        {
            "en": (
                "Webhook invalid",
                "Freshchat → Settings → Webhooks: switch the webhook off and remove its address; delete the API token "
                "after the export.",
                "The door answers 410 and no key is asked for any more; confirmed by a person: the webhook is off.",
            ),
            "ko": (
                "웹훅 무효화",
                "Freshchat → 설정 → Webhooks에서 웹훅을 끄고 주소를 삭제합니다. 내보내기 후 API 토큰을 삭제합니다.",
                "경로가 410으로 응답하여 어떤 키도 통하지 않습니다. 담당자가 확인: 웹훅이 꺼졌습니다.",
            ),
        },
    ),
    "channel": (
        _AZURE,
        {
            "en": (
                "Teams channel removed",
                "Delete the Teams channel of the bot. This cannot be taken back.",
                "`az bot msteams show` finds nothing; without `az`, a person confirms it.",
            ),
            "ko": (
                "Teams 채널 삭제",
                "봇의 Teams 채널을 삭제합니다. 되돌릴 수 없습니다.",
                "`az bot msteams show` 결과가 없습니다. `az`가 없으면 담당자가 확인.",
            ),
        },
    ),
    "registration": (
        _AZURE,
        {
            "en": (
                "Registration removed",
                "Delete the bot and its app registration. This cannot be taken back.",
                "Entra refuses a token and says that the application is unknown.",
            ),
            "ko": (
                "등록 삭제",
                "봇과 앱 등록을 삭제합니다. 되돌릴 수 없습니다.",
                "Entra가 알 수 없는 애플리케이션이라며 토큰을 거부합니다.",
            ),
        },
    ),
    "resources": (
        _OPERATOR,
        {
            "en": (
                "Resources removed",
                "Remove what the bridge ran on. What keeps archives, and their keys, stays for as long as agreed.",
                "`az` or `flyctl` lists nothing but archives and what they need; else a person confirms what is left, "
                "and why.",
            ),
            "ko": (
                "자원 삭제",
                "브리지가 사용하던 자원을 삭제합니다. 보관본과 그 키를 보관하는 자원은 합의한 기간 동안 유지합니다.",
                "`az` 또는 `flyctl` 목록에 보관본과 그에 필요한 것만 남습니다. 아니면 담당자가 남은 자원과 "
                "그 이유를 확인.",
            ),
        },
    ),
    "billing": (
        _OWNER,
        {
            "en": (
                "Leftovers and billing checked",
                "Look for resources that still cost money, end subscriptions and licences, check the last invoice, "
                "delete the service account and stored secrets.",
                "Confirmed by a person: invoice or cost analysis, and who has checked it.",
            ),
            "ko": (
                "잔여 자원과 비용 확인",
                "비용이 발생하는 자원이 남았는지 확인하고 구독과 라이선스를 종료하며 마지막 청구서를 확인합니다. "
                "서비스 계정과 저장된 비밀 값을 삭제합니다.",
                "담당자가 확인: 청구서 또는 비용 분석과 확인한 사람.",
            ),
        },
    ),
}

LABELS: Mapping[str, Mapping[Language, str]] = {
    "day": {"en": "day", "ko": "일정"},
    "date": {"en": "date", "ko": "날짜"},
    "step": {"en": "step", "ko": "단계"},
    "title": {"en": "what", "ko": "내용"},
    "who": {"en": "who", "ko": "담당"},
    "state": {"en": "state", "ko": "상태"},
    "check": {"en": "checked by", "ko": "확인 방법"},
}
"""Heads of columns and paragraphs."""


def step_text(step: str, language: Language) -> StepText:
    """Give a step's texts; KeyError if there is no such step."""
    who, texts = _STEPS[step]
    title, what, check = texts[language]
    return StepText(title, who[language], what, check)


def steps() -> tuple[str, ...]:
    """Name the steps that have texts."""
    return tuple(_STEPS)
