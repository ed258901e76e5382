"""Errors of image files: one line that says what is wrong, whatever a library raises."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from asap_ingest.errors import AsapIngestError, ImageError

# what tifffile logs about a damaged file is raised as ImageError, once
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


class UnreadableImageError(ImageError):
    """A file that is no image, or a damaged one; the text may quote some of its bytes."""


@contextmanager
def naming_damage(subject: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises into an `ImageError` that a user can read.

    Parameters
    ----------
    subject : str
        What is read, like `page 3`; empty for the file itself.

    Raises
    ------
    OSError
        As it is, where the file system says what is wrong.
    AsapIngestError
        As it is: an error of our own.
    ImageError
        For everything else.
    """
    said = f"{subject} " if subject else ""
    try:
        yield
    except AsapIngestError:
        raise
    except MemoryError as error:
        raise ImageError(f"{said}cannot be read: it needs more memory than there is") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UnreadableImageError(f"{said}cannot be read: {_words_of(error)}") from error


def _words_of(error: Exception) -> str:
    """What an image library says of the file; the text of Python's own errors tells a user nothing."""
    library = type(error).__module__.partition(".")[0]
    if library in ("tifffile", "imagecodecs", "PIL") or type(error) in (
        OSError,
        SyntaxError,
        NotImplementedError,
    ):
        return f"it is damaged, or of a kind that is not known here ({error})"
    return "it is damaged"
