"""The idioms of the book's pages for those who come from TransformerLens, nnsight and repeng, each beside ours.

    python check.py PROGRAM MODEL WORK

MODEL is a folder with config.json and safetensors; WORK a folder to write into. Reads, additions and control vectors of each
package are held against what the program writes, greedy tokens exactly and numbers within 1e-4 of the largest.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

# repeng 0.4.0 was written for NumPy 1.
np.float_ = np.float64

import gguf
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

PROGRAM, MODEL, WORK = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
PROMPTS = [[29, 13, 38], [18, 36, 62, 16, 18, 23, 21], [49, 21, 13, 61, 12, 28, 54, 51]]
LAYER, TOKENS = 1, 8


def ours(*args):
    done = subprocess.run([PROGRAM, *map(str, args)], cwd=WORK, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{args}\n{done.stderr}")
    return done.stdout


def close(what, got, want):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    far = np.abs(got - want).max() / np.abs(want).max()
    print(f"{what}: {far:.1e} of the largest")
    if got.shape != want.shape or not far < 1e-4:
        sys.exit(f"{what}: {got.shape} and {want.shape}, {far}")


def same(what, got, want):
    print(f"{what}: {'the same' if got == want else 'other'} tokens")
    if got != want:
        sys.exit(f"{what}:\n{got}\n{want}")


def model_folder():
    """The model with a tokenizer of a word per token, which the packages want to see."""
    folder = WORK / "model"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((MODEL / name).read_bytes())
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(size)}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="w1", eos_token="w2", pad_token="w2", unk_token="w0"
    ).save_pretrained(folder)
    return folder


def read(site):
    out = WORK / "read.safetensors"
    ours("read", "--model", WORK / "model", "--input", "prompts.jsonl", "--site", site, "--out", out, "--no-cache")
    return load_file(out)[site]


def steer(direction, alpha, unit):
    out = WORK / "steered.jsonl"
    ours(
        "steer", "--model", WORK / "model", "--direction", direction, "--input", "prompts.jsonl", f"--alpha={alpha}", "--alpha-unit", unit,
        "--max-new-tokens", TOKENS, "--ignore-eos", "--no-damage", "--no-cache", "--out", out,
    )
    return [json.loads(line)["tokens"] for line in out.read_text().splitlines()]


def transformer_lens(folder, vector, alpha):
    from transformer_lens import TransformerBridge

    model = TransformerBridge.boot_transformers(str(folder), device="cpu")
    name = f"blocks.{LAYER}.hook_resid_post"
    with torch.no_grad():
        rows = []
        for prompt in PROMPTS:
            _, cache = model.run_with_cache(torch.tensor([prompt]))
            rows.append(cache[name][0, -1].numpy())
        close("TransformerLens, cache of hook_resid_post", read(f"resid_post.{LAYER}"), rows)

        def add(residual, hook):
            return residual + alpha * torch.tensor(vector)

        found = []
        for prompt in PROMPTS:
            tokens = list(prompt)
            for _ in range(TOKENS):
                logits = model.run_with_hooks(torch.tensor([tokens]), fwd_hooks=[(name, add)])
                tokens.append(int(logits[0, -1].argmax()))
            found.append(tokens[len(prompt) :])
    same("TransformerLens, run_with_hooks", steer("d.safetensors", alpha, "absolute"), found)


def nnsight(folder, vector, alpha):
    from nnsight import LanguageModel

    model = LanguageModel(str(folder), device_map="cpu", dispatch=True)
    rows, logits = [], []
    for prompt in PROMPTS:
        with model.trace(torch.tensor([prompt])):
            out = model.model.layers[LAYER].output
            hidden = (out[0] if isinstance(out, tuple) else out)[..., -1, :].save()
        rows.append(hidden.detach().numpy().reshape(-1))
        with model.trace(torch.tensor([prompt])):
            out = model.model.layers[LAYER].output
            hidden = out[0] if isinstance(out, tuple) else out
            hidden[:] = hidden + alpha * torch.tensor(vector)
            last = model.lm_head.output[..., -1, :].argmax(-1).save()
        logits.append(int(last))
    close("nnsight, output of a layer", read(f"resid_post.{LAYER}"), rows)
    same("nnsight, an addition to it", [t[0] for t in steer("d.safetensors", alpha, "absolute")], logits)


def repeng(folder, vector, alpha):
    from repeng import ControlModel, ControlVector

    # Ours to repeng.
    ours("direction", "export", "d.safetensors", "--out", "ours.gguf")
    theirs = ControlVector.import_gguf(WORK / "ours.gguf")
    close("repeng, import_gguf of what we export", theirs.directions[LAYER], vector)
    # repeng's to us.
    long = (3.0 * vector).astype(np.float32)
    ControlVector(model_type="llama", directions={LAYER: long}).export_gguf(str(WORK / "theirs.gguf"))
    ours("direction", "import", "theirs.gguf", "--sign", "more", "--out", "theirs.safetensors")
    with safe_open(WORK / "theirs.safetensors", "np") as file:
        close("repeng, export_gguf that we import", file.get_tensor("direction"), vector)
        site = file.metadata()["site"]
    if site != f"resid_post.{LAYER}":
        sys.exit(f"the site of direction.{LAYER} is {site}")
    model = ControlModel(AutoModelForCausalLM.from_pretrained(folder), [LAYER])
    model.set_control(ControlVector(model_type="llama", directions={LAYER: long}), alpha / 3.0)
    found = []
    with torch.no_grad():
        for prompt in PROMPTS:
            tokens = list(prompt)
            for _ in range(TOKENS):
                tokens.append(int(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
            found.append(tokens[len(prompt) :])
    same("repeng, set_control", steer("theirs.safetensors", alpha / 3.0, "raw"), found)


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"id": i, "tokens": tokens}) for i, tokens in enumerate(PROMPTS)]
    (WORK / "prompts.jsonl").write_text("\n".join(rows) + "\n")
    folder = model_folder()
    width = json.loads((MODEL / "config.json").read_text())["hidden_size"]
    vector = np.random.default_rng(0).standard_normal(width).astype(np.float32)
    vector /= np.linalg.norm(vector)
    np.save(WORK / "d.npy", vector)
    ours("direction", "import", "d.npy", "--site", f"resid_post.{LAYER}", "--sign", "more", "--out", "d.safetensors")
    for package in (transformer_lens, nnsight, repeng):
        package(folder, vector, 4.0)
    assert gguf.GGUFReader(WORK / "theirs.gguf").tensors


main()
