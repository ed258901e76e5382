#!/bin/sh
folder=$(dirname -- "$(readlink -f -- "$0")")
exec "$folder/run_ws_client.sh" 1G org.janelia.render.client.ImportJsonClient "$@"
