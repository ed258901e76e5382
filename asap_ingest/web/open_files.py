"""The limit of open files of this process, and how many connections fit below it."""

from __future__ import annotations

import errno
import resource

#: A connection is a file descriptor, and sending a file takes another.
FILES_PER_CONNECTION = 2
#: Databases, images, libraries, connections that are accepted and not yet registered.
OTHER_FILES = 640
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def connections_that_fit(most: int) -> int:
    """Raise the limit of open files as far as `most` connections need it; how many connections fit then.

    If the system allows few files, at least a quarter of them are for connections.
    """
    limit = _raised_to(most * FILES_PER_CONNECTION + OTHER_FILES)
    return min(most, max(1, limit // 4, (limit - OTHER_FILES) // FILES_PER_CONNECTION))


def is_out_of_files(error: BaseException | None) -> bool:
    """Whether an error means that the limit of open files, or the memory for them, is exhausted."""
    return isinstance(error, OSError) and error.errno in _EXHAUSTED


def _raised_to(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed <= soft:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        # macOS reports no limit, and has one
        return soft
    return allowed
