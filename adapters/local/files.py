"""What the file system's refusals mean to us, for the adapters that keep files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.errors import StoreFull, Unavailable

_NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def refusals(folder: str, code: str, component: str, *, writing: bool = False) -> Iterator[None]:
    """Raise StoreFull or Unavailable for an OSError; neither names nor contents of files are in it.

    `folder` is how people know the folder; `writing` tells that a full or read-only disk is what may be met.
    """
    try:
        yield
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, "?")
        if writing and error.errno in _NOT_WRITABLE:
            raise StoreFull(f"{folder} cannot be written to ({reason})") from None
        raise Unavailable(f"{folder} cannot be used ({reason})", code=code, component=component) from None
