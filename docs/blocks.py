"""Runs the `sh` blocks of the README and of the book, in the order of the summary, in one folder with the examples.

A block's first line says how it is run: ```sh is run and has to end well; ```sh skip: WHY is not run; ```sh fails: WHY has to end
badly. Arguments name pages to run alone (`README.md`, `tutorial.md`).
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "docs/src"
BLOCK = re.compile(r"^```sh(?: (skip|fails): ([^\n]+))?\n(.*?)^```$", re.M | re.S)


def pages():
    summary = (BOOK / "SUMMARY.md").read_text()
    listed = [BOOK / link for link in re.findall(r"\]\(([^)]+\.md)\)", summary)]
    return [ROOT / "README.md", *listed]


def main():
    wanted = sys.argv[1:]
    work = Path(os.environ.get("TRUENORTH_DOCS_WORK") or tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "examples").exists():
        (work / "examples").symlink_to(ROOT / "examples")
    tools = work / "bin"
    tools.mkdir(exist_ok=True)
    program = tools / "truenorth"
    if not program.exists():
        program.symlink_to(Path(os.environ["TRUENORTH_BIN"]).resolve())
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    ran, left, wrong = 0, 0, []
    for page in pages():
        name = str(page.relative_to(BOOK if page.is_relative_to(BOOK) else ROOT))
        if wanted and name not in wanted:
            continue
        begun = time.monotonic()
        for how, _, script in BLOCK.findall(page.read_text()):
            if how == "skip":
                left += 1
                continue
            ran += 1
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script], cwd=work, env=env, capture_output=True, text=True, timeout=1800
            )
            if (done.returncode == 0) == (how == "fails"):
                wrong.append(f"{name}: exit {done.returncode} of\n{script}\n{done.stderr[-2000:]}")
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{ran} blocks ran, {left} say why they are not run")
    if wrong:
        sys.exit("\n".join(wrong))


main()
