#!/bin/sh
# Runs a client of the render service: run_ws_client.sh <memory> <class> <argument>...
# The memory (1G) is taken for the sake of callers of the Java clients, and not used.
# The Python that runs is, in this order: $ASAP_INGEST_PYTHON, that of the environment in which this package
# is installed, that of a .venv beside the package, python3 on the PATH.

if [ "$#" -lt 2 ]; then
    echo "usage: $0 <memory> <class> <argument>..."
    echo "for example: $0 1G org.janelia.render.client.ImportJsonClient --help"
    exit 1
fi
shift

case $0 in */*) folder=${0%/*} ;; *) folder=. ;; esac
if [ ! -f "$folder/run_client.py" ]; then
    # called through a symbolic link
    folder=$(readlink -f -- "$0")
    folder=${folder%/*}
fi
packages=$(CDPATH='' cd -- "$folder/../../.." && pwd)

case ${packages##*/} in
    site-packages | dist-packages) installed=$packages/../../../bin/python3 ;;
    *)
        installed=$packages/.venv/bin/python
        PYTHONPATH=$packages${PYTHONPATH:+:$PYTHONPATH}
        export PYTHONPATH
        ;;
esac

if [ -n "$ASAP_INGEST_PYTHON" ]; then
    python=$ASAP_INGEST_PYTHON
elif [ -x "$installed" ]; then
    python=$installed
else
    python=python3
fi
if ! command -v "$python" >/dev/null; then
    echo "no Python to run $1: $python is not there; set ASAP_INGEST_PYTHON to that of the environment with asap_ingest"
    exit 1
fi

# modules in the folder of the caller must not take the place of others
PYTHONSAFEPATH=1
export PYTHONSAFEPATH
exec "$python" -m asap_ingest.render_ws.client_scripts.run_client "$@"
