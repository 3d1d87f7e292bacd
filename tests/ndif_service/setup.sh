#!/usr/bin/env bash
# Makes what the service runs with: FOLDER/venv, and FOLDER/ndif-0.1.0, -0.1.1, -0.1.2, the published
# packages unpacked. Does nothing where it is all there.
#
#     tests/ndif_service/setup.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?the folder to make it in}"
work=$(cd "$1" && pwd)

wanted=$(sha256sum < "$here/requirements.txt")
if [ "$(cat "$work/venv/made-of" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$work/venv"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    printf '%s' "$wanted" > "$work/venv/made-of"
fi

for version in 0.1.0 0.1.1 0.1.2; do
    "$work/venv/bin/python" "$here/unpack.py" "$version" "$work/ndif-$version"
done
