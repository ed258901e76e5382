#!/bin/sh
# ImportJsonClient: import_json.sh <argument>...

case $0 in */*) folder=${0%/*} ;; *) folder=. ;; esac
if [ ! -f "$folder/run_ws_client.sh" ]; then
    # called through a symbolic link
    folder=$(readlink -f -- "$0")
    folder=${folder%/*}
fi
exec "$folder/run_ws_client.sh" 1G org.janelia.render.client.ImportJsonClient "$@"
