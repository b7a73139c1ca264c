"""The pages show all of an archive, and nothing in it is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import pytest

from archive.reading import Archive
from archive.view.index import Index, build, open_index
from archive.view.markup import el, join, sanitised
from archive.view.site import Site
from archive.view.texts import TEXTS
from tests.archive_builder import RENAMED, RENAMED_AS, archive


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The pages of an archive with 230 chats, as they are served."""
    folder = tmp_path_factory.mktemp("viewed")
    whole = Archive(archive(folder, conversations=230, tickets=12))
    build(whole, folder / "index", lambda _done: None)
    with closing(open_index(folder / "index")) as db:
        yield Site(whole, Index(db), live=True)


def read(site: Site, name: str, lang: Any = "en", **query: str) -> str:
    found = site.answer(lang, name, query)
    assert found is not None, name
    assert isinstance(found.body, bytes)
    return found.body.decode()


class Tags(HTMLParser):
    """What a page would make a browser do."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("index.html", ["233", "1 attachment could not be fetched.", "acme.freshchat.com"]),
        ("conversations/1.html", ["c-0000230.1.html", "프린터가 고장났어요"]),
        ("unlinked/2.html", ["c-0000"]),
        ("tickets/1.html", ["#9000", "긴급"]),
        ("files/1.html", ["scan.png", "virus.html", "not fetched: http_403"]),
        ("gaps/1.html", ["http_403"]),
        ("report.html", ["요약", "… and 121 more"]),
        ("conversation/c-0000001.1.html", ["Which printer is it? (1)", "#101", "Grace &lt;b&gt;Hop", "IT 헬프"]),
        ("conversation/c-empty.1.html", ["There is nothing here."]),
        (f"conversation/{RENAMED_AS}.1.html", ["old id", RENAMED]),
        ("ticket/9000.1.html", ["Dear <b>team</b>", "Waiting &lt;i&gt; (Spam)", "김민지", "메모: 부품 주문"]),
        ("ticket/101.1.html", ["c-0000001", "(linked)"]),
    ],
)  # fmt: skip
def test_pages_show_what_is_there(name: str, says: list[str], site: Site) -> None:
    """With people by their names, and chats and tickets linked to each other."""
    page = read(site, name)
    for text in says:
        assert text in page, text


def test_chats_without_a_ticket_have_a_list_of_their_own(site: Site) -> None:
    """With all of them, and none that has one."""
    pages = "".join(read(site, f"unlinked/{number}.html") for number in (1, 2, 3))
    listed = set(re.findall(r"conversation/(c-\d+)\.1\.html", pages))
    assert listed == {f"c-{number:07}" for number in range(13, 231)}


def test_messages_look_like_who_wrote_them(site: Site) -> None:
    """Private notes, the bot, buttons, parts of unknown kinds, pictures and files."""
    page = read(site, "conversation/c-nasty.1.html")
    kinds = re.findall(r'<article class="([^"]+)"', page)
    assert kinds == [
        "message user",
        "message agent private",
        "message system",
        "message bot",
        "message agent",
        "message user",
    ]
    assert '<span class="choice">예 / Yes</span>' in page
    assert "content of the kind “hologram”" in page
    assert "둘째 줄\n셋째 줄" in page
    assert '<img src="../attachments/freshchat/message_c-nasty-m4-1_scan.png" alt="scan.png"' in page
    assert 'href="../attachments/freshchat/message_c-nasty-m4-2_evil.svg.bin" download="evil.svg.bin"' in page
    assert "비용 보고서.pdf (not fetched: http_403)" in page


def test_pictures_within_a_mail_are_our_copies(site: Site) -> None:
    """In their place, and not once more below; where there is no copy, nothing is fetched from elsewhere."""
    page = read(site, "ticket/9000.1.html")
    pictures = [attributes.get("src") for tag, attributes in Tags(page).tags if tag == "img"]
    copy = "../attachments/freshdesk/inline_90000-1_inline.png"
    other = "../attachments/freshdesk/reply_90000-2_%EC%82%AC%EC%A7%84.png"
    assert pictures == [None, None, None, copy, other]


def names(site: Site) -> list[str]:
    places = {"conversations": 3, "unlinked": 3, "tickets": 1, "files": 1, "gaps": 1}
    lists = [f"{place}/{number}.html" for place, pages in places.items() for number in range(1, pages + 1)]
    assert [site.pages(place) for place in places] == list(places.values())
    threads = ["conversation/c-nasty.1.html", "ticket/9000.1.html", f"conversation/{RENAMED_AS}.1.html"]
    return ["index.html", "report.html", "search.html", *lists, *threads]


def test_every_link_leads_to_a_page(site: Site) -> None:
    """From every kind of page, in both languages; the links are relative, so they hold for files too."""
    for name in names(site):
        for tag, attributes in Tags(read(site, name)).tags:
            address = attributes.get("href") or attributes.get("src") or ""
            if tag in ("a", "img", "link") and address and not address.startswith(("https://", "mailto:")):
                parts = ["en", *name.split("/")[:-1]]
                for part in address.partition("?")[0].split("/"):
                    parts = parts[:-1] if part == ".." else [*parts, part]
                assert site.answer(parts[0], unquote("/".join(parts[1:])), {}) is not None, (name, address)  # type: ignore[arg-type]


def test_no_page_holds_anything_that_runs(site: Site) -> None:
    """No script, no handler, no frame, no style of the content's own, no code as an address, nothing from elsewhere."""
    for name in names(site):
        page = read(site, name, q="<script>alert(1)</script>")
        for tag, attributes in Tags(page).tags:
            assert tag not in ("script", "iframe", "object", "embed", "base", "style", "svg", "meta-refresh"), name
            assert not any(key.startswith("on") or key == "style" for key in attributes), (name, attributes)
            assert not (attributes.get("href") or "").lower().startswith(("javascript:", "data:")), name
            assert not (attributes.get("src") or "").startswith(("http", "//", "data:")), name


@pytest.mark.parametrize(
    "name",
    ["", "nothing.html", "conversations/0.html", "conversations/4.html", "conversation/c-nasty.2.html", "others/1.html",
     "conversation/../index.1.html", "../export_metadata.json", "attachments/../export_metadata.json",
     "freshchat/users.json",
     "attachments/freshchat/message_c-nasty-m4-2_evil.svg", "conversation/none.1.html", "conversations/٣.html",
     "conversations/9999999999.html", "attachments/freshdesk", "search.js"],
)  # fmt: skip
def test_only_pages_have_addresses(name: str, site: Site) -> None:
    """No other file of the archive or of the disk."""
    assert name == "" or site.answer("en", name, {}) is None


@pytest.mark.parametrize(
    ("path", "kind", "saved"),
    [
        ("attachments/freshchat/message_c-nasty-m4-1_scan.png", "image/png", ""),
        ("attachments/freshchat/message_c-nasty-m4-2_evil.svg.bin", "application/octet-stream", "evil.svg.bin"),
        ("attachments/freshchat/message_c-nasty-m4-3_fake.png.bin", "application/octet-stream", "fake.png.bin"),
        ("attachments/freshdesk/ticket_9000-1_virus.html.bin", "application/octet-stream", "virus.html.bin"),
    ],
)
def test_only_pictures_are_shown(path: str, kind: str, saved: str, site: Site) -> None:
    """By name and by content; the rest is saved, and what might run under a name that does not."""
    found = site.answer("en", path, {})
    assert found is not None
    assert (found.content_type, found.save_as) == (kind, saved)


def test_a_file_that_became_a_link_is_not_given(site: Site) -> None:
    """An archive from elsewhere cannot make us show the disk."""
    file = site.archive.root / "attachments/freshdesk/reply_90000-2_사진.png"
    kept = file.read_bytes()
    file.unlink()
    file.symlink_to("/etc/passwd")
    try:
        assert site.answer("en", "attachments/freshdesk/reply_90000-2_사진.png", {}) is None
        assert site.answer("en", "attachments/freshdesk/reply_90000-2_사진.png.bin", {}) is None
    finally:
        file.unlink()
        file.write_bytes(kept)


def test_search_finds_people_words_and_numbers(site: Site) -> None:
    """In chats and tickets, with the place it was found at, page by page."""
    assert "230 found" in read(site, "search.html", q="환불")
    assert "<mark>환불</mark>요청도" in read(site, "search.html", q="환불")
    second = read(site, "search.html", q="환불", page="2")
    assert second.count('<article class="hit">') == 20
    assert "search.html?q=%ED%99%98%EB%B6%88&amp;page=3" in second
    assert "ticket/9000.1.html" in read(site, "search.html", q="긴급 9000")
    assert "conversation/c-nasty.1.html" in read(site, "search.html", q="good-bye")
    assert "Nothing has all of these words." in read(site, "search.html", q='"nothere')
    assert "Nothing has all of these words." in read(site, "search.html", q="")


def test_both_languages(site: Site) -> None:
    """The same texts, with the same places for values."""
    assert "티켓 없는 채팅" in read(site, "index.html", "ko")
    assert 'lang="ko"' in read(site, "index.html", "ko")
    assert 'href="../ko/index.html"' in read(site, "index.html")
    assert set(TEXTS["en"]) == set(TEXTS["ko"])
    for key, text in TEXTS["en"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", TEXTS["ko"][key])), key


def test_markup_is_escaped_unless_it_is_markup() -> None:
    """In texts and in attributes."""
    assert el("p", "<b>", el("i", "x"), class_='"') == '<p class="&quot;">&lt;b&gt;<i>x</i></p>'
    assert join("&", None) == "&amp;"


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<p onclick=x style='a' id=i class=c>a</p>", "<p>a</p>"),
        ("<a href='javascript:x'>a</a>", '<a rel="noopener noreferrer nofollow">a</a>'),
        ("<script>x</script><style>x</style><iframe src=x>", ""),
        ("<img src='https://files/known.png?sig=1' onerror=x>", '<img src="local.png">'),
        ("<img src='https://files/other.png'>", "<img>"),
        ("<form action=x><input name=a><button>b</button></form>", "b"),
        ("<svg><script>x</script></svg><math>m</math><!-- c -->", "m"),
        ("<base href=x><meta http-equiv=refresh content=0><link rel=stylesheet href=x>a", "a"),
    ],
)
def test_foreign_html_is_sanitised(html: str, left: str) -> None:
    """What is left looks like the mail, and can do nothing; pictures are our copies or none."""
    shown = sanitised(html, lambda url: "local.png" if url.startswith("https://files/known") else None)
    assert re.sub(r' target="_blank"', "", shown) == left
