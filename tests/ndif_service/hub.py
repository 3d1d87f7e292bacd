"""A hub cache of links to the folders that are hosted, so that the package's own loading by
repository name finds them, without a network."""

import hashlib
import json
import sys
from pathlib import Path

REVISION = "0" * 40


def link(hub, repo_id, folder):
    """`hub/models--ORG--NAME/{refs/main, snapshots/<revision>/…}`, as the hub's client lays it out."""
    folder = Path(folder).resolve()
    if not (folder / "config.json").exists():
        sys.exit(f"{repo_id}: {folder} has no config.json; a folder of a Hugging Face model is needed")
    root = hub / "hub" / ("models--" + repo_id.replace("/", "--"))
    snapshot = root / "snapshots" / REVISION
    snapshot.mkdir(parents=True, exist_ok=True)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(REVISION)
    for old in snapshot.iterdir():
        old.unlink()
    for file in folder.iterdir():
        # The references beside the fixtures' models are no part of a model.
        if file.is_file() and not file.name.startswith("reference"):
            (snapshot / file.name).symlink_to(file)


def from_gguf(source, cache):
    """A folder with the model of a GGUF file in f32, made once a file."""
    source = Path(source).resolve()
    stat = source.stat()
    name = hashlib.sha256(f"{source}\n{stat.st_size}\n{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    out = cache / f"{source.stem}-{name}"
    if (out / "made").exists():
        return out
    import torch
    import transformers
    from safetensors.torch import save_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    given = {"gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **given)
    # Its weights are in f32 by now; transformers would not write what was once quantized.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.save_pretrained(out)
    model.generation_config.save_pretrained(out)
    save_model(model, str(out / "model.safetensors"), metadata={"format": "pt"})
    AutoTokenizer.from_pretrained(source.parent, **given).save_pretrained(out)
    (out / "made").write_text(str(source))
    return out


def parameters(folder):
    """How many numbers its safetensors files hold, read off their headers."""
    total = 0
    for file in Path(folder).glob("model*.safetensors"):
        with open(file, "rb") as data:
            header = json.loads(data.read(int.from_bytes(data.read(8), "little")))
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for axis in tensor["shape"]:
                    size *= axis
                total += size
    return total
