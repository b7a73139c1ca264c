"""The pictures of people as Graph hands them out, and as the control API changes them."""

import base64
import struct
import zlib

import pytest

from sandbox.files import png_size
from sandbox.portraits import portrait

GRAPH_SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture
def photo(api):
    """Ask as the app for what is known of somebody's picture, or for the picture itself."""

    async def ask(user=None, below="photo"):
        aad_id = user or api.sandbox.world.users[0].aad_id
        return await api.graph("GET", f"/users/{aad_id}/{below}", token=await api.app_token(GRAPH_SCOPE))

    return ask


def pixels(png):
    """Read the rows of a PNG as `portraits` draws them."""
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    return zlib.decompress(png[start + 4 : start + 4 + length])


def test_everybody_has_a_picture_of_their_own():
    ada = portrait("ada")
    assert (ada, png_size(ada)) == (portrait("ada"), (96, 96))
    assert ada != portrait("minjun")
    assert len(pixels(ada)) == 96 * 97
    assert set(pixels(ada)) == {0, 1, 2}


async def test_a_picture_and_what_is_known_of_it(api, photo):
    facts = (await photo()).body
    assert facts["@odata.mediaContentType"] == "image/png"
    assert facts["@odata.mediaEtag"].strip('"')
    value = await photo(below="photos/96x96/$value")
    assert (value.status, value.headers["Content-Type"], value.body) == (200, "image/png", portrait("ada"))
    assert (await photo(below="photos/97x97/$value")).status == 404


async def test_a_picture_changes_and_goes(api, photo):
    before = (await photo()).body["@odata.mediaEtag"]
    new = {"user": "ada", "base64": base64.b64encode(b"GIF").decode(), "content_type": "image/jpeg"}
    await api.control("teams/photo", new)
    assert (await photo()).body["@odata.mediaEtag"] != before
    value = await photo(below="photos/48x48/$value")
    assert (value.headers["Content-Type"], value.body) == ("image/jpeg", b"GIF")
    await api.control("teams/photo", {"user": "ada"})
    assert [(await photo(below=below)).status for below in ("photo", "photos/48x48/$value")] == [404, 404]
    await api.control("reset", {})
    assert (await photo()).body["@odata.mediaEtag"] == before


@pytest.mark.parametrize("content", ["?", 5])
async def test_a_picture_that_is_no_base64_is_refused(api, content):
    assert (await api.call("POST", "/_sandbox/teams/photo", json={"user": "ada", "base64": content})).status == 400


async def test_who_is_not_there_has_no_picture_and_strangers_see_none(api, photo):
    assert [(await photo(user=user)).status for user in ("nobody", api.sandbox.world.service_account.aad_id)] == [
        404,
        404,
    ]
    path = f"/v1.0/users/{api.sandbox.world.users[0].aad_id}/photo"
    assert (await api.call("GET", path)).status == 401
