"""What the peers on torch share. Stands before each of them, after serve.py."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402


def weights(path):
    """What transformers calls a folder, or a GGUF file in one."""
    if path.endswith(".gguf"):
        folder, name = os.path.split(os.path.abspath(path))
        return {"pretrained_model_name_or_path": folder, "gguf_file": name}
    return {"pretrained_model_name_or_path": path}


def load(path, dtype):
    transformers.logging.set_verbosity_error()
    return AutoModelForCausalLM.from_pretrained(**weights(path), dtype=dtype).eval()


def padded(prompts, side):
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        at = slice(longest - len(prompt), longest) if side == "left" else slice(0, len(prompt))
        ids[row, at] = torch.tensor(prompt)
        mask[row, at] = 1
    return ids, mask


def output(result):
    return result[0] if isinstance(result, tuple) else result


def pushed(model, alpha):
    """What steering adds to every row."""
    direction = torch.zeros(model.config.hidden_size, dtype=model.dtype)
    direction[0] = alpha
    return direction


def start(prepare, name, read, decode):
    path, dtype, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])  # noqa: F821
    torch.set_num_threads(threads)
    model = prepare(path, getattr(torch, dtype))
    ops = {"read": read, "decode": decode}

    def work(request):
        return lambda: ops[request["op"]](model, request)

    serve(f"{name}, torch {torch.__version__}", work)  # noqa: F821


