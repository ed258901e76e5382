"""Command line clients of the render service under their Java names: what `run_ws_client.sh` starts."""
