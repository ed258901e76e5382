"""Where the client of Neuroglancer lies in this service."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from asap_ingest import neuroglancer_client
from asap_ingest.render_ws.http.answers import Call

PATH = "/render-ws/view/neuroglancer/v/page"
INDEX = f"{PATH}/{neuroglancer_client.INDEX}"
ICON = "/render-ws/view/icon.svg"


def go_to_client(call: Call) -> Response:
    """Send a browser that names the folder to the client's page; what follows `#` goes along."""
    return RedirectResponse(INDEX, 302)


def get_client_file(call: Call) -> Response:
    """One file of the client; 404 with the reason when it is not installed, and for any other name."""
    return neuroglancer_client.client_file(call.path["file"], ICON)
