"""Tries what is newer on PyPI than the versions that are proven, and says what broke.

    python newest.py FOLDER COMMAND [ARGUMENT ...]

Where PyPI has a newer `ndif` or `nnsight` than setup.sh and requirements.txt name, they are put into
FOLDER (an environment of their own, and the package unpacked beside it) and COMMAND is run once for
each of: the newest of one with the proven other, and both newest. In COMMAND, `{python}` and `{ndif}`
become that environment's Python and that folder. Prints what was tried, how it ended, and the last
lines of what did not pass. Ends well whatever is found: what is not proven yet is no failure of ours.
"""

import os
import pathlib
import re
import shutil
import signal
import site
import subprocess
import sys

from packaging.version import Version

import unpack

HERE = pathlib.Path(__file__).resolve().parent
# Seconds for a command; a job that hangs is a finding too.
LONGEST = 900
LINES = 40


def proven():
    """The versions that the tests run with: of nnsight the one required, of ndif the last unpacked."""
    versions = re.search(r"for version in (.*); do", (HERE / "setup.sh").read_text())
    nnsight = re.search(r"^nnsight==(.*)$", (HERE / "requirements.txt").read_text(), re.MULTILINE)
    return {"ndif": versions[1].split()[-1], "nnsight": nnsight[1]}


def newest(name):
    """As pip finds it for a Python that the newest of it may ask for."""
    pip = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check"]
    named = ["--only-binary=:all:", "--python-version", "3.12", name]
    out = subprocess.run([*pip, *named], capture_output=True, text=True, timeout=120)
    found = re.match(rf"{name} \(([^)]+)\)", out.stdout)
    if not found:
        raise RuntimeError(out.stderr.strip() or out.stdout)
    return found[1]


def environment(folder, nnsight):
    """An environment as requirements.txt has it, but for nnsight."""
    if not (folder / "made").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        # With torch from where this Python has it.
        (here,) = site.getsitepackages()
        (there,) = folder.glob("lib/python*/site-packages")
        for shared in pathlib.Path(here).glob("shared.pth"):
            shutil.copy(shared, there)
        wanted = (HERE / "requirements.txt").read_text()
        wanted = re.sub(r"^nnsight==.*$", f"nnsight=={nnsight}", wanted, flags=re.MULTILINE)
        (folder / "requirements.txt").write_text(wanted)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        subprocess.run([*pip, "-r", folder / "requirements.txt"], check=True)
        (folder / "made").touch()
    return folder / "bin" / "python"


def run(command):
    """How a command ended, and what it said; what it started ends with it."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, start_new_session=True, **both) as process:
        try:
            said, _ = process.communicate(timeout=LONGEST)
            return process.returncode, said
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"not done after {LONGEST} s", process.communicate()[0]


def attempt(versions, work, command):
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    try:
        if versions["nnsight"] == proven()["nnsight"]:
            python = pathlib.Path(sys.executable)
        else:
            python = environment(work / f"venv-nnsight-{versions['nnsight']}", versions["nnsight"])
        ndif = unpack.unpack(versions["ndif"], work / f"ndif-{versions['ndif']}")
        filled = [part.replace("{python}", str(python)).replace("{ndif}", str(ndif)) for part in command]
        code, said = run(filled)
    except Exception as error:
        code, said = "not even installed", str(error)
    if code == 0:
        print(f"{told}: passes")
        return
    print(f"{told}: broke ({code}); its last lines:")
    for line in said.splitlines()[-LINES:]:
        print(f"    {line}")


def main(folder, *command):
    work = pathlib.Path(folder).resolve()
    work.mkdir(parents=True, exist_ok=True)
    ours = proven()
    try:
        theirs = {name: newest(name) for name in ours}
    except Exception as error:
        print(f"PyPI does not tell what is newest: {error}")
        return
    newer = [name for name in ours if Version(theirs[name]) > Version(ours[name])]
    if not newer:
        print("nothing newer than " + ", ".join(f"{name} {version}" for name, version in ours.items()))
        return
    tried = [{**ours, name: theirs[name]} for name in newer]
    if len(newer) > 1:
        tried.append(theirs)
    for versions in tried:
        attempt(versions, work, command)


if __name__ == "__main__":
    main(*sys.argv[1:])
