"""What users of nnsight write for two pieces of work, and what it moves and takes.

    python plain.py URL KEY REPO_ID=FOLDER LAYER WORK.json OUT

WORK.json has `prompts` (texts: one trace, the last token of a block's output saved), and `probes`
and `sequences` (texts: one trace a sequence, of that sequence before every probe, once as a job
each and once all in one session). FOLDER needs only the configuration and the tokenizer; weights
are on the service. Prints one JSON object; what was read goes to OUT (safetensors).

`ready_s` runs from the start of the trace to the payload in hand, `decode_s` from the downloaded
bytes to arrays; memory is the most that was resident, in bytes, and how much of it was there once
the libraries were loaded and the model known. Bytes are those that the service counted.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NNSIGHT_CONFIG", os.devnull)


def resident():
    with open("/proc/self/status", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


class Clock:
    """Times the two ends of nnsight's remote backend."""

    def __init__(self, backend):
        self.begun, self.ready, self.decoded = 0.0, [], []
        post, finalize = backend._post, backend.finalize

        def timed_post(itself, request, blob):
            self.ready.append(time.perf_counter() - self.begun)
            return post(itself, request, blob)

        def timed_finalize(itself, content):
            begun = time.perf_counter()
            result = finalize(itself, content)
            self.decoded.append(time.perf_counter() - begun)
            return result

        backend._post, backend.finalize = timed_post, timed_finalize

    def start(self):
        self.begun = time.perf_counter()


def main(url, key, pair, layer, work, out):
    repo_id, _, folder = pair.partition("=")
    layer = int(layer)
    with open(work, encoding="utf-8") as file:
        work = json.load(file)
    import httpx
    import nnsight
    import torch
    from nnsight.intervention.backends.remote import RemoteBackend
    from nnsight.modeling import huggingface
    from nnsight.modeling.transformers import TransformersModel
    from nnsight.schema.config import CONFIG
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    CONFIG.API.HOST, CONFIG.API.APIKEY = url, key
    CONFIG.APP.REMOTE_LOGGING = False
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = TransformersModel(
        folder, task="text-generation", tokenizer=tokenizer, attn_implementation="eager"
    )
    model.repo_id = repo_id
    huggingface._ID_CACHE[repo_id] = repo_id
    loaded = resident()
    clock = Clock(RemoteBackend)
    figures, read = {}, {}

    def measured(name, run):
        httpx.post(f"{url}/test/reset").raise_for_status()
        clock.ready.clear()
        clock.decoded.clear()
        begun = time.perf_counter()
        read[name] = run()
        counts = httpx.get(f"{url}/test/counts").json()["jobs"]
        figures[name] = {
            "jobs": len(counts),
            "payload_bytes": sum(job["payload_bytes"] for job in counts),
            "sent_bytes": sum(job["received"] for job in counts),
            "result_bytes": sum(job["result_bytes"] for job in counts),
            "received_bytes": sum(job["sent"] for job in counts),
            "ready_s": sum(clock.ready),
            "decode_s": sum(clock.decoded),
            "service_s": sum(job["seconds"] for job in counts),
            "whole_s": time.perf_counter() - begun,
        }

    def last_token():
        clock.start()
        with model.trace(work["prompts"], remote=True):
            hidden = model.model.layers[layer].output[:, -1].save()
        return hidden

    def a_job_each():
        rows = []
        for sequence in work["sequences"]:
            clock.start()
            with model.trace([f"{sequence} {probe}" for probe in work["probes"]], remote=True):
                hidden = model.model.layers[layer].output[:, -1].save()
            rows.append(hidden)
        return torch.stack(rows)

    def one_session():
        clock.start()
        sequences, probes = work["sequences"], work["probes"]
        with model.session(remote=True):
            rows = nnsight.save([])
            for sequence in sequences:
                with model.trace([f"{sequence} {probe}" for probe in probes]):
                    hidden = model.model.layers[layer].output[:, -1]
                rows.append(hidden)
        return torch.stack(rows)

    # The first call also looks through the environment, once a process.
    begun = time.perf_counter()
    last_token()
    first_s = time.perf_counter() - begun
    measured("last_token", last_token)
    measured("probes_jobs", a_job_each)
    measured("probes_session", one_session)
    # A job of its own each, and all in one: the same numbers.
    torch.testing.assert_close(read["probes_jobs"], read["probes_session"])
    save_file({name: value.detach().contiguous() for name, value in read.items()}, out)
    memory = {"loaded": loaded, "peak": resident()}
    print(json.dumps({"work": figures, "memory_bytes": memory, "first_s": first_s}))


if __name__ == "__main__":
    main(*sys.argv[1:])
