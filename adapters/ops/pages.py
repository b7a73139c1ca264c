"""The two HTML pages, filled in on the server, and the language a person reads them in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from aiohttp import web

from adapters.ops.texts import TEXTS, Language

FOLDER = Path(__file__).parent / "page"
_LANGUAGES: tuple[Language, ...] = ("en", "ko")


def language(request: web.Request, chosen: str) -> Language:
    """Give the language of a request: the one asked for by `?lang=`, chosen before, or the browser's first of ours."""
    for wanted in (request.query.get("lang", ""), chosen, *_accepted(request.headers.get("Accept-Language", ""))):
        for known in _LANGUAGES:
            if wanted.lower().split("-")[0] == known:
                return known
    return "en"


def _accepted(header: str) -> list[str]:
    """List the languages of the header, the most wanted first."""
    weighed = []
    for part in header[:500].split(","):
        name, _, parameters = part.partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", parameters)
        weighed.append((-float(weight[1]) if weight else -1.0, name.strip()))
    return [name for _, name in sorted(weighed, key=lambda pair: pair[0])]


def fill(name: str, lang: Language, values: Mapping[str, str], way: str = "") -> str:
    """Give a page with its `{{words}}` replaced: by `values`, or by the texts of the language. Always escaped.

    `way` is the file that stands where the page says `{{>way}}`.
    """
    page = _read(name).replace("{{>way}}", _read(way) if way else "")
    words = {**TEXTS[lang], **values, "lang": lang, "other_lang": "en" if lang == "ko" else "ko"}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: escape(words[found[1]]), page)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def texts_json(lang: Language) -> str:
    """Give the texts of the language for the page's script."""
    return json.dumps(TEXTS[lang], ensure_ascii=False)


def html(text: str, status: int = 200) -> web.Response:
    """Answer with a page."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
