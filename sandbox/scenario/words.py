"""What the story says, in English and Korean: its steps with what is expected, and what its people write."""

from collections.abc import Mapping

Words = Mapping[str, str]

#: By language and step: what happens, and what should come of it.
STEPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "en": {
        "welcome": ("The app is added to a group chat", "it greets there with a card"),
        "ask": ("{main} asks in a channel, with a screenshot", "the agents have the words and the picture"),
        "who": ("The agents look at who asks", "mail, job title, mood and the link to the thread are there"),
        "assign": ("{agent} takes the conversation", "a line in the thread says so"),
        "answer": ("{agent} answers with formatting and a mention", "both are in the same thread"),
        "picture": ("{agent} sends a picture", "it is shown in the thread"),
        "note": ("{agent} writes a private note", "nobody in Teams sees it"),
        "choose": ("{agent} offers two buttons, {main} presses one, twice", "one choice, and the card shows it"),
        "edit": ("{main} corrects a message", "the agents read the new words and what they replace"),
        "delete": ("{main} deletes a message", "the agents are told which one"),
        "react": ("{main} reacts to a card of the app", "the agents are told"),
        "infected": ("{main} asks in the personal chat, with a file that must not pass", "words pass, file kept out"),
        "status": ("{main} sends the command “{status}”", "the app answers, no agent sees it"),
        "resolve": ("{agent} resolves the channel's conversation", "a line says so, and a card asks for a rating"),
        "rate": ("{main} gives five stars and a comment", "Freshchat has the rating, the card says thanks"),
        "again": ("{main} writes in the same thread again", "a new conversation, the same thread"),
        "other": ("{other} asks in another language, in a personal chat", "the answer is there and nowhere else"),
        "private": ("Nothing else has come over", "the private note is nowhere in Teams"),
    },
    "ko": {
        "welcome": ("그룹 채팅에 앱을 추가합니다", "앱이 카드로 인사합니다"),
        "ask": ("{main} 님이 화면 사진과 함께 채널에서 질문합니다", "상담원에게 글과 사진이 모두 있습니다"),
        "who": ("상담원이 질문한 사람을 확인합니다", "메일, 직함, 분위기, 스레드 링크가 있습니다"),
        "assign": ("{agent} 님이 대화를 맡습니다", "스레드에 담당자가 표시됩니다"),
        "answer": ("{agent} 님이 서식과 멘션을 넣어 답변합니다", "둘 다 같은 스레드에 있습니다"),
        "picture": ("{agent} 님이 사진을 보냅니다", "스레드에 사진이 보입니다"),
        "note": ("{agent} 님이 비공개 메모를 씁니다", "Teams에서는 아무도 보지 못합니다"),
        "choose": (
            "{agent} 님이 버튼 두 개를 보내고 {main} 님이 하나를 두 번 누릅니다",
            "선택은 하나, 카드에 표시됩니다",
        ),
        "edit": ("{main} 님이 메시지를 고칩니다", "상담원이 새 글과 원래 글을 봅니다"),
        "delete": ("{main} 님이 메시지를 삭제합니다", "상담원이 어떤 메시지인지 압니다"),
        "react": ("{main} 님이 앱의 카드에 반응합니다", "상담원이 압니다"),
        "infected": ("{main} 님이 개인 채팅에서 금지된 파일과 함께 질문합니다", "글은 가고 파일은 막힙니다"),
        "status": ("{main} 님이 “{status}” 명령을 보냅니다", "앱이 답하고 상담원은 보지 못합니다"),
        "resolve": ("{agent} 님이 채널의 대화를 해결합니다", "스레드에 표시되고 평가 카드가 나옵니다"),
        "rate": ("{main} 님이 별 다섯 개와 의견을 보냅니다", "Freshchat에 평가가 있고 카드가 감사를 전합니다"),
        "again": ("{main} 님이 같은 스레드에 다시 씁니다", "새 대화, 같은 스레드"),
        "other": ("{other} 님이 다른 언어로 개인 채팅에서 질문합니다", "답변은 그곳에만 있습니다"),
        "private": ("그 밖에 건너온 것은 없습니다", "비공개 메모는 Teams 어디에도 없습니다"),
    },
}

#: What is written; `{number}` is the printer of this run, so that a story can be played many times.
LINES: Mapping[str, Words] = {
    "en": {
        "question": "Badge printer {number} on floor 2 is broken again, our visitors are waiting!",
        "answer": "Hi @{mail}, sorry for that. Please try **both** steps:\n\n1. Open the rear cover of {number}\n"
        "2. Type `reset 14` on the panel",
        "picture": "This is how the panel of {number} should look.",
        "note": "Third time for {number}, the part is on order.",
        "offer": "Does {number} print again?",
        "yes": "Yes, it works",
        "no": "No, still stuck",
        "typed": "{number} stands next to the lift on floor 2.",
        "corrected": "{number} stands next to the lift on floor 3, sorry.",
        "regretted": "The PIN of {number} is 4711.",
        "file": "This came by mail as the driver of {number}. May I start it?",
        "malware": "malware",
        "status": "status",
        "comment": "Quick and friendly",
        "again": "{number} is stuck once more.",
        "reply": "We come and look at {number}.",
    },
    "ko": {
        "question": "2층 출입증 프린터 {number}가 또 고장 나서 방문객이 기다리고 있습니다!",
        "answer": "안녕하세요 @{mail} 님, 불편을 드려 죄송합니다. **두 단계**를 모두 해 보세요.\n\n"
        "1. {number}의 뒤쪽 덮개를 엽니다\n2. 패널에 `reset 14`를 입력합니다",
        "picture": "{number} 패널은 이렇게 보여야 합니다.",
        "note": "{number}는 벌써 세 번째입니다. 부품을 주문했습니다.",
        "offer": "{number}가 이제 인쇄되나요?",
        "yes": "네, 됩니다",
        "no": "아니요, 아직 안 됩니다",
        "typed": "{number}는 2층 승강기 옆에 있습니다.",
        "corrected": "죄송합니다. {number}는 3층 승강기 옆에 있습니다.",
        "regretted": "{number}의 비밀번호는 4711입니다.",
        "file": "{number} 드라이버라고 메일로 왔습니다. 실행해도 되나요?",
        "malware": "악성 코드",
        "status": "상태",
        "comment": "빠르고 친절했습니다",
        "again": "{number}가 다시 멈췄습니다.",
        "reply": "{number}를 보러 가겠습니다.",
    },
}

#: What the program itself tells.
TELLS: Mapping[str, Words] = {
    "en": {
        "expected": "expected: {what}",
        "seen": "seen after {seconds:.1f} s",
        "missing": "NOT SEEN: {what}",
        "program": "a program is sent; with --infected, and a bridge that scans, it is EICAR's test virus",
        "eicar": "EICAR's test virus is sent",
        "done": "{passed} of {all} steps went as expected.",
        "away": "No demo answers at {url}: {why}. Start one with `make demo`.",
    },
    "ko": {
        "expected": "예상: {what}",
        "seen": "{seconds:.1f}초 만에 확인",
        "missing": "확인하지 못함: {what}",
        "program": "프로그램 파일을 보냅니다. 파일을 검사하는 브리지라면 --infected로 EICAR 시험용 바이러스를 보냅니다",
        "eicar": "EICAR 시험용 바이러스를 보냅니다",
        "done": "{all}단계 중 {passed}단계가 예상대로 진행되었습니다.",
        "away": "{url}에서 응답하는 데모가 없습니다: {why}. `make demo`로 시작하세요.",
    },
}
