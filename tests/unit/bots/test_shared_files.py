"""Which files came with a message: recorded shapes in, addresses out."""

from __future__ import annotations

import pytest

from bots.activity import to_event
from bots.shared_files import IN_GRAPH, MAX_FILES, read_files
from bridge.events import Event, Ignored, SharedFile

APP = "f4c1d9a2-63b7-4e80-a5d4-19c7e2b80f36"
DOWNLOAD = "https://fenn-my.sharepoint.example/_layouts/15/download.aspx?UniqueId=1&tempauth=t"
PICTURE = "https://smba.trafficmanager.net/emea/v3/attachments/0-eu/views/original"
JAM = {
    "contentType": "application/vnd.microsoft.teams.file.download.info",
    "name": "jam.log",
    "contentUrl": "https://fenn-my.sharepoint.example/personal/ada/Documents/Microsoft%20Teams%20Chat%20Files/jam.log",
    "content": {"downloadUrl": DOWNLOAD, "uniqueId": "1150D938", "fileType": "log", "etag": '"{1150D938},1"'},
}
SHOT = {"contentType": "image/png", "contentUrl": PICTURE, "name": "image.png"}
CARD = {"contentType": "application/vnd.microsoft.card.adaptive", "id": "c1", "content": {}}


def html(content):
    return {"contentType": "text/html", "content": content}


STUB = html('<p>see</p><attachment id="7d1f"></attachment>')
PASTED = html('<p><img itemtype="http://schema.skype.com/AMSImage" src="https://api.asm.example/v1/objects/0"></p>')
LINK = SharedFile(way="link", url=DOWNLOAD, name="jam.log")
ON_CONNECTOR = SharedFile(way="connector", url=PICTURE, name="image.png")

TABLE = [
    ("a file of a personal chat", True, [JAM], (LINK,)),
    ("a pasted picture there", True, [SHOT, PASTED], (ON_CONNECTOR,)),
    ("both, in order", True, [SHOT, JAM, html("<p>x</p>")], (ON_CONNECTOR, LINK)),
    ("the same twice", True, [JAM, JAM], (LINK,)),
    ("the type without a subtype that is known", True, [SHOT | {"contentType": "image/*"}], (ON_CONNECTOR,)),
    ("a file of a channel", False, [STUB], (IN_GRAPH,)),
    ("a picture in a channel", False, [PASTED], (IN_GRAPH,)),
    ("a picture with an address and a file without one", False, [SHOT, STUB], (IN_GRAPH,)),
    ("a picture with an address", False, [SHOT], (ON_CONNECTOR,)),
    ("Graph knows no personal chat", True, [STUB, PASTED], ()),
    ("emoji and stickers are words", False, [html('<img itemtype="http://schema.skype.com/Emoji" alt="x">')], ()),
    ("animated pictures of others too", False, [html('<img itemtype="http://schema.skype.com/Giphy">')], ()),
    ("a card's stub", False, [CARD, html('<attachment id="c1"></attachment>')], ()),
    ("words", False, [html("<p>words <a href='https://x/y.pdf'>y.pdf</a></p>")], ()),
    ("an address that is none", True, [JAM | {"content": {"downloadUrl": 7}}, SHOT | {"contentUrl": None}], ()),
    ("no shape at all", True, [None, 7, "x", {}, {"contentType": 3}], ()),
    ("markup without end", False, [html("<img>" * 6000)], ()),
]


@pytest.mark.parametrize(("personal", "attachments", "found"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_what_is_a_file(personal, attachments, found):
    """And what only looks like one."""
    assert read_files({"attachments": attachments}, personal=personal) == found


def test_there_is_a_bound():
    """Teams lets a person attach ten; whoever sends more shows no more than this."""
    many = [JAM | {"content": {"downloadUrl": f"https://x/{n}"}} for n in range(50)]
    assert len(read_files({"attachments": many}, personal=True)) == MAX_FILES


SILENT = [
    ("personal", [JAM, SHOT], "📎 jam.log, image.png"),
    ("personal", [SHOT | {"name": ""}], "📎 (a file or picture)"),
    ("personal", [JAM | {"name": "../{x}\r\nb.log"}], "📎 _{x}_b.log"),
    ("channel_reply", [STUB], "📎 (a file or picture)"),
]


@pytest.mark.parametrize(("name", "attachments", "text"), SILENT)
def test_a_message_without_words_names_its_files(name, attachments, text, activity):
    """So that something opens the conversation; files have no other words of their own."""
    stub = [one if one is not STUB else html('<attachment id="7d1f"></attachment>') for one in attachments]
    event = to_event(activity(name, text="", attachments=stub), APP)
    assert isinstance(event, Event)
    assert event.text == text
    assert event.files


def test_words_stay_as_they_are(activity):
    """The files are no part of them, nor of what is published."""
    event = to_event(activity("personal", attachments=[JAM]), APP)
    assert (event.text, event.files) == (activity("personal")["text"], (LINK,))
    assert "tempauth" not in str(event.to_json())


def test_nothing_is_nothing(activity):
    """Neither words nor files."""
    assert to_event(activity("personal", text=""), APP) == Ignored("empty")
    assert to_event(activity("delete", attachments=[JAM]), APP).files == ()


RECORDED = [
    ("personal_files", "📎 jam.log", ["link", "connector"]),
    ("channel_files", "the reader blinks red three times", ["graph"]),
    ("personal_quoted", None, []),
    ("group_quoted", None, []),
    ("channel_formatted", None, []),
]


@pytest.mark.parametrize(("name", "text", "ways"), RECORDED)
def test_recorded_messages(name, text, ways, activity):
    """Quotes, mentions and formatting are no files; what a picture is called in the markup are no words."""
    event = to_event(activity(name), APP)
    assert [file.way for file in event.files] == ways
    assert text is None or event.text == text
