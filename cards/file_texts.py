"""What people read about files."""

from __future__ import annotations

from collections.abc import Mapping

FILE_TEXTS: Mapping[str, Mapping[str, str]] = {
    "files_named": {"en": "📎 {names}", "ko": "📎 {names}"},
    "files_unnamed": {"en": "📎 (a file or picture)", "ko": "📎 (파일 또는 사진)"},
    "file_at": {"en": "📎 {name}: {link}", "ko": "📎 {name}: {link}"},
    "file_kept": {
        "en": "(📎 {name} was not passed on: {reason}.)",
        "ko": "(📎 {name} 파일이 전달되지 않았습니다: {reason}.)",
    },
    "file_in_teams": {
        "en": "(📎 {name} stays in Teams: {reason}. {link})",
        "ko": "(📎 {name} 파일은 Teams에 남아 있습니다: {reason}. {link})",
    },
    "file_some": {"en": "A file or picture", "ko": "파일 또는 사진"},
    "question_files_kept": {
        "en": "Your words have reached the support team, but not everything that came with them:\n{files}\n"
        "Reference {reference}.",
        "ko": "메시지는 지원팀에 전달되었지만 첨부한 항목 중 일부는 전달되지 않았습니다:\n{files}\n"
        "참조 번호 {reference}.",
    },
    "answer_files_kept": {
        "en": "Not everything that came with this answer could be shown in Teams:\n{files}\nReference {reference}.",
        "ko": "이 답변에 첨부된 항목 중 일부는 Teams에 표시할 수 없습니다:\n{files}\n참조 번호 {reference}.",
    },
    "files_sent": {"en": "Sent:", "ko": "보낸 항목:"},
    "file_until": {"en": "The link works until {date}.", "ko": "이 링크는 {date}까지 사용할 수 있습니다."},
    "file_line": {"en": "• {name}: {reason}", "ko": "• {name}: {reason}"},
    "file_reason_too_large": {"en": "it is too large", "ko": "파일이 너무 큼"},
    "file_reason_empty": {"en": "it is empty", "ko": "파일이 비어 있음"},
    "file_reason_program": {"en": "programs are not passed on", "ko": "프로그램 파일은 전달할 수 없음"},
    "file_reason_script": {
        "en": "scripts and web pages are not passed on",
        "ko": "스크립트와 웹 페이지는 전달할 수 없음",
    },
    "file_reason_macro": {"en": "it contains macros", "ko": "매크로가 포함되어 있음"},
    "file_reason_locked": {
        "en": "it is protected with a password, so it cannot be checked",
        "ko": "암호로 보호되어 있어 검사할 수 없음",
    },
    "file_reason_bomb": {"en": "it is a damaged or harmful archive", "ko": "손상되었거나 유해한 압축 파일임"},
    "file_reason_type": {"en": "files of this type are not passed on", "ko": "이 형식의 파일은 전달할 수 없음"},
    "file_reason_infected": {"en": "it contains malware", "ko": "악성 코드가 포함되어 있음"},
    "file_reason_not_scanned": {
        "en": "it could not be checked for malware",
        "ko": "악성 코드 검사를 할 수 없었음",
    },
    "file_reason_gone": {
        "en": "it is not there any more, or its link has expired",
        "ko": "파일이 더 이상 없거나 링크가 만료됨",
    },
    "file_reason_bad_address": {"en": "its address is not trusted", "ko": "신뢰할 수 없는 주소임"},
    "file_reason_refused": {"en": "it could not be read", "ko": "파일을 읽을 수 없음"},
    "file_reason_unavailable": {
        "en": "the server that keeps it could not be reached",
        "ko": "파일이 있는 서버에 연결할 수 없음",
    },
    "file_reason_files_not_permitted": {
        "en": "an administrator has not allowed the bridge to read it",
        "ko": "관리자가 브리지의 파일 읽기를 허용하지 않음",
    },
}
