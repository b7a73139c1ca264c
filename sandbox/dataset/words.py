"""Names and texts as people really write them, and as file systems and parsers do not expect them."""

import unicodedata

PEOPLE = (
    ("민준", "김"),
    ("서연", "박"),
    ("Ada", "Fenn"),
    ("Zoë", "O’Brien-Łukasiewicz"),
    ("🙂", "👩‍👩‍👧‍👦"),
    ("南宮", "선우"),
    ("\u202edrawkcab", "Haddad"),
    ("Robert'); DROP TABLE users;--", ""),
    ("<img src=x onerror=alert(1)>", "Ortiz"),
    ("  ", "\t"),
    ("지" * 120, "황보"),
    (unicodedata.normalize("NFD", "하늘"), "최"),
)

TEXTS = (
    "안녕하세요, 프린터가 또 안 됩니다.",
    "Hello, my badge does not open door 3.",
    "감사합니다 🙏🏽 내일 다시 연락드릴게요 👍",
    "first line\nsecond line\r\nthird \u2028 line",
    "https://wiki.example/p?q=1&r=%2F#top",
    'quotes " and \\ backslashes \\u0000 and "\\n"',
    "NUL \x00 and bell \x07 inside",
    "مرحبا بالعالم 123 שלום",
    "<script>alert('no')</script><b>bold</b> &amp; &lt;",
    '=HYPERLINK("http://x.example","a csv\'s formula")',
    "한" + "글" * 3000,
    "e\u0301 ≠ é, ﬁ ligature, 𝔘𝔫𝔦𝔠𝔬𝔡𝔢, zero\u200bwidth, ZWJ 👩🏽‍🚒",
    'a;b,c\t"d"\n,;',
    " ",
    "네",
)

FILES = (
    "report.pdf",
    "Report.PDF",
    "스크린샷 2026-01-05 오후 3.12.png",
    unicodedata.normalize("NFD", "한글 문서.docx"),
    "../../etc/passwd",
    "a/b\\c:d*e?f.txt",
    "CON.txt",
    "nul",
    "trailing dots...",
    " spaces .png",
    "",
    "🙂👩‍👩‍👧.png",
    "긴이름" * 100 + ".hwp",
    "x" * 300 + ".tar.gz",
    "line\nbreak.txt",
    "\u202egnp.exe",
    "..",
    ".hidden",
    "AUX.jpg",
    "quote\"'<>|.html",
    "%2e%2e%2fpasswd",
    "null\x00byte.txt",
    "~$report.pdf",
    "é.txt",
    unicodedata.normalize("NFD", "é.txt"),
)

KINDS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "html": "text/html",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def kind_of(name: str) -> str:
    """The content type that goes with a file's name."""
    return KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")
