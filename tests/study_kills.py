"""Kills a study again and again, and compares what it leaves with one that was left alone.

    python3 tests/study_kills.py BINARY KILLS

First the model runs in the study's process, then on a `truenorth serve` on loopback, which lives on. Needs
Python alone. The model is a fixture; a run takes some seconds, and the kills are spread over its length.
"""

import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "fixtures/gguf/llama/model.gguf"
# What depends on the clock; of `report.json` only the provenance does.
CLOCK = {"state.json", "report.html"}

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
    """Data without near copies: every text has words of its own."""
    chance = random.Random(1)
    words = ["".join(chance.choice("abcdefghijklmnoprstuw") for _ in range(3)) for _ in range(400)]

    def text(count: int) -> str:
        return " ".join(chance.choice(words) for _ in range(count))

    pairs = [
        {
            "id": f"p{i}",
            "axis": f"x{i % 4}",
            "prompt": text(3),
            "chosen": f"yes {text(4)}",
            "rejected": f"no {text(4)}",
        }
        for i in range(96)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs))
    for name in ["prompts.txt", "seq.txt"]:
        (folder / name).write_text("".join(f"{text(5)}\n" for _ in range(30)))
    (folder / "study.toml").write_text(STUDY)


class Server:
    """A server of its own for each run from the beginning, so that no run finds the jobs of another."""

    def __init__(self, binary: str, folder: Path) -> None:
        command = [binary, "serve", "--model", MODEL, "--cache", folder, "--listen", "127.0.0.1:0", "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def jobs(self) -> dict[str, int]:
        """How many jobs reached each state."""
        with urllib.request.urlopen(f"{self.url}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        prefix = 'truenorth_jobs_total{state="'
        found = [line.removeprefix(prefix).split('"} ') for line in lines if line.startswith(prefix)]
        return {state: int(count) for state, count in found}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Study:
    """A study in a folder, and the server that it asks, if any."""

    def __init__(self, binary: str, folder: Path, remote: bool) -> None:
        self.binary, self.folder, self.remote = binary, folder, remote
        self.server: Server | None = None
        self.rounds = 0
        place(folder)
        self.begin()

    def begin(self) -> None:
        """Moves to a cache, a folder of results and a server that know nothing."""
        self.stop()
        self.rounds += 1
        self.at = self.folder / f"round-{self.rounds}"
        self.at.mkdir()
        self.server = Server(self.binary, self.at / "server") if self.remote else None

    def stop(self) -> None:
        if self.server:
            self.server.stop()

    def start(self) -> subprocess.Popen:
        command = [self.binary, "study", "run", self.folder / "study.toml", "--cache", "cache", "--quiet"]
        if self.server:
            command += ["--on", self.server.url]
        return subprocess.Popen(command, cwd=self.at, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def whole(self) -> float:
        """A run that is left alone; the seconds that it took."""
        begun = time.monotonic()
        run = self.start()
        _, said = run.communicate()
        assert run.returncode == 0, said.decode()
        assert b"runs again" not in said, said.decode()
        return time.monotonic() - begun

    def left(self) -> dict[str, bytes]:
        """The files of the results by their names, less what depends on the clock."""
        run = self.at / "runs/tiny"
        files = {str(f.relative_to(run)): f.read_bytes() for f in run.rglob("*") if f.is_file()}
        report = json.loads(files.pop("report.json"))
        del report["provenance"]
        files["report.json without provenance"] = json.dumps(report).encode()
        return {name: bytes_ for name, bytes_ in files.items() if name not in CLOCK}

    def computed(self) -> dict[str, int]:
        """What was computed in all runs of this round; checks that nothing was computed twice."""
        command = [self.binary, "cache", "stats", "--json", "--cache", "cache"]
        text = subprocess.run(command, cwd=self.at, check=True, capture_output=True).stdout
        there = json.loads(text)
        assert there["rewritten"] == 0 and there["computed"] == there["entries"], there
        jobs = self.server.jobs() if self.server else {}
        return {"entries": there["computed"]} | jobs


def compare(alone: Study, killed: Study) -> None:
    want, got = alone.left(), killed.left()
    assert want.keys() == got.keys(), want.keys() ^ got.keys()
    for name, bytes_ in want.items():
        assert got[name] == bytes_, f"{name} differs in {killed.at}"
    assert alone.computed() == killed.computed(), (alone.computed(), killed.computed())


def series(alone: Study, killed: Study, kills: int) -> None:
    """Kills a study so often, from its beginning whenever it came to its end."""
    chance = random.Random(0)
    length = alone.whole()
    done = 0
    while done < kills:
        run = killed.start()
        # Most kills early, as a study that goes on has less and less to do.
        time.sleep(chance.random() ** 2 * length)
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            done += 1
            continue
        _, said = run.communicate()
        assert run.returncode == 0, said.decode()
        compare(alone, killed)
        killed.begin()
    killed.whole()
    compare(alone, killed)
    where = "on a server" if killed.remote else "in its process"
    print(
        f"{where}: {done} kills in {killed.rounds} studies of {length:.1f} s; each left "
        f"{len(alone.left())} files equal bit for bit; computed each time: {alone.computed()}",
        flush=True,
    )


def main(binary: str, kills: int) -> None:
    for remote in [False, True]:
        with contextlib.ExitStack() as at_end:
            one, other = (Path(at_end.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
            alone, killed = Study(binary, one, remote), Study(binary, other, remote)
            at_end.callback(alone.stop)
            at_end.callback(killed.stop)
            series(alone, killed, kills)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
