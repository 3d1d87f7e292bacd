"""Opens folders with an edit in their weights in transformers, and compares with what the runtime edit came to.

    python tests/edits/baked.py CASES.json

CASES.json is a list of {folder, prompts, logits, tokens, within}: the folder that was written, token ids, the logits after
every token of each prompt and the greedy tokens of this program's edit of the original while it runs. Says how far each
is; exit code 1 where one is further than it may be, or where greedy tokens differ that are no near tie.
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM

# Two tokens whose logits are closer than this, as a share of the largest, may come out either way.
TIE = 1e-3


def greedy(model, ids, count):
    """The tokens, and where the first of them was nearly tied."""
    out, tied = [], None
    for step in range(count):
        logits = model(torch.tensor([ids + out]), use_cache=False).logits[0, -1].float()
        top = logits.topk(2)
        if tied is None and (top.values[0] - top.values[1]) / logits.abs().max() < TIE:
            tied = step
        out.append(int(top.indices[0]))
    return out, tied


def check(case):
    # As it is stored: what is measured is the folder, with its own type.
    model = AutoModelForCausalLM.from_pretrained(case["folder"], dtype=torch.float32, attn_implementation="eager").eval()
    worst, agreed = 0.0, 0
    with torch.no_grad():
        for ids, want, tokens in zip(case["prompts"], case["logits"], case["tokens"]):
            got = model(torch.tensor([ids]), use_cache=False).logits[0].float()
            want = torch.tensor(want).reshape(got.shape)
            worst = max(worst, ((got - want).abs().max() / want.abs().max()).item())
            if case["within"] <= 1e-4:
                have, tied = greedy(model, ids, len(tokens))
                kept = len(tokens) if tied is None else tied
                if have[:kept] != tokens[:kept]:
                    print(f"{case['name']}: greedy tokens {have} in transformers, {tokens} here")
                    return False
                agreed += kept
    print(f"{case['name']}: logits within {worst:.1e}, {agreed} greedy tokens equal")
    return worst < case["within"]


def main():
    cases = json.load(open(sys.argv[1]))
    print("transformers", transformers.__version__)
    return 0 if all([check(case) for case in cases]) else 1


if __name__ == "__main__":
    sys.exit(main())
