"""Errors of fsspec's file systems as a StorageError of one line: what happened and what to do.

The libraries below fsspec are extras, so their exceptions are identified by name, not imported.
"""

from __future__ import annotations

from asap_ingest.errors import StorageError

#: Names of exceptions that mean that a transfer broke off.
_INTERRUPTIONS = frozenset(
    (
        *("ClientPayloadError", "IncompleteReadError", "ResponseStreamingError", "AioReadTimeoutError"),
        *("IncompleteRead", "FSTimeoutError", "ServerDisconnectedError", "ConnectionResetError"),
    )
)

_REFUSED = (
    "the credentials were refused ({text}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "the AWS profile, or storage_options"
)
_NO_CREDENTIALS = (
    "no complete credentials were found ({text}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or "
    'AWS_PROFILE, or storage_options {{"anon": true}} for what is public'
)
_UNREACHABLE = "the object store does not answer ({text}); check endpoint_url in storage_options"
_SLOW_DOWN = "the object store asks to slow down ({text}); run again with fewer workers"
_DENIED = "access denied ({text}); the credentials in use may not do this"

#: Temporary errors that no library below repeats: an S3 code, and statuses of plain HTTP.
_REPEATED_CODES = ("429",)
_REPEATED_STATUSES = (429, 500, 502, 503, 504)

#: S3 error code -> message.
_BY_CODE = {
    "NoSuchBucket": "no such bucket; check its name and storage_options, or make it",
    "InvalidBucketName": "no bucket can have this name",
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "InvalidAccessKeyId": _REFUSED,
    "SignatureDoesNotMatch": _REFUSED,
    "ExpiredToken": _REFUSED,
    "InvalidToken": _REFUSED,
    "SlowDown": _SLOW_DOWN,
    "429": _SLOW_DOWN,
}

#: Name of an exception or of one of its bases -> message; the most derived name counts.
_BY_NAME = {
    "ImportError": "files of this scheme need a library that is not installed: {install}",
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
    "ProfileNotFound": _NO_CREDENTIALS,
    "EndpointConnectionError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "SSLError": _UNREACHABLE,
    "PermissionError": _DENIED,
    "TypeError": "storage_options do not fit this scheme ({text})",
}


def is_missing_file(error: Exception) -> bool:
    """Whether an error means that there is no such file; a missing bucket is another error."""
    return isinstance(error, FileNotFoundError) and _code(error) != "NoSuchBucket"


def is_interruption(error: Exception) -> bool:
    """Whether the same request may well succeed when it is made again."""
    if _code(error) in _REPEATED_CODES or getattr(error, "status", None) in _REPEATED_STATUSES:
        return True
    return not _INTERRUPTIONS.isdisjoint(_names(error))


def as_storage_error(uri: str, error: Exception) -> StorageError:
    """The error as one line, by its S3 code, by its kind, or as it stands."""
    names = (name for name in _names(error) if name in _BY_NAME)
    line = _BY_CODE.get(_code(error)) or _BY_NAME.get(next(names, ""), "{kind}: {text}")
    text = " ".join(str(error).split())[:300]
    install = "pip install 'asap_ingest[s3]'" if uri.startswith("s3") else text
    return StorageError(uri, line.format(kind=type(error).__name__, text=text, install=install))


def _names(error: Exception) -> list[str]:
    return [kind.__name__ for kind in type(error).__mro__]


def _code(error: BaseException) -> str:
    """The error code of S3's response, of which s3fs gives botocore's exception as the cause; or nothing."""
    for given in (error, error.__cause__):
        response = getattr(given, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""
