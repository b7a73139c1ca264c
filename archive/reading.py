"""Reads an archive folder; memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import file_digest
from pathlib import Path
from typing import Any

from archive import layout
from archive.lines import MAX_LINE, Element, Malformed, elements, loads, storable, whole
from archive.report_reading import read_report, unlinked_ids


class NotAnArchive(OSError):
    """The folder holds no archive that can be read."""


class Archive:
    """A finished archive folder."""

    def __init__(self, root: Path) -> None:
        """NotAnArchive if the folder is none, or if its export has not ended."""
        self.root = root
        if (root / layout.WORK).exists():
            raise NotAnArchive(f"the export into {root.name} has not ended; `bridgectl export resume` ends it")
        for name in (layout.CHECKSUMS, layout.METADATA):
            if not (root / name).is_file():
                raise NotAnArchive(f"{root} is no archive: it has no {name}")

    def elements(self, path: str) -> Iterator[Element]:
        """Read a list of objects; one that is not there is empty. NotAnArchive if it is malformed."""
        file = self.plain_file(path)
        if file is None:
            return
        with file.open("rb") as stream:
            try:
                every = elements(iter(lambda: stream.readline(MAX_LINE), b""))
                yield from (element for element in every if isinstance(element.value, dict))
            except Malformed as error:
                raise NotAnArchive(f"{path}, {error}; `bridgectl export verify` names all that is wrong") from None

    def messages(self, conversation: str) -> Iterator[Element]:
        """Read the messages of a conversation. Raises like `elements`."""
        return self.elements(f"{layout.MESSAGES}/{self.name_of(layout.MESSAGES, conversation)}.json")

    def replies(self, ticket: str) -> Iterator[Element]:
        """Read the conversations of a ticket. Raises like `elements`."""
        return self.elements(f"{layout.REPLIES}/{self.name_of(layout.REPLIES, ticket)}.json")

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """`export_metadata.json`; {} if it cannot be read."""
        try:
            with (self.root / layout.METADATA).open("rb") as stream:
                value = loads(whole(stream))
        except (FileNotFoundError, Malformed):
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def report(self) -> dict[str, Any]:
        """`verification_report.json` without its list of unlinked chats; {} if it cannot be read."""
        try:
            return read_report(self.root / layout.REPORT)
        except (FileNotFoundError, Malformed):
            return {}

    @cached_property
    def base(self) -> dict[str, Any]:
        """What the metadata say of the archive that this one adds to: `folder`, `checksumsSha256`; {} if to none."""
        base = self.metadata.get("base")
        return base if isinstance(base, dict) else {}

    def unlinked_ids(self) -> Iterator[str]:
        """Give the ids that the report lists as chats without a ticket; none if it cannot be read."""
        return unlinked_ids(self.root / layout.REPORT) if self.report else iter(())

    @cached_property
    def _place(self) -> Path:
        return self.root.resolve()

    @cached_property
    def name(self) -> str:
        """Name of the folder."""
        return storable(self._place.name)

    def plain_file(self, path: str) -> Path | None:
        """Give a file of the archive; None if it is not there, or only a link to somewhere else."""
        file = self._place / path
        return file if file.resolve() == file and file.is_file() else None

    @cached_property
    def fingerprint(self) -> str:
        """Hash of `checksums.sha256`, which names the hashes of all other files."""
        with (self.root / layout.CHECKSUMS).open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()

    def file_of(self, kind: str, key: str) -> str:
        """Give the file name, without `.json`, of the messages of a conversation or the replies of a ticket."""
        return self.name_of(layout.MESSAGES if kind == "conversation" else layout.REPLIES, key)

    def name_of(self, folder: str, key: str) -> str:
        """Give the file name, without `.json`, of what has this id."""
        return self._names.get((folder, key), key)

    def id_of(self, folder: str, name: str) -> str:
        """Give the id of what has this file name, without `.json`."""
        return self._ids.get((folder, name), name)

    @cached_property
    def _names(self) -> Mapping[tuple[str, str], str]:
        """Ids that could not be file names, by folder, and the names they got."""
        renamed = self.metadata.get("renamed")
        folders = renamed.items() if isinstance(renamed, dict) else ()
        return {(folder, key): name.removesuffix(".json") for folder, names in folders for key, name in names.items()}

    @cached_property
    def _ids(self) -> Mapping[tuple[str, str], str]:
        return {(folder, name): key for (folder, key), name in self._names.items()}


def id_of_conversation(value: Mapping[str, Any]) -> str:
    """Give the id of a Freshchat conversation; the rows of a user's list call it `id`."""
    return str(value.get("conversation_id") or value.get("id") or "")
