"""Gets a published version of `ndif` and unpacks its wheel into a folder.

    python unpack.py VERSION FOLDER

The wheel asks for a Python of 3.12 or more, so pip is told that it is one and installs nothing; what
the package needs is in requirements.txt.
"""

import pathlib
import subprocess
import sys
import tempfile
import zipfile


def unpack(version, folder):
    folder = pathlib.Path(folder)
    if (folder / f"ndif-{version}.dist-info" / "METADATA").exists():
        return folder
    with tempfile.TemporaryDirectory() as wheels:
        named = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", f"ndif=={version}"]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *named, "--dest", wheels], check=True)
        (wheel,) = pathlib.Path(wheels).glob("ndif-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


if __name__ == "__main__":
    unpack(*sys.argv[1:])
