"""HTTP to a render service: timeouts, retries, the token of the environment, and this package's errors."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3 import Retry
from urllib3.exceptions import ReadTimeoutError

from asap_ingest.errors import ServiceError, ServiceUnreachableError
from asap_ingest.web.access_token import authorization

_CONNECT_SECONDS, _READ_SECONDS = 5, 600
#: Retries, with pauses that double from 0.4 s: a wrong address is reported within 3 s; a service that has
#: answered before has 12 s to restart.
_FIRST_RETRIES, _LATER_RETRIES = 4, 6
#: Retries of a request whose response ends early.
_CUT_ANSWERS = 3


class _Retry(Retry):
    """Retries where a connection breaks; after a read timeout, which takes ten minutes, only once."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        if isinstance(error, ReadTimeoutError) and any(
            isinstance(past.error, ReadTimeoutError) for past in self.history
        ):
            raise error
        return super().increment(method, url, response, error, _pool, _stacktrace)


class RenderSession(requests.Session):
    """A session with timeouts and retries that raises this package's errors.

    Raises
    ------
    ParameterError
        The token in the environment is not valid.
    """

    def __init__(self) -> None:
        super().__init__()
        if authorization():
            # not a header of the session, which credentials for this host in ~/.netrc would replace
            self.auth = _with_token
        # a worker is started by a process that had a response from the service
        self._has_answered = _in_worker()
        self._set_retries(_LATER_RETRIES if self._has_answered else _FIRST_RETRIES)

    def _set_retries(self, total: int) -> None:
        # render's PUT and POST replace whole objects, so sending one again does no harm
        retry = _Retry(
            total=total,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=None,
            backoff_factor=0.2,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=16))

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", (_CONNECT_SECONDS, _READ_SECONDS))
        address = str(url).partition("/render-ws")[0]
        try:
            answer = self._whole_answer(method, url, *args, **kwargs)
        except (requests.RequestException, ValueError) as error:
            raise ServiceUnreachableError(address, type(error).__name__) from error
        if not self._has_answered:
            self._has_answered = True
            self._set_retries(_LATER_RETRIES)
        if answer.status_code >= 400:
            raise ServiceError(str(method), str(url), answer.status_code, answer.text)
        return answer

    def _whole_answer(
        self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """The response; retries where its body ends early, which urllib3 does not."""
        for _ in range(_CUT_ANSWERS):
            with suppress(ChunkedEncodingError):
                return super().request(method, url, *args, **kwargs)
        return super().request(method, url, *args, **kwargs)


def _with_token(request: requests.PreparedRequest) -> requests.PreparedRequest:
    request.headers.update(authorization())
    return request


def _in_worker() -> bool:
    """Whether this is a worker, started by `multiprocess` (pool) or `multiprocessing` (Dask)."""
    loaded = (sys.modules.get(name) for name in ("multiprocess", "multiprocessing"))
    return any(module is not None and module.parent_process() is not None for module in loaded)
