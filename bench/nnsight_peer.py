"""nnsight on the same weights and token ids, the model in its own process, as a peer of `truenorth bench`.

Reading saves the last token of a block's output and stops there; steering adds to the block's output at
every step of `generate`. Follows serve.py and torch_peer.py; needs torch, transformers, gguf and nnsight.
"""

import nnsight
from nnsight import TransformersModel
from transformers import AutoTokenizer


def wrapped(path, dtype):
    tokenizer = AutoTokenizer.from_pretrained(**weights(path))
    return TransformersModel(load(path, dtype), tokenizer=tokenizer, task="text-generation")


def inputs(prompts, side):
    ids, mask = padded(prompts, side)
    return {"input_ids": ids, "attention_mask": mask}


@torch.inference_mode()
def read(model, request):
    prompts, batch, total = sorted(request["prompts"], key=len), request["batch"], 0.0
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        given = inputs(part, "right")
        ends = given["attention_mask"].sum(1) - 1
        with model.trace(given, use_cache=False) as tracer:
            hidden = output(model.model.layers[request["layer"]].output)
            last = hidden[torch.arange(len(part)), ends].save()
            tracer.stop()
        total += last.float().norm(dim=1).sum().item()
    return total


@torch.inference_mode()
def decode(model, request):
    given, steps = inputs(request["prompts"], "left"), request["steps"]
    direction = pushed(model, request["alpha"])
    with model.generate(
        given, max_new_tokens=steps, min_new_tokens=steps, do_sample=False, pad_token_id=0
    ) as tracer:
        for _ in tracer.iter[0:steps]:
            hidden = output(model.model.layers[request["layer"]].output)
            hidden[:] = hidden + direction
        out = tracer.result.save()
    return float(out[:, -steps:].sum().item())


start(wrapped, f"nnsight {nnsight.__version__}", read, decode)
