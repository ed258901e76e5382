"""Permissions of files, which root ignores."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534


@contextmanager
def folder_of_a_plain_user() -> Iterator[Path]:
    """A new folder of the user as whom the block runs, and who is not root.

    Import what the block uses before it: that user may not be allowed to read the installation.
    """
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        if user == 0:
            os.chown(name, _NOBODY, -1)
            try:
                os.seteuid(_NOBODY)
            except PermissionError:
                pytest.skip("this root may not become another user")
        try:
            yield Path(name)
        finally:
            os.seteuid(user)
