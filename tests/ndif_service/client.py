"""nnsight's own client, pointed at the service, for a model that the hub does not have."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "nnsight_service"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("NNSIGHT_CONFIG", os.devnull)

ATTENTION = "sdpa"  # what a service loads a model with


def connect(url, key):
    from nnsight.schema.config import CONFIG

    CONFIG.API.HOST, CONFIG.API.APIKEY = url, key
    CONFIG.APP.REMOTE_LOGGING = False


def named(model, repo_id):
    """Gives a model of a folder the name that it has on the service."""
    import models
    from nnsight.modeling import huggingface

    model.repo_id = repo_id
    # Asked from the hub otherwise.
    huggingface._ID_CACHE[repo_id] = repo_id
    assert model.to_model_key() == models.key_of(repo_id)
    return model


def outline(pair, attention=ATTENTION):
    """A model without weights from `REPO_ID=FOLDER`; configuration and tokenizer are enough."""
    from nnsight.modeling.transformers import TransformersModel
    from transformers import AutoTokenizer

    repo_id, _, folder = pair.partition("=")
    given = {"tokenizer": AutoTokenizer.from_pretrained(folder), "attn_implementation": attention}
    return named(TransformersModel(folder, task="text-generation", **given), repo_id)


def blocks(model):
    """The path of a model's list of blocks."""
    for path in ("model.layers", "transformer.h", "gpt_neox.layers"):
        owner = model
        for part in path.split("."):
            owner = getattr(owner, part, None)
            if owner is None:
                break
        else:
            return path
    raise ValueError("this model's blocks are not where those of other families are")
