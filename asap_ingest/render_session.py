"""HTTP to a render service: timeouts, retries, and this package's errors."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from asap_ingest.errors import ServiceError, ServiceUnreachableError

_CONNECT_SECONDS, _READ_SECONDS = 5, 600
#: Attempts, with pauses that double from 0.4 s: a wrong address is told within 3 s, a service that has
#: answered before is waited for for 12 s, in which it can be started again.
_FIRST_ATTEMPTS, _LATER_ATTEMPTS = 4, 6


class RenderSession(requests.Session):
    """A session with timeouts and retries that raises this package's errors."""

    def __init__(self) -> None:
        super().__init__()
        self._has_answered = False
        self._retry(_FIRST_ATTEMPTS)

    def _retry(self, attempts: int) -> None:
        # render's PUT and POST replace whole objects, so sending one again does no harm
        retry = Retry(
            total=attempts,
            read=1,
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
            answer = super().request(method, url, *args, **kwargs)
        except (requests.RequestException, ValueError) as error:
            raise ServiceUnreachableError(address, type(error).__name__) from error
        if not self._has_answered:
            self._has_answered = True
            self._retry(_LATER_ATTEMPTS)
        if answer.status_code >= 400:
            raise ServiceError(str(method), str(url), answer.status_code, answer.text)
        return answer
