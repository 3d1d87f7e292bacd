"""The released NDIF service on a CPU: the package's own API, queue, model actor, sandbox and runner
around a small model, with a stand-in for each thing that only a cluster has (README.md names them).
It judges clients, so it also counts what they send and what that moves, and can be told what shall
go wrong (`POST /test/faults`, see failures.py).

    python service.py --ndif FOLDER --model org/name=FOLDER --gguf org/name=FILE [--port 0] [--state DIR]

The first line on stdout is its URL. It ends when its standard input does.
"""

import argparse
import asyncio
import atexit
import logging
import os
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "nnsight_service"))

import hub  # noqa: E402
import surroundings  # noqa: E402

ORDINARY = "00000000-0000-0000-0000-000000000001"
TRUSTED = "00000000-0000-0000-0000-000000000002"


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--ndif", required=True, help="folder of the unpacked package")
    parser.add_argument("--model", action="append", default=[], metavar="REPO_ID=FOLDER")
    parser.add_argument("--gguf", action="append", default=[], metavar="REPO_ID=FILE")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=ORDINARY, help="an ordinary user's key: programs run in a sandbox")
    parser.add_argument("--trusted", default=TRUSTED, help="a trusted user's: they run beside the model")
    parser.add_argument("--state", help="folder of jobs and results; a new one by default")
    parser.add_argument("--cache", help="folder of what is made once a GGUF file; the state's by default")
    parser.add_argument("--dtype", default="float32", help="as torch names it; of weights and activations")
    parser.add_argument("--level", default="HOT", choices=("HOT", "WARM", "COLD"))
    parser.add_argument("--eager", action="store_true", help="load models at the start, not when asked")
    parser.add_argument("--most", type=int, default=2, help="models that are in memory at a time")
    parser.add_argument("--pool", type=int, default=2, help="runners kept ready for a model")
    parser.add_argument("--runners", default="fork", choices=("fork", "spawn"), help="how they start")
    parser.add_argument("--inline", type=int, help="results up to so many bytes go by socket")
    parser.add_argument("--min-python", help="the oldest Python that clients may tell of")
    parser.add_argument("--min-nnsight", help="the oldest nnsight that clients may tell of")
    parser.add_argument("--threads", type=int, default=2, help="of torch, here and in runners")
    parser.add_argument("--log-level", default="CRITICAL", help="of the package's own log, on stderr")
    parsed = parser.parse_args()
    parsed.ndif = Path(parsed.ndif).resolve()
    if not (parsed.ndif / "ndif").is_dir():
        sys.exit(f"{parsed.ndif} has no folder `ndif`: unpack the package's wheel there, see setup.sh")
    if parsed.pool < 1:
        sys.exit("--pool has to be 1 or more: the package waits half a minute for a runner of an empty pool")
    if not parsed.model and not parsed.gguf:
        sys.exit("no model to host: give --model or --gguf")
    return parsed


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def host_models(opts, state):
    """Links every model into a hub cache of this service; (repository, folder) of each."""
    cache = Path(opts.cache).resolve() if opts.cache else state / "cache"
    pairs = [pair.partition("=")[::2] for pair in opts.model]
    for pair in opts.gguf:
        repo_id, _, file = pair.partition("=")
        pairs.append((repo_id, hub.from_gguf(file, cache)))
    for repo_id, folder in pairs:
        hub.link(state / "hf", repo_id, folder)
    return [(repo_id, Path(folder).resolve()) for repo_id, folder in pairs]


def start_store(port):
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    store.start()
    return store


def start_runners(opts):
    """How runners start; the function that ends what starts them."""
    from ndif.services.ray.sandbox import host

    import meter

    meter.attach()
    # A runner gets a few variables of the actor's environment; that there is no hub is not among them.
    host.RUNNER_ENV += ("HF_HUB_OFFLINE",)
    if opts.runners == "spawn":
        return lambda: None
    from fork_server import ForkServer

    server = ForkServer(host)
    host.spawn = server.spawn
    return server.close


async def serve(opts, state, listening):
    import uvicorn
    from ndif.services.api.app import app

    import cluster
    from front import Front
    from ledger import Ledger
    from links import Links
    from queue_life import Queue

    ledger = Ledger(state, {opts.key: "ordinary", opts.trusted: "trusted"})
    ledger.inline = opts.inline
    objects = state / "objects"
    surroundings.kept_objects(objects)
    links = Links(ledger, str(state / "executed"), objects)
    await links.start(opts.links_port)
    hosted = cluster.Cluster(opts.hosted, opts.level, opts.dtype, opts.pool, opts.most, ledger)
    atexit.register(hosted.close)
    if opts.eager:
        await asyncio.to_thread(cluster.eager, hosted)
    queue = Queue(ledger)

    async def counts(_body):
        more = {"keys_seen": links.keys_seen, "redirects_followed": links.redirects_followed}
        return {**ledger.counts(), **more, "executed": (state / "executed").exists()}

    async def jobs(_body):
        return ledger.counts()["jobs"]

    async def set_faults(body):
        ledger.set_faults(body)
        return {"left": len(ledger.faults)}

    async def settings(body):
        ledger.inline = body["inline"]
        return {}

    async def levels(body):
        await hosted.levels(body)
        return {}

    async def reset(_body):
        ledger.reset()
        links.keys_seen = links.redirects_followed = 0
        return {}

    controls = {
        ("GET", "/test/counts"): counts,
        ("GET", "/test/jobs"): jobs,
        ("POST", "/test/faults"): set_faults,
        ("POST", "/test/settings"): settings,
        ("POST", "/test/levels"): levels,
        ("POST", "/test/reset"): reset,
    }
    front = queue.front = Front(app, ledger, controls, queue.cluster_down)
    protocols = {"http": "h11", "ws": "websockets-sansio", "lifespan": "off"}
    config = uvicorn.Config(front, date_header=False, log_level="critical", **protocols)
    server = uvicorn.Server(config)
    # Signals end the process as they do any other.
    serving = asyncio.create_task(server._serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
        if serving.done():
            serving.result()
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    # What anything else prints is none of the reader's.
    os.dup2(2, 1)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def until_end_of_input():
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=until_end_of_input, daemon=True).start()
    waiting = {asyncio.create_task(ended.wait()), queue.main, serving}
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def main():
    opts = options()
    state = Path(opts.state or tempfile.mkdtemp(prefix="ndif-service-")).resolve()
    state.mkdir(parents=True, exist_ok=True)
    listening = socket.create_server(("127.0.0.1", opts.port))
    store_port, opts.links_port = free_port(), free_port()
    surroundings.environment(opts, store_port, opts.links_port, state / "hf")
    opts.hosted = host_models(opts, state)
    import torch

    torch.set_num_threads(opts.threads)
    start_store(store_port)
    surroundings.cuda()
    surroundings.redis()
    surroundings.keys(opts.key, opts.trusted)
    atexit.register(start_runners(opts))
    code = 1
    try:
        # Its tasks are left where they are: the package's workers do not end when they are cancelled.
        asyncio.new_event_loop().run_until_complete(serve(opts, state, listening))
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stderr.flush()
        # Threads of the store and of actors may be anywhere.
        os._exit(code)


if __name__ == "__main__":
    main()
