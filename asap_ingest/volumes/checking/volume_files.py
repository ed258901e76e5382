"""The files of a volume in a local folder or on a web server."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from asap_ingest import storage
from asap_ingest.errors import ParameterError, StorageError
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.web.access_token import VARIABLE, authorization, is_required

_TIMEOUT_S = 60
_WEB = ("http://", "https://")
#: Prefixes of Neuroglancer's sources.
_SCHEMES = ("precomputed://", "zarr://", "zarr2://", "zarr3://")
_ABSENT = (403, 404, 410)  # object stores answer 403 where listing is not allowed
#: Errors that mean that a file does not exist; names from metadata may be too long for a file system.
_NO_SUCH_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)

Answer = TypeVar("Answer")


class LocalFiles:
    """Files in a folder, by their names below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist."""
        return self._ask(Path.read_bytes, name)

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if it does not exist."""
        status = self._ask(Path.stat, name)
        return status.st_size if status and stat.S_ISREG(status.st_mode) else None

    def names(self) -> Iterator[str] | None:
        """All files; None where they cannot be listed."""
        paths = (Path(folder) / file for folder, _, files in os.walk(self._folder) for file in sorted(files))
        return (path.relative_to(self._folder).as_posix() for path in paths)

    def has_folder(self, name: str) -> bool | None:
        """Whether a folder exists; None if unknown."""
        status = self._ask(Path.stat, name)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def links_out(self) -> list[str]:
        """Links in the folder itself, not in folders below, that lead out of it: `name -> target`."""
        home = self._folder.resolve()
        targets = [(entry.name, entry.resolve()) for entry in sorted(self._folder.iterdir())]
        return [f"{name} -> {target}" for name, target in targets if not target.is_relative_to(home)]

    def store(self, path: str = "") -> dict[str, Any]:
        """Specification of tensorstore for the folder, or for one below it, whose path ends with a slash."""
        return {"driver": "file", "path": f"{self._folder}/{path}"}

    def _ask(self, question: Callable[[Path], Answer], name: str) -> Answer | None:
        """The answer to a question about a file or folder; None if it does not exist."""
        try:
            return question(self._folder / name)
        except ValueError:  # no name of a file: it has a null byte
            return None
        except OSError as error:
            if error.errno in _NO_SUCH_FILE:
                return None
            raise FaultError(name, f"cannot be read: {error.strerror or error}") from error


class WebFiles:
    """Files below a URL; the methods are those of `LocalFiles`."""

    def __init__(self, url: str) -> None:
        import requests

        self._url = url
        self._session = requests.Session()

    def read(self, name: str) -> bytes | None:
        response = self._request("GET", name)
        return None if response is None else bytes(response.content)

    def size(self, name: str) -> int | None:
        response = self._request("HEAD", name, {"Accept-Encoding": "identity"})
        if response is None:
            return None
        # for a compressed response it is not the length of the content
        if "Content-Length" in response.headers and "Content-Encoding" not in response.headers:
            return int(response.headers["Content-Length"])
        return len(self.read(name) or b"")

    def names(self) -> None:
        """None: a server lists no files."""

    def has_folder(self, name: str) -> None:
        """None: a server has no folders."""

    def links_out(self) -> list[str]:
        return []

    def store(self, path: str = "") -> dict[str, Any]:
        sent = authorization() if self._session.auth else {}
        headers = [f"{field}: {value}" for field, value in sent.items()]
        return {"driver": "http", "base_url": f"{self._url}/{path}", "headers": headers}

    def _request(self, method: str, name: str, headers: dict[str, str] | None = None) -> Any:
        """The response; None for a file that does not exist."""
        import requests

        url = f"{self._url}/{name}"
        try:
            response = self._session.request(method, url, headers=headers, timeout=_TIMEOUT_S)
            if _needs_token(response) and self._session.auth is None and authorization():
                self._session.auth = _with_token
                response = self._session.request(method, url, headers=headers, timeout=_TIMEOUT_S)
        except requests.exceptions.ContentDecodingError as error:
            raise FaultError(name, f"cannot be decompressed: {error}") from error
        except requests.RequestException as error:
            raise StorageError(url, f"cannot be read: {error}") from error
        if _needs_token(response):
            is_set = self._session.auth is not None
            problem = "does not accept the token in" if is_set else "requires its token: set"
            raise StorageError(url, f"the server {problem} {VARIABLE}")
        if response.status_code == 401:
            raise StorageError(url, f"the server answers 401 {response.reason}")
        if response.status_code in _ABSENT:
            return None
        if not response.ok:
            raise FaultError(name, f"the server answers {response.status_code} {response.reason}")
        return response


def _needs_token(response: Any) -> bool:
    return is_required(response.status_code, response.headers.get("WWW-Authenticate", ""))


def _with_token(request: Any) -> Any:
    request.headers.update(authorization())
    return request


VolumeFiles = LocalFiles | WebFiles


def open_files(volume: str) -> VolumeFiles:
    """Open a path or URL, with or without `precomputed://` or `zarr3://` before it.

    Raises
    ------
    ParameterError
        It is neither a folder nor an http(s) URL.
    """
    address = next((volume.removeprefix(scheme) for scheme in _SCHEMES if volume.startswith(scheme)), volume)
    if address.startswith(_WEB):
        return WebFiles(address.split("|")[0].rstrip("/"))
    path = storage.local_path(address)
    if path is None:
        raise ParameterError("volume", f"{volume!r} is neither a folder nor an http(s) URL")
    if not path.is_dir():
        raise ParameterError("volume", f"{volume!r} is not a folder")
    return LocalFiles(path.absolute())
