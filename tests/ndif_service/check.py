"""Judges the service by nnsight's own client, for an ordinary key and for a trusted one.

    python check.py URL ORDINARY TRUSTED REPO_ID=FOLDER

Traces, generates, steers, polls and fails over the network, and compares each answer with the same
block run in this process. Exits with an error where one differs.
"""

import json
import sys
import time

import client


def close(a, b):
    import torch

    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def main(url, ordinary, trusted, pair):
    import httpx
    import models
    import nnsight
    import torch

    repo_id, _, folder = pair.partition("=")
    torch.manual_seed(0)
    model = client.named(models.load(folder, client.ATTENTION), repo_id)
    for key, sandboxed in ((ordinary, True), (trusted, False)):
        for inline in (None, 0):
            httpx.post(f"{url}/test/reset").raise_for_status()
            httpx.post(f"{url}/test/settings", json={"inline": inline}).raise_for_status()
            client.connect(url, key)
            judge(model, sandboxed)
            jobs = httpx.get(f"{url}/test/counts").json()["jobs"]
            assert all(job["trusted"] != sandboxed for job in jobs)
            done = [job for job in jobs if job["status"] == "COMPLETED"]
            assert all((job["wire_frames"] > 0) == sandboxed for job in done), done
            assert all(job["runs"] == 1 and job["result_bytes"] > 0 for job in done)
            # By link nothing of a result is on the socket; else only a job without one has a link.
            linked = [job["downloads"] > 0 for job in done]
            assert sum(linked) == (len(done) if inline == 0 else 1), linked
    refusals(model, url, ordinary)
    deployed = nnsight.ndif.status()
    assert repo_id in deployed and deployed[repo_id]["state"] == "RUNNING", deployed
    client.connect(url, trusted)
    assert nnsight.ndif.whoami() == {"email": "someone@example.org", "tags": ["trusted"]}
    packages = nnsight.ndif.get_remote_env()["packages"]
    assert packages["nnsight"] == nnsight.__version__, packages
    httpx.post(f"{url}/test/settings", json={"inline": None}).raise_for_status()
    print(f"nnsight's own client is served right by ndif {packages['ndif']}")


def judge(model, sandboxed):
    import torch
    from nnsight.intervention.backends.remote import RemoteError

    path = client.blocks(model)
    prompts = ["3 4 5", "7 8 9 10 11"]

    def block(at):
        return model.get(f"{path}.{at}")

    # nnsight reads a block's own source, so a local twin of each remote block has to be written out.
    with model.trace(prompts, remote=True):
        far = block(1).output[:, -1].save()
    with model.trace(prompts):
        near = block(1).output[:, -1].save()
    close(far, near)
    with model.generate(prompts, max_new_tokens=4, do_sample=False, remote=True) as tracer:
        ids = tracer.result.save()
    with model.generate(prompts, max_new_tokens=4, do_sample=False) as tracer:
        same = tracer.result.save()
    assert torch.equal(ids, same), (ids, same)
    vector = torch.randn(far.shape[-1]) * 3
    with model.generate(prompts, max_new_tokens=4, do_sample=False, remote=True) as tracer:
        for _ in tracer.iter[:4]:
            block(1).output[:] = block(1).output + vector
        ids = tracer.result.save()
    with model.generate(prompts, max_new_tokens=4, do_sample=False) as tracer:
        for _ in tracer.iter[:4]:
            block(1).output[:] = block(1).output + vector
        steered = tracer.result.save()
    assert torch.equal(ids, steered), (ids, steered)
    assert not torch.equal(same, steered), "the vector moves nothing"
    with model.session(remote=True):
        with model.trace(prompts[0]):
            first = block(0).output[:, -1]
        with model.trace(prompts[1]):
            block(0).output[:, -1] = first
            patched = model.lm_head.output[:, -1].save()
    with model.trace(prompts[0]):
        first = block(0).output[:, -1].save()
    with model.trace(prompts[1]):
        block(0).output[:, -1] = first
        near_patched = model.lm_head.output[:, -1].save()
    close(patched, near_patched)
    with model.trace(prompts, remote=True, blocking=False) as tracer:
        polled = block(1).output[:, -1].save()
    backend, result = tracer.backend, None
    for _ in range(1200):
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


def refusals(model, url, key):
    """What the app says of itself to keys and models that it does not know."""
    import httpx

    named = {"data": json.dumps({"model_key": "no:{}"})}
    file = {"blob": ("request", b"nothing", "application/octet-stream")}

    def status(headers):
        return httpx.post(f"{url}/request", data=named, files=file, headers=headers).status_code

    assert status({}) == 401
    assert status({"ndif-api-key": "no-uuid"}) == 400
    assert status({"ndif-api-key": "10000000-0000-0000-0000-000000000000"}) == 403
    answer = httpx.post(f"{url}/request", data=named, files=file, headers={"ndif-api-key": key}).json()
    for _ in range(200):
        response = httpx.get(f"{url}/response/{answer['id']}")
        if response.status_code == 200 and response.json()["status"] == "ERROR":
            assert "Could not deploy this model" in response.json()["description"], response.json()
            return
        time.sleep(0.05)
    raise AssertionError("a model that is not there was not refused")


if __name__ == "__main__":
    main(*sys.argv[1:])
