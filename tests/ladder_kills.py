"""Kills a study of checkpoints again and again, and compares what it comes to with one that was left alone.

    python3 tests/ladder_kills.py BINARY KILLS

The checkpoints are those of fixtures/ladder: geometry with probes, random directions, cross-steering into the last of them
and ways to read. Each kill falls at a random moment of the run's length, and the run after it goes on from the store.
Needs Python alone.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASK = (
    "geometry --checkpoints ladder/checkpoints.txt --classes ladder/classes.jsonl --positive refused --site resid_post.1 "
    "--folds 3 --permutations 199 --null-draws 19 --steer-into ladder/step-7 --prompts ladder/prompts.jsonl "
    "--max-new-tokens 6 --protocols raw:last,raw:max --quiet"
).split()


def ask(binary, folder, out, cache):
    command = [binary, *ASK, "--out", out, "--cache", cache]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def result(folder, name):
    return json.loads((folder / name).read_text())["result"]


def computed(binary, folder, cache):
    stats = subprocess.run([binary, "cache", "stats", "--json", "--cache", cache], cwd=folder, capture_output=True, check=True)
    return json.loads(stats.stdout)


def main():
    binary, kills = str(Path(sys.argv[1]).resolve()), int(sys.argv[2])
    chance = random.Random(18)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ladder").symlink_to(ROOT / "fixtures/ladder")
        begun = time.monotonic()
        assert ask(binary, folder, "whole.json", "whole").wait() == 0
        length = time.monotonic() - begun
        done = whole = 0
        while done < kills:
            child = ask(binary, folder, "cut.json", "cut")
            try:
                # What is in the store is not computed again, so that later runs are shorter.
                child.wait(timeout=chance.uniform(0.02, 1.0) * length)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                done += 1
                continue
            assert child.returncode == 0, child.returncode
            # It came to its end before the kill: the next ones begin anew.
            assert result(folder, "cut.json") == result(folder, "whole.json")
            whole += 1
            subprocess.run(["rm", "-rf", folder / "cut", folder / "cut.json"], check=True)
        assert ask(binary, folder, "resumed.json", "cut").wait() == 0
        assert result(folder, "resumed.json") == result(folder, "whole.json"), "the numbers differ"
        one, other = (computed(binary, folder, cache) for cache in ("whole", "cut"))
        assert one["entries"] == other["entries"], (one, other)
        left = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.tmp*"))
        assert not left, left
        print(
            f"{done} kills at random moments of {length:.1f} s, {whole} runs came to their end between them: the same numbers, "
            f"{other['entries']} entries in the store as without kills, {other['rewritten']} rewritten"
        )


if __name__ == "__main__":
    main()
