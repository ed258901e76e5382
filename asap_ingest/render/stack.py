"""The client side of a stack, on render-python: sections, tiles in bulk, state.

`renderapi` takes half a second to import, so it is imported where its classes are needed; tiles in
bulk are render's JSON as plain dicts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar
from urllib.parse import quote

import orjson

from asap_ingest.errors import (
    AsapIngestError,
    SectionTooLargeError,
    ServiceError,
    StackNotFoundError,
    StackStateError,
)
from asap_ingest.render.session import RenderSession

logger = logging.getLogger(__name__)

#: How often other runs may complete a stack before a request that needs LOADING gives up.
_OTHER_RUNS = 10
READ_LIMIT = 50_000  # tiles that render returns in one read
_JSON = {"Content-Type": "application/json"}
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RenderConnection:
    """The address of a render service, and the owner and project of the stacks."""

    host: str
    port: int | None
    owner: str
    project: str
    client_scripts: str = ""
    memGB: str = "5G"  # noqa: N815 - render-python's name

    @property
    def address(self) -> str:
        """Scheme and host; `http` where the host names none."""
        return (self.host if self.host.startswith("http") else f"http://{self.host}").rstrip("/")

    @property
    def base_url(self) -> str:
        return f"{self.address}{'' if self.port is None else f':{self.port}'}/render-ws/v1"

    @property
    def session(self) -> RenderSession:
        return _session(self, os.getpid())

    def render(self) -> Any:
        """The `renderapi.render.Render` of this connection, for render-python's functions."""
        import renderapi

        return renderapi.render.Render(
            self.address,
            self.port,
            self.owner,
            self.project,
            client_scripts=self.client_scripts,
            session=self.session,
        )

    def stack_names(self) -> list[str]:
        """The project's stacks, sorted."""
        stacks = self._get_json(f"/owner/{quote(self.owner)}/stacks")
        ids = [stack["stackId"] for stack in stacks]
        return sorted(each["stack"] for each in ids if each["project"] == self.project)

    def _get_json(self, path: str) -> Any:
        return orjson.loads(self.session.get(self.base_url + path).content)


@cache
def _session(connection: RenderConnection, process_id: int) -> RenderSession:
    return RenderSession()


@dataclass(frozen=True)
class Stack:
    """One stack of a render service. Small and picklable: workers get it with their jobs."""

    connection: RenderConnection
    name: str

    @property
    def url(self) -> str:
        owner, project = quote(self.connection.owner), quote(self.connection.project)
        return f"{self.connection.base_url}/owner/{owner}/project/{project}/stack/{quote(self.name)}"

    def metadata(self) -> dict[str, Any] | None:
        """Stack metadata as render gives it; None for a stack that does not exist."""
        try:
            return self._get_json("")
        except ServiceError as error:
            if error.status == 404:
                return None
            raise

    def state(self) -> str | None:
        metadata = self.metadata()
        return None if metadata is None else metadata["state"]

    def version(self, without: Sequence[str] = ()) -> dict[str, Any]:
        """The version to create a copy of the stack with: resolution and notes, without the creation time."""
        version = self.require().get("currentVersion") or {}
        return {name: value for name, value in version.items() if name not in ("createTimestamp", *without)}

    def require(self) -> dict[str, Any]:
        """Stack metadata, as `metadata` returns them.

        Raises
        ------
        StackNotFoundError
            There is no such stack; the error names those that exist.
        """
        metadata = self.metadata()
        if metadata is None:
            connection = self.connection
            raise StackNotFoundError(
                connection.owner, connection.project, self.name, connection.stack_names()
            )
        return metadata

    def z_values(self) -> list[float]:
        """z of all sections, ascending."""
        return self._get_json("/zValues")

    def tile_ids(self, z: float) -> list[str]:
        """Ids of a section's tiles; empty if there is no section."""
        return self._get_json(f"/tileIds?minZ={z}&maxZ={z}")

    def tile_counts(self) -> dict[float, int]:
        """Number of tiles by z, as of when the stack was last completed; empty if it never was."""
        counts: dict[float, int] = {}
        try:
            sections = self._get_json("/sectionData")
        except ServiceError:
            return counts
        for section in sections:
            counts[section["z"]] = counts.get(section["z"], 0) + section["tileCount"]
        return counts

    def resolved_tiles(self, z: float) -> dict[str, Any]:
        """Tiles of a section and the shared transforms they use, as render's JSON.

        Raises
        ------
        SectionTooLargeError
        """
        try:
            return self._get_json(f"/z/{z}/resolvedTiles")
        except ServiceError as error:
            if error.status == 400 and (tiles := len(self.tile_ids(z))) > READ_LIMIT:
                raise SectionTooLargeError(self.name, z, tiles, READ_LIMIT) from error
            raise

    def tiles(self, z: float) -> dict[str, dict[str, Any]]:
        """Tilespecs of a section by tile id; empty if there is no section, or no stack."""
        try:
            return self.resolved_tiles(z)["tileIdToSpecMap"]
        except ServiceError as error:
            if error.status == 404:
                return {}
            raise

    def path_builder(self) -> dict[str, Any] | None:
        """The stack's mipmapPathBuilder, if it has one."""
        content = self.connection.session.get(f"{self.url}/mipmapPathBuilder").content
        return orjson.loads(content) if content else None

    def put_path_builder(self, builder: dict[str, Any]) -> None:
        """Set the mipmapPathBuilder; the stack's state stays as it is."""
        body = orjson.dumps(builder)
        self.connection.session.put(f"{self.url}/mipmapPathBuilder", data=body, headers=_JSON)

    def put_resolved_tiles(self, resolved_tiles: dict[str, Any], derive_data: bool) -> None:
        """Store tiles; with `derive_data` the service computes their bounds."""
        body = orjson.dumps(resolved_tiles)
        query = {"deriveData": "true" if derive_data else "false"}
        url = f"{self.url}/resolvedTiles"
        self._while_loading(lambda: self.connection.session.put(url, data=body, params=query, headers=_JSON))

    def put_tilespecs(self, tilespecs: list[Any]) -> None:
        """Store `renderapi` TileSpecs through render-python; the service computes their bounds."""
        import renderapi

        render = self.connection.render()
        put = renderapi.resolvedtiles.put_tilespecs
        self._while_loading(lambda: put(self.name, tilespecs=tilespecs, deriveData=True, render=render))

    def delete_section(self, z: float) -> None:
        self._while_loading(lambda: self.connection.session.delete(f"{self.url}/z/{z}"))

    def delete_tiles(self, tile_ids: Iterable[str]) -> None:
        """Remove tiles one by one; others of their section stay."""
        for tile_id in sorted(tile_ids):
            url = f"{self.url}/tile/{quote(tile_id, safe='')}"
            self._while_loading(partial(self.connection.session.delete, url))

    def tile_image(self, tile_id: str, image_format: str, query: dict[str, Any]) -> bytes:
        """The bytes of a drawn tile; `image_format` is `jpeg`, `png`, `tiff` or `tiff16`."""
        url = f"{self.url}/tile/{quote(tile_id, safe='')}/{image_format}-image"
        return self.connection.session.get(url, params=query).content

    def section_image(self, z: float, image_format: str, scale: float) -> bytes:
        """The bytes of a drawn section."""
        url = f"{self.url}/z/{z}/{image_format}-image"
        return self.connection.session.get(url, params={"scale": scale}).content

    def create(self, version: dict[str, Any]) -> None:
        """Make the stack, empty and LOADING."""
        self.connection.session.post(self.url, data=orjson.dumps(version), headers=_JSON)

    def set_state(self, state: str) -> None:
        self.connection.session.put(f"{self.url}/state/{state}", headers=_JSON)

    def writable_state(self) -> str | None:
        """LOADING, COMPLETE, or None for a stack that does not exist.

        Raises
        ------
        StackStateError
            The stack is READ_ONLY or OFFLINE.
        """
        state = self.state()
        if state not in (None, "LOADING", "COMPLETE"):
            raise StackStateError(self.name, str(state))
        return state

    @contextmanager
    def writing(self, version: dict[str, Any], close_stack: bool) -> Iterator[None]:
        """Set the stack LOADING inside the block, and COMPLETE at its end if `close_stack`.

        If there is no stack, it is created with `version`. If the block fails, or a signal ends the
        process, a stack that was COMPLETE is set COMPLETE again.

        Raises
        ------
        StackStateError
            The stack is READ_ONLY or OFFLINE.
        """
        before = self.writable_state()
        try:
            if before is None:
                self.create(version)
            else:
                self.set_state("LOADING")
            yield
        except BaseException:
            if before == "COMPLETE":
                self._restore()
            raise
        if close_stack:
            self.set_state("COMPLETE")

    def _restore(self) -> None:
        try:
            self.set_state("COMPLETE")
        except AsapIngestError as error:
            # the error that led here must not be hidden by this one
            logger.error("stack %s stays LOADING, it was COMPLETE: %s", self.name, error)

    def _while_loading(self, request: Callable[[], Answer]) -> Answer:
        """Send a request that needs LOADING; if another run has completed the stack, reopen it and retry.

        A request that is refused for another reason is not sent again.
        """
        for _ in range(_OTHER_RUNS):
            try:
                return request()
            except ServiceError as error:
                # a third run may have set it LOADING again: then only the response shows that it was COMPLETE
                completed = self.state() == "COMPLETE"
                reported = "is COMPLETE" in error.text and "LOADING" in error.text
                if error.status not in (400, 500) or not (completed or reported):
                    raise
                if completed:
                    self.set_state("LOADING")
        return request()

    def _get_json(self, path: str) -> Any:
        return orjson.loads(self.connection.session.get(self.url + path).content)
