"""Short texts for people, one row per text, in every language we have."""

from __future__ import annotations

from collections.abc import Mapping

from cards.file_texts import FILE_TEXTS

TEXTS: Mapping[str, Mapping[str, str]] = {
    **FILE_TEXTS,
    "agent": {"en": "Agent", "ko": "상담원"},
    "answer_failed": {
        "en": "This answer could not be shown in Teams: {reason}. The person who asked has not read it. Please reach "
        "them another way, or give your administrator the reference {reference}.",
        "ko": "이 답변을 Teams에 표시할 수 없습니다: {reason}. 질문한 사람은 답변을 읽지 못했습니다. 다른 방법으로 "
        "연락하거나 관리자에게 참조 번호 {reference}를 알려 주세요.",
    },
    "answer_kept": {
        "en": "This answer could not be shown in Teams yet: {reason}. We keep trying, so please do not send it again. "
        "Reference {reference}.",
        "ko": "이 답변을 아직 Teams에 표시하지 못했습니다: {reason}. 계속 시도하고 있으므로 다시 보내지 마세요. "
        "참조 번호 {reference}.",
    },
    "away": {
        "en": "The support team is away now: it is outside business hours. Your message has arrived and will be "
        "answered when the team is back.",
        "ko": "지금은 업무 시간이 아니어서 지원팀이 자리에 없습니다. 메시지는 접수되었으며 업무 시간에 답변합니다.",
    },
    "button_unknown": {
        "en": "This button is no longer available.",
        "ko": "이 버튼은 더 이상 사용할 수 없습니다.",
    },
    "card_element": {"en": "[card element: {name}]", "ko": "[카드 요소: {name}]"},
    "card_send": {"en": "Send", "ko": "보내기"},
    "card_pick": {"en": "Please choose", "ko": "선택해 주세요"},
    "chosen": {"en": "Chosen: {label}", "ko": "선택함: {label}"},
    "close_done": {
        "en": "This conversation is closed. Your next message starts a new one.",
        "ko": "이 대화를 종료했습니다. 다음 메시지부터 새 대화가 시작됩니다.",
    },
    "edited": {
        "en": "(edited: edit {number} of {original}) {text}",
        "ko": "(수정됨: {original}의 {number}번째 수정) {text}",
    },
    "deleted": {
        "en": "(A message was deleted in Teams: {original}.)",
        "ko": "(Teams에서 메시지가 삭제되었습니다: {original}.)",
    },
    "help": {
        "en": "Write your question, and the support team answers here. You can also send one of these words alone:\n"
        "help: this text\n"
        "status: how your question is doing\n"
        "close: end this conversation\n"
        "new: start a new conversation with your next message\n"
        "Outside of a personal chat, mention this app.",
        "ko": "질문을 쓰면 지원팀이 여기에서 답변합니다. 다음 단어만 따로 보낼 수도 있습니다.\n"
        "도움말: 이 안내\n"
        "상태: 질문의 처리 상태\n"
        "종료: 이 대화 끝내기\n"
        "새 대화: 다음 메시지부터 새 대화 시작\n"
        "개인 채팅이 아니면 이 앱을 멘션해 주세요.",
    },
    "late": {"en": "Written at {time}, delivered late", "ko": "{time}에 작성된 답변이 늦게 전달되었습니다"},
    "new_next": {
        "en": "Your next message starts a new conversation.",
        "ko": "다음 메시지부터 새 대화가 시작됩니다.",
    },
    "none_open": {"en": "There is no open conversation here.", "ko": "여기에는 열려 있는 대화가 없습니다."},
    "original_dated": {"en": "the message of {time}", "ko": "{time} 메시지"},
    "original_quoted": {"en": "“{text}”", "ko": "“{text}”"},
    "original_unknown": {"en": "an earlier message", "ko": "이전 메시지"},
    "question_failed": {
        "en": "Your message has not reached the support team (reference {reference}). Please send it again later, or "
        "tell your support desk the reference.",
        "ko": "메시지가 지원팀에 전달되지 않았습니다(참조 번호 {reference}). 나중에 다시 보내거나 지원 데스크에 참조 "
        "번호를 알려 주세요.",
    },
    "question_kept": {
        "en": "Your message has not reached the support team yet (reference {reference}). We keep trying, so you need "
        "not send it again. If nobody answers, tell your support desk the reference.",
        "ko": "메시지가 아직 지원팀에 전달되지 않았습니다(참조 번호 {reference}). 계속 시도하고 있으므로 다시 보내지 "
        "않아도 됩니다. 답변이 없으면 지원 데스크에 참조 번호를 알려 주세요.",
    },
    "rating_comment": {"en": "Comment (optional)", "ko": "의견(선택 사항)"},
    "rating_thanks": {"en": "Thank you for your rating.", "ko": "평가해 주셔서 감사합니다."},
    "rating_title": {"en": "How satisfied are you with the help you got?", "ko": "도움이 얼마나 만족스러우셨나요?"},
    "reacted": {"en": "({name} reacted {emoji})", "ko": "({name} 님의 반응: {emoji})"},
    "reason_internal": {"en": "an error in the bridge", "ko": "브리지 내부 오류"},
    "reason_not_linked": {"en": "its Teams thread is not known", "ko": "연결된 Teams 대화를 알 수 없음"},
    "reason_refused": {"en": "Teams refused it", "ko": "Teams에서 거부함"},
    "reason_unavailable": {"en": "Teams cannot be reached", "ko": "Teams에 연결할 수 없음"},
    "restored": {"en": "(restored: {original}) {text}", "ko": "(복원됨: {original}) {text}"},
    "speaker": {"en": "{name}: {text}", "ko": "{name}: {text}"},
    "someone": {"en": "A Teams user", "ko": "Teams 사용자"},
    "status_assigned": {"en": "Assigned: {agent}", "ko": "담당자: {agent}"},
    "status_is_assigned": {"en": "Assigned to {agent} since {time}.", "ko": "{time}부터 {agent} 님이 담당합니다."},
    "status_is_open": {
        "en": "Open since {time}, waiting for an agent.",
        "ko": "{time}에 접수되어 상담원을 기다리고 있습니다.",
    },
    "status_is_resolved": {"en": "Resolved since {time}.", "ko": "{time}에 해결되었습니다."},
    "status_reopened": {"en": "Reopened.", "ko": "다시 열렸습니다."},
    "status_resolved": {
        "en": "Resolved. Your next message starts a new conversation.",
        "ko": "해결되었습니다. 다음 메시지부터 새 대화가 시작됩니다.",
    },
    "unshown": {
        "en": "(Part of this answer cannot be shown in Teams. Please ask for it in words.)",
        "ko": "(이 답변의 일부는 Teams에 표시할 수 없습니다. 말로 설명해 달라고 요청해 주세요.)",
    },
    "unshown_link": {
        "en": "{line} In Freshchat (agents only): {url}",
        "ko": "{line} Freshchat에서 보기(상담원 전용): {url}",
    },
    "welcome_channel": {
        "en": "Mention this app with your question in a post of this team. The support team answers in that thread.",
        "ko": "이 팀의 게시물에서 이 앱을 멘션하고 질문을 쓰세요. 지원팀이 같은 스레드에서 답변합니다.",
    },
    "welcome_groupChat": {
        "en": "Mention this app with your question. The support team answers in this chat.",
        "ko": "이 앱을 멘션하고 질문을 쓰세요. 지원팀이 이 채팅에서 답변합니다.",
    },
    "welcome_help": {
        "en": 'Send "help" alone to see what else you can do.',
        "ko": '"도움말"이라고만 보내면 다른 기능을 볼 수 있습니다.',
    },
    "welcome_personal": {
        "en": "Write your question here. The support team answers in this chat.",
        "ko": "여기에 질문을 쓰세요. 지원팀이 이 채팅에서 답변합니다.",
    },
    "welcome_title": {"en": "Ask the support team", "ko": "지원팀에 질문하기"},
}


def language(locale: str | None) -> str:
    """Choose the language for a locale such as `ko-KR`; English when we do not have it."""
    return "ko" if (locale or "").lower().split("-")[0].split("_")[0] == "ko" else "en"


def say(key: str, locale: str | None, **values: str) -> str:
    """Give a text in the locale's language with its values filled in."""
    return TEXTS[key][language(locale)].format(**values)
