"""Judges the service by nnsight's own client: what its users write has to work and be right.

    python check.py URL KEY REPO_ID=FOLDER

Traces, generates, runs sessions, polls and fails over the network, and compares each answer with
the same block run in this process. Exits with an error where one differs.
"""

import sys
import time

import models


def close(a, b):
    import torch

    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def main(url, key, pair):
    import httpx

    for inline in (0, 1 << 20):
        httpx.post(f"{url}/test/settings", json={"inline": inline}).raise_for_status()
        judge(url, key, pair)
    print("nnsight's own client is served right")


def judge(url, key, pair):
    repo_id, _, folder = pair.partition("=")
    import nnsight
    import torch
    from nnsight.intervention.backends.remote import RemoteBackend, RemoteError
    from nnsight.modeling import huggingface
    from nnsight.schema.config import CONFIG

    CONFIG.API.HOST, CONFIG.API.APIKEY = url, key
    CONFIG.APP.REMOTE_LOGGING = False
    torch.manual_seed(0)
    model = models.load(folder, "eager")
    # The repository's name is asked from the hub; this one is not there.
    model.repo_id = repo_id
    huggingface._ID_CACHE[repo_id] = repo_id
    assert model.to_model_key() == models.key_of(repo_id)
    path = "transformer.h" if hasattr(model, "transformer") else "model.layers"
    prompts = ["3 4 5", "7 8 9 10 11"]

    def block(at):
        return model.get(f"{path}.{at}")

    # nnsight reads a block's own source, so a local twin of each remote block has to be written out.
    with model.trace(prompts, remote=True):
        far = block(1).output[:, -1].save()
    with model.trace(prompts):
        near = block(1).output[:, -1].save()
    close(far, near)
    vector = torch.randn(far.shape[-1]) * 3
    with model.generate(prompts, max_new_tokens=4, do_sample=False, remote=True) as tracer:
        for _ in tracer.iter[:4]:
            block(1).output[:] = block(1).output + vector
        ids = tracer.result.save()
    with model.generate(prompts, max_new_tokens=4, do_sample=False) as tracer:
        for _ in tracer.iter[:4]:
            block(1).output[:] = block(1).output + vector
        same = tracer.result.save()
    assert torch.equal(ids, same), (ids, same)
    with model.session(remote=True):
        with model.trace(prompts[0]):
            first = block(0).output[:, -1]
        with model.trace(prompts[1]):
            block(0).output[:, -1] = first
            patched = model.lm_head.output[:, -1].save()
        print("seen on the service")
    with model.trace(prompts[1]):
        plain = model.lm_head.output[:, -1].save()
    assert patched.shape == plain.shape and not torch.equal(patched, plain)
    with model.trace(prompts, remote=True, blocking=False) as tracer:
        polled = block(1).output[:, -1].save()
    backend, result = tracer.backend, None
    for _ in range(200):
        result = backend()
        if result is not None:
            break
        time.sleep(0.05)
    close(result["polled"], near)
    try:
        with model.trace(prompts, remote=True):
            lost = block(0).output.no_such_thing.save()
    except RemoteError as error:
        assert "no_such_thing" in str(error), error
    else:
        raise AssertionError("a wrong block was answered")
    try:
        backend = RemoteBackend(model.to_model_key(), api_key="wrong")
        with model.trace(prompts, backend=backend):
            lost = block(0).output.save()
    except Exception as error:
        assert "401" in str(error), error
    else:
        raise AssertionError("a wrong key was taken")
    assert nnsight.ndif.whoami()["email"] == "someone@example.org"
    deployed = nnsight.ndif.status()
    assert repo_id in deployed and deployed[repo_id]["state"] == "RUNNING", deployed
    assert deployed[repo_id]["hot_replicas"] == 1 and "org/cold" not in deployed
    assert nnsight.ndif.get_remote_env()["packages"]["nnsight"] == nnsight.__version__


if __name__ == "__main__":
    main(*sys.argv[1:])
