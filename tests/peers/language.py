"""A peer that speaks Azure AI Language's call for sentiment (`:analyze-text`, 2023-04-01).

It checks key or token, version, languages and sizes as the service does. It cannot judge: it says what it was told of a
text (`moods`), else neutral; so tests of it are about the wire, not about language.
`python -m tests.peers.language [--port N]` runs it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
from typing import Any

from aiohttp import web

from .http_peer import Fault, HttpPeer, TokenCheck, run

AUDIENCE = "https://cognitiveservices.azure.com"
MAX_TEXT = 5120
LANGUAGES = {
    "de",
    "en",
    "es",
    "fr",
    "hi",
    "it",
    "ja",
    "ko",
    "nl",
    "no",
    "pt-BR",
    "pt-PT",
    "tr",
    "zh",
    "zh-hans",
    "zh-hant",
}


class LanguagePeer(HttpPeer):
    """One Language resource. `moods` says what it finds in which text; `seen` keeps the last request's body."""

    def __init__(self, tokens: TokenCheck | None = None, *, moods: dict[str, str] | None = None, port: int = 0) -> None:
        super().__init__(port=port)
        self.key = secrets.token_hex(16)
        self.moods = dict(moods or {})
        self.seen: dict[str, Any] = {}
        self._tokens = tokens

    def operation(self, request: web.Request) -> str:
        """Name what is asked."""
        return "analyze" if request.match_info["path"] == "language/:analyze-text" else "unknown"

    async def serve(self, request: web.Request, operation: str) -> web.StreamResponse:
        """Judge the documents, or say why not."""
        if operation == "unknown" or request.method != "POST":
            return _problem(404, "NotFound", "Resource not found.")
        if not self._lets_in(request):
            return _problem(401, "401", "Access denied due to invalid subscription key or wrong API endpoint.")
        if request.query.get("api-version") != "2023-04-01":
            return _problem(400, "InvalidRequest", "The api-version is missing or not known.")
        self.seen = await request.json()
        documents = (self.seen.get("analysisInput") or {}).get("documents")
        if self.seen.get("kind") != "SentimentAnalysis" or not isinstance(documents, list) or not documents:
            return _problem(400, "InvalidRequest", "Invalid request.")
        results: dict[str, Any] = {"documents": [], "errors": [], "modelVersion": "2022-11-01"}
        for document in documents:
            name, found = self._judge(document)
            results[name].append(found)
        return web.json_response({"kind": "SentimentAnalysisResults", "results": results})

    def refusal(self, fault: Fault) -> web.Response:
        """Write an ordered failure as the service writes its own."""
        return _problem(fault.status, fault.code or str(fault.status), "as ordered", fault.headers)

    def _lets_in(self, request: web.Request) -> bool:
        key, bearer = request.headers.get("Ocp-Apim-Subscription-Key"), request.headers.get("Authorization", "")
        if key is not None:
            return secrets.compare_digest(key, self.key)
        try:
            return self._tokens is not None and bool(self._tokens(bearer.removeprefix("Bearer "), (AUDIENCE,)))
        except ValueError:
            return False

    def _judge(self, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        text, wrong = document.get("text"), ""
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT:
            wrong = "InvalidDocument"
        elif document.get("language") not in LANGUAGES:
            wrong = "UnsupportedLanguageCode"
        if wrong:
            inner = {"code": wrong, "message": "This document cannot be judged."}
            error = {"code": "InvalidArgument", "message": "Invalid document.", "innererror": inner}
            return "errors", {"id": document.get("id"), "error": error}
        mood = self.moods.get(str(text), "neutral")
        sure = {name: 0.98 if name == mood else 0.01 for name in ("positive", "neutral", "negative")}
        return "documents", {
            "id": document.get("id"),
            "sentiment": mood,
            "confidenceScores": sure,
            "sentences": [],
            "warnings": [],
        }


def _problem(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"code": code, "message": text}}, status=status, headers=headers)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A peer of Azure AI Language for tests.")
    parser.add_argument("--port", type=int, default=0)
    peer = LanguagePeer(port=parser.parse_args().port)
    asyncio.run(run(peer, key=peer.key))


if __name__ == "__main__":
    main()
