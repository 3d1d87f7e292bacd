"""Another user of the same model, whose request changes how it attends for whoever comes next.

    python another_user.py URL KEY REPO_ID=FOLDER ask [ATTENTION]
    python another_user.py URL KEY REPO_ID=FOLDER show

`ask` sends one job by nnsight's own client with `env={"attn_implementation": ATTENTION}` (eager). A
service applies that to the model that all share and leaves it so: a client that sends no `env` then
reads other numbers than before. `show` reads before and after, once without `env` and once with one,
and prints the greatest difference of each, relative to the greatest number.
"""

import json
import sys

import client


def read(model, key, env):
    """The last block's output for the last token of two prompts, in float32."""
    from nnsight.intervention.backends.remote import RemoteBackend

    path, last = client.blocks(model), len(model.get(client.blocks(model))) - 1
    backend = RemoteBackend(model.to_model_key(), api_key=key, env=env)
    with model.trace(["3 4 5 6 7 8 9 10", "7 8 9"], backend=backend):
        hidden = model.get(f"{path}.{last}").output[:, -1].clone().save()
    return hidden.float()


def main(url, key, pair, what, attention="eager"):
    client.connect(url, key)
    model = client.outline(pair)
    asked = {"attn_implementation": attention}
    if what == "ask":
        read(model, key, asked)
        return
    ours = {"attn_implementation": client.ATTENTION}
    differences = {}
    for name, env in (("without env", {}), ("with env", ours)):
        # As the service is before anybody asks for anything.
        read(model, key, ours)
        before = read(model, key, env)
        read(model, key, asked)
        after = read(model, key, env)
        differences[name] = float((after - before).abs().max() / before.abs().max())
    read(model, key, ours)
    print(json.dumps(differences))


if __name__ == "__main__":
    main(*sys.argv[1:])
