"""Pictures of people are read where they may be, no more of them than may be, and as what their bytes are."""

from __future__ import annotations

import io

import pytest

from adapters.teams.portraits import MAX_BYTES, GraphPortraits
from adapters.teams.profiles import AWAY_SECONDS, REFUSED_SECONDS
from bridge.errors import Rejected, Unavailable
from bridge.ports import Portrait
from bridge.telemetry import Telemetry

PHOTO, VALUE = "GET /v1.0/users/c1a7/photo", r"GET /v1.0/users/c1a7/photos/96x96/\$value"
PNG, JPEG = b"\x89PNG\r\n\x1a\n" + bytes(90), b"\xff\xd8\xff\xe0" + bytes(90)
ETAG = {"@odata.mediaEtag": '"BA09D118"', "id": "648x648", "width": 648}


class Tokens:
    invalidated = closed = 0

    async def token(self):
        return "token"

    def invalidate(self, token=None):
        self.invalidated += 1

    async def close(self):
        self.closed += 1


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def portraits(session, upstream, tokens, clock, log):
    return GraphPortraits(session, f"{upstream.url}/v1.0", tokens, Telemetry("WARNING", log), clock)


async def test_the_version_is_graphs_own(portraits, upstream):
    upstream.on(PHOTO, ETAG)
    assert await portraits.version("c1a7") == '"BA09D118"'
    (asked,) = upstream.asked
    assert asked.headers["Authorization"] == "Bearer token"


NOBODY = {
    "nobody": (404, {"error": {"code": "ImageNotFound"}}),
    "one pixel": ETAG | {"@odata.mediaEtag": "", "id": "1x1"},
    "no version": {"id": "648x648"},
    "odd": {"@odata.mediaEtag": 5},
    "not JSON": b"<html>",
}


@pytest.mark.parametrize("answer", NOBODY.values(), ids=NOBODY)
async def test_who_has_no_picture_says_nothing_of_others(portraits, upstream, answer):
    upstream.on("GET .*", answer)
    assert await portraits.version("somebody/else") is None
    assert [one.path for one in upstream.asked] == ["/v1.0/users/somebody%2Felse/photo"]
    upstream.on(PHOTO, ETAG)
    assert await portraits.version("c1a7")


async def test_a_missing_permission_is_said_once_and_asked_for_again_in_an_hour(portraits, upstream, clock, log):
    upstream.on("GET .*", (403, {"error": {"code": "Authorization_RequestDenied"}}))
    for _ in range(3):
        assert await portraits.version("c1a7") is None
        assert await portraits.version("c1a7") is None
        clock.now += REFUSED_SECONDS
    assert len(upstream.asked) == 3
    assert log.getvalue().count("portraits_refused") == 1
    upstream.on(PHOTO, ETAG)
    assert await portraits.version("c1a7")


@pytest.mark.parametrize("answer", [(500, {}), (429, {}, {"Retry-After": "5"}), (503, {}), (401, {})])
async def test_an_outage_is_not_asked_for_each_person(portraits, upstream, clock, tokens, answer):
    """And is no word on whether there is a picture."""
    upstream.on("GET .*", answer)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await portraits.version("c1a7")
    assert len(upstream.asked) == 1
    assert tokens.invalidated == (answer[0] == 401)
    upstream.on(PHOTO, ETAG)
    clock.now += AWAY_SECONDS
    assert await portraits.version("c1a7")


async def test_a_refused_question_is_one_persons(portraits, upstream):
    upstream.on(PHOTO, (400, {}))
    with pytest.raises(Rejected):
        await portraits.version("c1a7")
    upstream.on(PHOTO, ETAG)
    assert await portraits.version("c1a7")


@pytest.mark.parametrize(("content", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg")])
async def test_a_picture_is_what_its_bytes_are(portraits, upstream, content, kind):
    """Here they come as text/html."""
    upstream.on(VALUE, content)
    assert await portraits.read("c1a7") == Portrait(kind, content)
    (asked,) = upstream.asked
    assert (asked.headers["Authorization"], asked.headers["Accept-Encoding"]) == ("Bearer token", "identity")


UNFIT = {"markup": b"<html>", "nothing": b"", "GIF": b"GIF89a" + bytes(90), "SVG": b"<svg onload=x>"}


@pytest.mark.parametrize("content", UNFIT.values(), ids=UNFIT)
async def test_what_is_no_picture_is_none(portraits, upstream, content):
    upstream.on(VALUE, (200, content, {"X-Was": "image/png"}))
    assert await portraits.read("c1a7") is None


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
async def test_a_picture_is_so_large_and_no_larger(portraits, upstream, more, fits):
    upstream.on(VALUE, PNG + bytes(MAX_BYTES - len(PNG) + more))
    assert (await portraits.read("c1a7") is not None) is fits


async def test_the_token_follows_no_redirect(portraits, upstream):
    upstream.on(VALUE, (302, {}, {"Location": "https://cdn.example.com/x.png"}))
    with pytest.raises(Rejected):
        await portraits.read("c1a7")


@pytest.mark.parametrize(("status", "error"), [(404, Rejected), (503, Unavailable)])
async def test_a_picture_that_cannot_be_read_is_an_error(portraits, upstream, status, error):
    upstream.on(VALUE, (status, {}))
    with pytest.raises(error):
        await portraits.read("c1a7")


async def test_the_token_source_is_closed(portraits, tokens):
    await portraits.close()
    assert tokens.closed == 1
