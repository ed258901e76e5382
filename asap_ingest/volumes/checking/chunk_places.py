"""Where a volume lies: a folder of this machine, or a web server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from asap_ingest import storage
from asap_ingest.errors import ParameterError, StorageError
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.web.access_token import VARIABLE, authorization, is_required

_TIMEOUT_S = 60
_WEB = ("http://", "https://")
#: How sources of Neuroglancer begin.
_SCHEMES = ("precomputed://", "zarr://", "zarr2://", "zarr3://")
_ABSENT = (403, 404, 410)  # object stores answer 403 where listing is not allowed


class Place(Protocol):
    """Files by their name below the volume's folder; None where there is no such file."""

    def read(self, name: str) -> bytes | None: ...

    def read_range(self, name: str, begin: int, length: int) -> bytes | None:
        """At most `length` bytes; fewer where the file ends before."""

    def size(self, name: str) -> int | None: ...

    def names(self) -> Iterator[str] | None:
        """All files; None where they cannot be listed."""

    def has_folder(self, name: str) -> bool | None:
        """Whether there is a folder; None where that cannot be told."""

    def links_out(self) -> list[str]:
        """Links directly in the folder that lead out of it, as `name -> target`."""


def place_of(volume: str) -> Place:
    """The place that a path or URL names, with or without `precomputed://` or `zarr3://` before it.

    Raises
    ------
    ParameterError
        It is neither.
    """
    address = address_of(volume)
    return Website(address) if address.startswith(_WEB) else Folder(Path(address))


def address_of(volume: str) -> str:
    """The http(s) URL or absolute path that a volume's name stands for; ParameterError as `place_of`."""
    address = next((volume.removeprefix(scheme) for scheme in _SCHEMES if volume.startswith(scheme)), volume)
    if address.startswith(_WEB):
        return address.split("|")[0].rstrip("/")
    path = storage.local_path(address)
    if path is None:
        raise ParameterError("volume", f"{volume!r} is neither a folder nor an http(s) URL")
    if not path.is_dir():
        raise ParameterError("volume", f"{volume!r} is no folder")
    return str(path.absolute())


class Folder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes | None:
        return self._read(name, 0, -1)

    def read_range(self, name: str, begin: int, length: int) -> bytes | None:
        return self._read(name, begin, length)

    def size(self, name: str) -> int | None:
        path = self._path / name
        return path.stat().st_size if path.is_file() else None

    def names(self) -> Iterator[str]:
        for folder, _, files in os.walk(self._path):
            for file in sorted(files):
                yield (Path(folder) / file).relative_to(self._path).as_posix()

    def has_folder(self, name: str) -> bool:
        return (self._path / name).is_dir()

    def links_out(self) -> list[str]:
        home = self._path.resolve()
        links = [entry for entry in sorted(self._path.iterdir()) if entry.is_symlink()]
        targets = [(link.name, link.resolve()) for link in links]
        return [f"{name} -> {target}" for name, target in targets if not target.is_relative_to(home)]

    def _read(self, name: str, begin: int, length: int) -> bytes | None:
        try:
            with (self._path / name).open("rb") as file:
                file.seek(begin)
                return file.read(length)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise FaultError(name, f"cannot be read: {error.strerror or error}") from error


class Website:
    """A folder below a URL."""

    def __init__(self, url: str) -> None:
        import requests

        self._url = url
        self._session = requests.Session()

    def read(self, name: str) -> bytes | None:
        answer = self._ask("GET", name, {})
        return None if answer is None else bytes(answer.content)

    def read_range(self, name: str, begin: int, length: int) -> bytes | None:
        # of compressed answers ranges mean something else
        headers = {"Range": f"bytes={begin}-{begin + length - 1}", "Accept-Encoding": "identity"}
        answer = self._ask("GET", name, headers)
        if answer is None:
            return None
        whole = bytes(answer.content)
        return whole if answer.status_code == 206 else whole[begin : begin + length]

    def size(self, name: str) -> int | None:
        answer = self._ask("HEAD", name, {"Accept-Encoding": "identity"})
        if answer is None:
            return None
        # of files that are sent compressed it is not the length of what is read
        if "Content-Length" in answer.headers and "Content-Encoding" not in answer.headers:
            return int(answer.headers["Content-Length"])
        return len(self.read(name) or b"")

    def names(self) -> None:
        return None

    def has_folder(self, name: str) -> None:
        return None

    def links_out(self) -> list[str]:
        return []

    def _ask(self, method: str, name: str, headers: dict[str, str]) -> Any:
        """The answer; None where there is no such file."""
        import requests

        url = f"{self._url}/{name}"
        try:
            answer = self._session.request(method, url, headers=headers, timeout=_TIMEOUT_S)
            if self._needs_token(answer):
                answer = self._session.request(method, url, headers=headers, timeout=_TIMEOUT_S)
        except requests.exceptions.ContentDecodingError as error:
            raise FaultError(name, f"cannot be decompressed: {error}") from error
        except requests.RequestException as error:
            raise StorageError(url, f"cannot be read: {error}") from error
        if answer.status_code == 401:
            raise StorageError(url, self._why_not_allowed(answer))
        if answer.status_code in _ABSENT:
            return None
        if not answer.ok:
            raise FaultError(name, f"the server answers {answer.status_code} {answer.reason}")
        return answer

    def _needs_token(self, answer: Any) -> bool:
        """Whether the server asks for a token that is in the environment; all further requests have it."""
        if self._session.auth is not None or not _asks_for_token(answer) or not authorization():
            return False
        self._session.auth = _with_token
        return True

    def _why_not_allowed(self, answer: Any) -> str:
        if not _asks_for_token(answer):
            return f"the server answers {answer.status_code} {answer.reason}"
        if self._session.auth is None:
            return f"the server asks for its token: set {VARIABLE} to it"
        return f"the token in {VARIABLE} is not the one of this server"


def _asks_for_token(answer: Any) -> bool:
    return is_required(answer.status_code, answer.headers.get("WWW-Authenticate", ""))


def _with_token(request: Any) -> Any:
    request.headers.update(authorization())
    return request
