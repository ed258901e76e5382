"""The embedded render service: render-ws for people who have neither Java nor MongoDB."""

from pathlib import Path

#: What goes into the `client_scripts` parameter when the embedded service is used.
CLIENT_SCRIPTS = str(Path(__file__).parent / "client_scripts")
