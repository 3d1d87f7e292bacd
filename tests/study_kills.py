"""Kills a study again and again, and compares what it leaves with one that was left alone.

    python3 tests/study_kills.py BINARY KILLS

Needs Python alone. The model is a fixture; a run takes some seconds, so the kills are spread over its length.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "fixtures/gguf/llama/model.gguf"
# What depends on the clock, and the pages that show it.
CLOCK = {"state.json", "report.json", "report.html"}

STUDY = f"""
name = "tiny"
title = "A tiny study"
model = "{MODEL}"
site = "resid_post.1"
[data]
pairs = "pairs.jsonl"
neutral = "prompts.txt"
probes = "prompts.txt"
sequences = "seq.txt"
[direction]
estimators = ["mean-diff", "lda", "logistic"]
project_out = ["length"]
[held_out]
folds = 4
permutations = 39
[score]
[sweep]
sites = ["resid_post.0..1"]
prompts = 4
max_new_tokens = 8
[steer]
alphas = [0.0, 1.0, 2.0]
max_new_tokens = 8
prompts = 3
"""


def place(folder: Path) -> None:
    words = ["hat", "tin", "cup", "old", "new", "red"]
    pairs = [
        {
            "id": f"p{i}",
            "axis": f"x{i % 4}",
            "prompt": f"the {words[(i // 6 + 1) % 6]}",
            "chosen": f"yes the {words[i % 6]} {i}",
            "rejected": f"no a {words[(i // 6 + 1) % 6]} {i}",
        }
        for i in range(96)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs))
    prompts = [f"{a} {b}" for a in words for b in words[:4]]
    (folder / "prompts.txt").write_text("\n".join(prompts) + "\n")
    (folder / "seq.txt").write_text("\n".join(f"{a} and {b}" for a in words for b in words) + "\n")
    (folder / "study.toml").write_text(STUDY)


def start(binary: str, folder: Path) -> subprocess.Popen:
    command = [binary, "study", "run", "study.toml", "--cache", "cache", "--quiet"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def whole(binary: str, folder: Path) -> float:
    begun = time.monotonic()
    run = start(binary, folder)
    _, said = run.communicate()
    assert run.returncode == 0, said.decode()
    assert b"runs again" not in said, said.decode()
    return time.monotonic() - begun


def left(folder: Path) -> dict[str, bytes]:
    run = folder / "runs/tiny"
    # A kill in the middle of a write leaves the temporary file beside its target.
    started = ".truenorth-"
    files = [f for f in run.rglob("*") if f.is_file() and f.name not in CLOCK and not f.name.startswith(started)]
    return {str(f.relative_to(run)): f.read_bytes() for f in files}


def stats(binary: str, folder: Path) -> dict:
    command = [binary, "cache", "stats", "--json", "--cache", "cache"]
    return json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)


def main(binary: str, kills: int) -> None:
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        alone, killed = Path(one), Path(other)
        place(alone)
        place(killed)
        length = whole(binary, alone)
        done, finished, round_ = 0, 0, 0
        while done < kills:
            run = start(binary, killed)
            # Most kills early, as a study that goes on has less and less to do.
            time.sleep(chance.random() ** 2 * length)
            if run.poll() is None:
                run.send_signal(signal.SIGKILL)
                done += 1
            else:
                finished += 1
                assert run.returncode == 0, run.stderr.read().decode()
                # Begin again with another cache, so that later kills fall into work too.
                round_ += 1
                (killed / "cache").rename(killed / f"cache{round_}")
                (killed / "runs").rename(killed / f"runs{round_}")
            run.wait()
        whole(binary, killed)
        want, got = left(alone), left(killed)
        assert want.keys() == got.keys(), want.keys() ^ got.keys()
        for name, bytes_ in want.items():
            assert got[name] == bytes_, f"{name} differs"
        there = stats(binary, killed)
        assert there["rewritten"] == 0 and there["computed"] == there["entries"], there
        print(
            f"{done} kills, {finished} runs that finished before theirs; "
            f"{len(want)} files equal bit for bit; {there['computed']} computed, none twice"
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
