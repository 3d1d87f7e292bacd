"""A season over some hundred texts on a real model: words, prose and soup, with planted twins; taken in whole, and submitted
while the server is killed at random moments. What must come out: each text once, with the same score both ways.

    python tests/arena_season.py PROGRAM FOLDER [--model smollm2-135m] [--texts 500] [--kills 20] [--on URL]

Run from the repository root. The folder is left as it is, with the report of the season in `report/`.
"""

import argparse
import json
import pathlib
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

EXAMPLE = pathlib.Path("examples/human-values")
# Soup, prose and lists are made of these, so that no text is anybody's.
NOUNS = "river garden window engine letter orchard harbour market lantern bridge winter teacher captain doctor sister village".split()
VERBS = "keeps mends carries forgives protects watches measures gathers follows remembers trusts shares honours heals guards lifts".split()
ADJECTIVES = "quiet honest narrow patient cruel bright heavy gentle loyal hollow tender proud humble bitter steady kind".split()


def texts(n, rng):
    """`(text, kind, twin of)`: a third of each kind, a tenth of all near copies of earlier ones."""
    found, seen = [], set()
    while len(found) < n:
        if len(found) > 20 and len(found) % 10 == 9:
            at = rng.randrange(len(found))
            words = found[at][0].split()
            words[-1] = f"{rng.choice(NOUNS)}s"
            text, kind, twin = " ".join(words), found[at][1], at
            if len(words) < 10 or found[at][2] is not None:
                continue
        else:
            kind, twin = ["words", "prose", "soup"][len(found) % 3], None
            if kind == "words":
                text = ", ".join(rng.sample(ADJECTIVES, 4) + rng.sample(NOUNS, 3) + rng.sample(VERBS, 3))
            elif kind == "prose":
                text = (
                    f"The {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {rng.choice(VERBS)} a {rng.choice(NOUNS)}, "
                    f"and nobody {rng.choice(VERBS)} the {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} again"
                )
            else:
                text = " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 7))) for _ in range(10))
        if text in seen:
            continue
        seen.add(text)
        found.append((text, kind, twin))
    return found


def season(name, model, folder):
    text = f"""name = "{name}"
title = "A season of {name}"
high = "towards the value"
low = "away from it"
kinds = ["words", "prose", "soup"]
[model]
name = "{model}"
[scoring]
directions = ["values.safetensors"]
probes = "probes.jsonl"
[rules]
tokens = 80
per_minute = 100000
per_day = 100000
per_client = 100000
[consent]
version = "1"
text = "I agree that my text and its score are published."
"""
    (folder / f"{name}.toml").write_text(text)


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("program", type=pathlib.Path)
    ask.add_argument("folder", type=pathlib.Path)
    ask.add_argument("--model", default="smollm2-135m")
    ask.add_argument("--on", help="where the model runs, as every verb takes it")
    ask.add_argument("--site", default="resid_post.20")
    ask.add_argument("--texts", type=int, default=500)
    ask.add_argument("--kills", type=int, default=20)
    asked = ask.parse_args()
    program, folder = asked.program.resolve(), asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(20)
    on = ["--on", asked.on] if asked.on else []

    def run(*args):
        begun = time.monotonic()
        subprocess.run([program, *map(str, args)], check=True, stdout=subprocess.PIPE)
        return time.monotonic() - begun

    direction = folder / "values.safetensors"
    if not direction.exists():
        run("direction", "extract", "--model", asked.model, "--site", asked.site, "--pairs", EXAMPLE / "pairs.jsonl",
            "--permutations", 0, "--quiet", "--out", direction)
    (folder / "probes.jsonl").write_bytes((EXAMPLE / "probes.jsonl").read_bytes())
    all_texts = texts(asked.texts, rng)
    board = folder / "texts.jsonl"
    # Scores of elsewhere are never taken; a board has some.
    rows = [{"id": f"t{i}", "text": t, "kind": k, "handle": f"p{i % 40}", "score": 0.0} for i, (t, k, _) in enumerate(all_texts)]
    board.write_text("".join(json.dumps(r) + "\n" for r in rows))
    for name in ["calm", "killed"]:
        season(name, asked.model, folder)
        if not (folder / name).exists():
            run("arena", "season", "new", folder / f"{name}.toml", "--dir", folder / name)
            run("arena", "season", "open", name, "--dir", folder / name, "--quiet", *on)
    took = run("arena", "import", board, "--dir", folder / "calm", "--consent", "1", "--quiet", *on)
    print(f"calm: {len(all_texts)} texts taken over and scored in {took:.1f} s with the model's start")

    class Server:
        def __init__(self):
            self.start()

        def start(self):
            command = [program, "arena", "serve", folder / "killed", "--listen", "127.0.0.1:0", "--quiet", *on]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.url = self.process.stdout.readline().strip()
            assert self.url.startswith("http://"), "it did not start"

        def kill(self):
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    server = Server()
    came = {}

    def get(path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(server.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)

    def send(some):
        for i in some:
            text, kind, _ = all_texts[i]
            for _ in range(2000):
                try:
                    status, answer = get("/api/submissions", {"handle": f"p{i % 40}", "text": text, "kind": kind, "consent": "1"})
                except (OSError, ValueError):
                    time.sleep(0.05)
                    continue
                if status in (503, 429):
                    time.sleep(0.2)
                    continue
                came[i] = (status, answer)
                break

    senders = [threading.Thread(target=send, args=(range(k, asked.texts, 8),)) for k in range(8)]
    for sender in senders:
        sender.start()
    for _ in range(asked.kills):
        time.sleep(rng.uniform(0.05, 2.0))
        server.kill()
        server.start()
    for sender in senders:
        sender.join()
    while True:
        _, told = get("/api/season")
        if told["counts"]["queued"] == 0:
            break
        time.sleep(0.2)
    _, shown = get("/api/leaderboard?limit=1000")
    server.kill()
    killed = {r["sequence"]: (r["score"], r["specificity"], r["coherence"]) for r in shown["entries"]}
    assert len(killed) == len(shown["entries"]), "a text is there twice"
    exported = folder / "calm.jsonl"
    run("arena", "export", "--dir", folder / "calm", "--out", exported)
    calm = {}
    for line in exported.read_text().splitlines():
        row = json.loads(line)
        calm[row["text"]] = (row["score"], row["z"], row["coherence"])
    assert len(calm) == asked.texts, "every text was taken over"
    lost = [i for i, (t, _, _) in enumerate(all_texts) if t not in killed and came[i][0] == 202]
    refused = [i for i, (t, _, _) in enumerate(all_texts) if t not in killed]
    twins = [i for i, (_, _, twin) in enumerate(all_texts) if twin is not None]
    differ = [t for t in killed if killed[t] != calm[t]]
    near = sum(1 for i in refused if came[i][0] == 409 and came[i][1].get("exact") is False)
    print(
        f"killed {asked.kills} times: {len(killed)} entries, lost {len(lost)}, twice 0, scores that differ {len(differ)}; "
        f"{len(refused)} refused, {near} of them as near copies; {len(twins)} twins were planted"
    )
    assert not lost and not differ and near == len(refused)
    run("arena", "report", "--dir", folder / "calm", "--out", folder / "report.json", "--report", folder / "report", "--quiet", *on)
    print(f"report: {folder / 'report/report.html'}")


main()
