"""What users of nnsight write for five pieces of work, and what it moves on this service.

    python idioms.py URL KEY REPO_ID=FOLDER LAYER WORK.json [VERB ...]

WORK.json has `prompts`, `probes` and `sequences` (texts), and `layers`. The verbs are read (the last token
of every prompt at one layer), steer (8 tokens for each of the first 4 prompts, a direction added at that
layer all along), score (every probe after every sequence, a trace a sequence, all in one session), probe
(as read, at all layers in one trace) and sweep (a session of what probe does, and of what steer does at
every layer with the direction added and taken away). FOLDER needs only configuration and tokenizer;
weights are on the service. Prints one JSON object: bytes and frames across the runner's socket, by
direction and kind; bytes from and to the client; seconds.
"""

import collections
import json
import sys

import client

TOKENS, STEERED = 8, 4


def main(url, key, pair, layer, work, *verbs):
    with open(work, encoding="utf-8") as file:
        work = json.load(file)
    client.connect(url, key)
    model = client.outline(pair)
    block = f"{client.blocks(model)}.{layer}"
    work["blocks"] = [f"{client.blocks(model)}.{layer}" for layer in work.get("layers", ())]
    written = {"read": read, "steer": steer, "score": score, "probe": probe, "sweep": sweep}
    print(json.dumps({verb: moved(url, written[verb], model, block, work) for verb in verbs or written}))


def moved(url, run, model, block, work):
    import httpx

    httpx.post(f"{url}/test/reset").raise_for_status()
    run(model, block, work)
    jobs = httpx.get(f"{url}/test/jobs").json()
    wire = collections.defaultdict(lambda: [0, 0])
    for job in jobs:
        for kind, (frames, size) in job["wire"].items():
            wire[kind][0] += frames
            wire[kind][1] += size
    names = ("wire_frames", "wire_bytes", "received", "sent", "result_bytes", "seconds", "runner_s")
    return {"jobs": len(jobs), **{name: sum(job[name] for job in jobs) for name in names}, "wire": wire}


def read(model, block, work):
    with model.trace(work["prompts"], remote=True):
        hidden = model.get(block).output[:, -1].save()
    return hidden


def steer(model, block, work):
    import torch

    direction = torch.zeros(model.config.hidden_size)
    direction[0] = 1.0
    with model.generate(
        work["prompts"][:STEERED], max_new_tokens=TOKENS, do_sample=False, remote=True
    ) as tracer:
        for _ in tracer.iter[:TOKENS]:
            model.get(block).output[:] = model.get(block).output + direction
        ids = tracer.result.save()
    return ids


def score(model, block, work):
    import nnsight

    with model.session(remote=True):
        rows = nnsight.save([])
        for sequence in work["sequences"]:
            with model.trace([f"{sequence} {probe}" for probe in work["probes"]]):
                hidden = model.get(block).output[:, -1]
            rows.append(hidden)
    return rows


def probe(model, _, work):
    import nnsight

    with model.trace(work["prompts"], remote=True):
        found = nnsight.save([])
        for block in work["blocks"]:
            found.append(model.get(block).output[:, -1])
    return found


def sweep(model, _, work):
    import nnsight
    import torch

    prompts, blocks, signs = work["prompts"], work["blocks"], (-1.0, 1.0)
    direction = torch.zeros(model.config.hidden_size)
    direction[0] = 1.0
    with model.session(remote=True):
        found = nnsight.save([])
        with model.trace(prompts):
            for block in blocks:
                found.append(model.get(block).output[:, -1])
        for block in blocks:
            for sign in signs:
                with model.generate(prompts[:STEERED], max_new_tokens=TOKENS, do_sample=False) as tracer:
                    for _ in tracer.iter[:TOKENS]:
                        model.get(block).output[:] = model.get(block).output + sign * direction
                    ids = tracer.result.save()
                found.append(ids)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
