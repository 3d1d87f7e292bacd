"""The peer of `truenorth bench`: nnsight on the same weights and token ids, the model in its own process.

Speaks JSON lines as transformers_peer.py does. Reading saves the last token of a block's output and stops
there; steering adds to the block's output at every step of `generate`. Needs torch, transformers, gguf
and nnsight.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import nnsight  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from nnsight import TransformersModel  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402


def load(path, dtype):
    transformers.logging.set_verbosity_error()
    name = {}
    if path.endswith(".gguf"):
        path, name["gguf_file"] = os.path.split(os.path.abspath(path))
    model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **name)
    tokenizer = AutoTokenizer.from_pretrained(path, **name)
    return TransformersModel(model.eval(), tokenizer=tokenizer, task="text-generation")


def padded(prompts, side):
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        at = slice(longest - len(prompt), longest) if side == "left" else slice(0, len(prompt))
        ids[row, at] = torch.tensor(prompt)
        mask[row, at] = 1
    return {"input_ids": ids, "attention_mask": mask}


@torch.inference_mode()
def read(model, request):
    prompts, batch, total = sorted(request["prompts"], key=len), request["batch"], 0.0
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        inputs = padded(part, "right")
        ends = inputs["attention_mask"].sum(1) - 1
        with model.trace(inputs, use_cache=False) as tracer:
            output = model.model.layers[request["layer"]].output
            hidden = output[0] if isinstance(output, tuple) else output
            last = hidden[torch.arange(len(part)), ends].save()
            tracer.stop()
        total += last.float().norm(dim=1).sum().item()
    return total


@torch.inference_mode()
def decode(model, request):
    inputs, steps = padded(request["prompts"], "left"), request["steps"]
    direction = torch.zeros(model.config.hidden_size, dtype=model.dtype)
    direction[0] = request["alpha"]
    with model.generate(
        inputs, max_new_tokens=steps, min_new_tokens=steps, do_sample=False, pad_token_id=0
    ) as tracer:
        for _ in tracer.iter[0:steps]:
            output = model.model.layers[request["layer"]].output
            hidden = output[0] if isinstance(output, tuple) else output
            hidden[:] = hidden + direction
        out = tracer.result.save()
    return float(out[:, -steps:].sum().item())


def main():
    path, dtype, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    model = load(path, getattr(torch, dtype))
    print(json.dumps({"ready": f"nnsight {nnsight.__version__}, torch {torch.__version__}"}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        work = {"read": read, "decode": decode}[request["op"]]
        start = time.perf_counter()
        check = work(model, request)
        print(json.dumps({"seconds": time.perf_counter() - start, "check": check}), flush=True)


if __name__ == "__main__":
    main()
