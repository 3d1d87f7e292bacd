"""Loading what the service hosts, and the small models that the tests host.

    python models.py families OUT [FAMILY ...]

copies folders of fixtures/families to OUT, each with a tokenizer beside it: hosted models always
have one. Its words are the numbers of the vocabulary, so every text of ids can be told at sight.

    python models.py outline FILE.gguf OUT

writes what nnsight's client needs to know of a model that it does not load: configuration and
tokenizer.
"""

import json
import os
import pathlib
import shutil
import sys

FAMILIES = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "families"
UNKNOWN, BEGIN, END = 0, 1, 2


def tokenizer_json(size):
    """A tokenizer of words `0` to `size - 1`, parted by spaces."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {str(token): token for token in range(size)},
            "unk_token": str(UNKNOWN),
        },
    }


def copy_family(name, out):
    folder = out / name
    if (folder / "tokenizer_config.json").exists():
        return
    shutil.copytree(FAMILIES / name, folder, dirs_exist_ok=True)
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(size)))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": str(UNKNOWN),
        "bos_token": str(BEGIN),
        "eos_token": str(END),
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def key_of(repo_id, revision=None):
    """How nnsight spells the model; services compare it as text."""
    suffix = {"repo_id": repo_id, "revision": revision, "task": "text-generation"}
    return f"nnsight.modeling.transformers.TransformersModel:{json.dumps(suffix)}"


def load(source, attention):
    """An nnsight model in f32 from a Hugging Face folder or a GGUF file (dequantized)."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    import torch
    import transformers
    from nnsight.modeling.transformers import TransformersModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder, extra = os.path.abspath(source), {}
    if source.endswith(".gguf"):
        folder, extra["gguf_file"] = os.path.split(folder)
    module = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, **extra
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, **extra)
    return TransformersModel(module, task="text-generation", tokenizer=tokenizer)


def outline(source, out):
    from transformers import AutoConfig, AutoTokenizer

    folder, name = os.path.split(os.path.abspath(source))
    AutoConfig.from_pretrained(folder, gguf_file=name).save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)


def main(what, *rest):
    if what == "outline":
        outline(*rest)
    else:
        out, *names = rest
        for name in names or sorted(path.name for path in FAMILIES.iterdir() if path.is_dir()):
            copy_family(name, pathlib.Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
