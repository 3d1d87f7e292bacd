"""Hugging Face transformers on the same weights and token ids, as a peer of `truenorth bench`.

Reads by the usual idiom, or tuned, which sorts prompts by length and stops at the block. Follows serve.py
and torch_peer.py; needs torch, transformers and gguf.
"""


class Stop(Exception):
    """Ends a pass at a block."""


@torch.inference_mode()
def read(model, request):
    tuned = request["tuned"]
    prompts, batch = request["prompts"], request["batch"]
    return (stopped if tuned else kept)(model, prompts, batch, request["layer"])


def kept(model, prompts, batch, layer):
    """The usual idiom: a padded batch, every hidden state kept, the last token picked out."""
    total = 0.0
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        ids, mask = padded(part, "right")
        out = model(ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
        hidden = out.hidden_states[layer + 1]
        last = hidden[torch.arange(len(part)), mask.sum(1) - 1].float()
        total += last.norm(dim=1).sum().item()
    return total


def stopped(model, prompts, batch, layer):
    """Like lengths together, and nothing computed after the block."""
    prompts, total = sorted(prompts, key=len), 0.0
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        ids, mask = padded(part, "right")

        def stop(_, __, result):
            raise Stop(output(result))

        handle = blocks(model)[layer].register_forward_hook(stop)
        try:
            model(ids, attention_mask=mask, use_cache=False)
        except Stop as found:
            last = found.args[0][torch.arange(len(part)), mask.sum(1) - 1].float()
            total += last.norm(dim=1).sum().item()
        finally:
            handle.remove()
    return total


def blocks(model):
    inner = model.base_model
    return inner.layers if hasattr(inner, "layers") else inner.h


@torch.inference_mode()
def decode(model, request):
    ids, mask = padded(request["prompts"], "left")
    steps = request["steps"]
    direction = pushed(model, request["alpha"])

    def steer(_, __, result):
        x = output(result) + direction
        return (x, *result[1:]) if isinstance(result, tuple) else x

    handle = blocks(model)[request["layer"]].register_forward_hook(steer)
    try:
        out = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=steps,
            min_new_tokens=steps,
            do_sample=False,
            pad_token_id=0,
        )
    finally:
        handle.remove()
    return float(out[:, -steps:].sum().item())


start(load, f"transformers {transformers.__version__}", read, decode)
