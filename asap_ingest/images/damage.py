"""Errors of image libraries as one line that says what is wrong with a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from asap_ingest.errors import AsapIngestError, ImageError

# tifffile logs damage of a file, which here is raised as an error
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class UnreadableImageError(ImageError):
    """The file is damaged or not an image; the message may quote some of its bytes."""


@contextmanager
def naming_damage(subject: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError` that a user can read.

    Parameters
    ----------
    subject : str
        Part of the file that is read, like `page 3`, for the message; empty for the file itself.

    Raises
    ------
    OSError
        Unchanged, where it comes from the file system.
    AsapIngestError
        Unchanged.
    ImageError
        For everything else.
    """
    prefix = f"{subject} " if subject else ""
    try:
        yield
    except AsapIngestError:
        raise
    except MemoryError as error:
        raise ImageError(f"{prefix}cannot be read: it needs more memory than there is") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableImageError(f"{prefix}cannot be read: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What is wrong with the file: the text of an image library; those of other errors do not help a user."""
    library = type(error).__module__.partition(".")[0]
    kinds = OSError, SyntaxError, NotImplementedError
    if library in ("tifffile", "imagecodecs", "PIL") or type(error) in kinds:
        return f"it is damaged, or in an unknown format ({error})"
    return "it is damaged"
