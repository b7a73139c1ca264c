"""The picture of a user of Freshchat, which takes the address of one (reference, section 4.1).

It is uploaded first, so that the address is Freshchat's own and does not run out as those of our stores do.
"""

from __future__ import annotations

from urllib.parse import quote

import aiohttp

from adapters.freshchat.rest import COMPONENT, FreshchatRest
from bridge.errors import Unavailable
from bridge.ports import Portrait

UPLOAD_SECONDS = 20.0


async def show(rest: FreshchatRest, user_id: str, portrait: Portrait) -> None:
    """Hand a picture over and make it the user's."""
    form = aiohttp.FormData()
    name = "picture" + {"image/jpeg": ".jpg", "image/png": ".png"}[portrait.content_type]
    form.add_field("image", portrait.content, filename=name, content_type=portrait.content_type)
    url = (await rest.upload("images/upload", form, timeout=UPLOAD_SECONDS)).get("url")
    if not isinstance(url, str) or not url:
        raise Unavailable("the answer names no picture", code="freshchat_no_file", component=COMPONENT)
    await rest.put(f"users/{quote(user_id, safe='')}", {"avatar": {"url": url}})
