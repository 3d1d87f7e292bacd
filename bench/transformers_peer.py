"""The peer of `truenorth bench`: Hugging Face transformers on the same weights and token ids.

Speaks JSON lines. A request {"op": "read", "prompts": [[ids]], "layer": L, "batch": B} reads the
last token of block L's output; {"op": "decode", "prompts": [[ids]], "steps": N} generates N tokens
greedily. Each is answered with {"seconds": t} and a small check value, so that both sides can be
seen to have done the same work. Needs torch, transformers and gguf.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def load(path, dtype):
    transformers.logging.set_verbosity_error()
    if path.endswith(".gguf"):
        folder, name = os.path.split(os.path.abspath(path))
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype)
    else:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    return model.eval()


def padded(prompts, side):
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        at = slice(longest - len(prompt), longest) if side == "left" else slice(0, len(prompt))
        ids[row, at] = torch.tensor(prompt)
        mask[row, at] = 1
    return ids, mask


@torch.inference_mode()
def read(model, request):
    """The usual idiom: a padded batch, every hidden state kept, the last token picked out."""
    total = 0.0
    prompts, batch = request["prompts"], request["batch"]
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        ids, mask = padded(part, "right")
        out = model(ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        hidden = out.hidden_states[request["layer"] + 1]
        last = hidden[torch.arange(len(part)), mask.sum(1) - 1].float()
        total += last.norm(dim=1).sum().item()
    return total


@torch.inference_mode()
def decode(model, request):
    ids, mask = padded(request["prompts"], "left")
    steps = request["steps"]
    out = model.generate(
        ids,
        attention_mask=mask,
        max_new_tokens=steps,
        min_new_tokens=steps,
        do_sample=False,
        pad_token_id=0,
    )
    return float(out[:, -steps:].sum().item())


def main():
    path, dtype, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    model = load(path, getattr(torch, dtype))
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    print(json.dumps({"ready": versions}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        work = {"read": read, "decode": decode}[request["op"]]
        start = time.perf_counter()
        check = work(model, request)
        print(json.dumps({"seconds": time.perf_counter() - start, "check": check}), flush=True)


if __name__ == "__main__":
    main()
