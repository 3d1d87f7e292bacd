#!/usr/bin/env bash
# Makes what the service runs with: FOLDER/venv, which takes torch from the environment that the stages of CI share, and
# FOLDER/ndif-0.1.0, -0.1.1, -0.1.2, the published packages unpacked. Does nothing where it is all there.
#
#     tests/ndif_service/setup.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?the folder to make it in}"
work=$(cd "$1" && pwd)

cd "$here/../.."
. .ci/python
python_beside "$work/venv" "$here/requirements.txt"

for version in 0.1.0 0.1.1 0.1.2; do
    "$work/venv/bin/python" "$here/unpack.py" "$version" "$work/ndif-$version"
done
