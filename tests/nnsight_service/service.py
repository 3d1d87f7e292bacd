"""A small NDIF-like service around the real nnsight package: each payload is rebuilt by nnsight's
`RequestModel.deserialize` and executed on a real small model. It judges clients, so it also counts
what they send and can be told what shall go wrong (`POST /test/faults`, see faults.py).

    python service.py --model org/name=FOLDER --gguf org/name=FILE [--port 0] [--key KEY] [--state DIR]

The first line on stdout is its URL. It ends when its standard input does.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import email.utils
import importlib.metadata
import json
import os
import socket
import struct
import sys
import tempfile
import time
import uuid

from aiohttp import WSMsgType, web
from nnsight.schema.response import ResponseModel, Status

import faults
import jobs
import models
from results import Results


def refusal(status, detail, **headers):
    return web.json_response({"detail": detail}, status=status, headers=headers)


def head_bytes(request):
    return sum(len(k) + len(v) + 4 for k, v in request.raw_headers) + len(request.raw_path) + 18


class Service:
    def __init__(self, options, hosted):
        self.options = options
        self.hosted = hosted
        self.state = options.state or tempfile.mkdtemp(prefix="nnsight-service-")
        self.jobs = jobs.Jobs(os.path.join(self.state, "jobs"))
        self.results = Results(self.jobs, os.path.join(self.state, "executed"))
        self.faults = collections.deque(self.kept_faults())
        self.inline = options.inline
        self.sockets = {}
        self.refused = collections.Counter()
        self.waiting = asyncio.Queue()
        # nnsight keeps what a trace saves a thread, and a model runs one trace at a time.
        self.thread = concurrent.futures.ThreadPoolExecutor(max_workers=1)

    def kept_faults(self):
        path = os.path.join(self.state, "faults.json")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def keep_faults(self):
        with open(os.path.join(self.state, "faults.json"), "w", encoding="utf-8") as file:
            json.dump(list(self.faults), file)

    # -- a job's way -----------------------------------------------------------------------------

    def update_of(self, job, status, description):
        update = {"id": job["id"], "status": status, "description": description}
        if status == "COMPLETED":
            update["data"] = self.results.url(job)
            update["meta"] = {"seconds": job.get("seconds", 0.0)}
        return update

    async def tell(self, job, status, description=""):
        """Records a stage and sends it to the job's socket, if that is still there."""
        if status != "LOG":
            job["status"], job["description"] = status, description
            self.jobs.keep(job)
        session = job["envelope"]["session_id"]
        socket_ = self.sockets.get(session)
        update = self.update_of(job, status, description)
        if socket_ is not None and not socket_.closed:
            size = os.path.getsize(self.jobs.path(job["id"], "result")) if status == "COMPLETED" else 0
            foul = any(k in job["fault"] for k in ("cut", "corrupt", "length", "result", "drip", "redirect"))
            try:
                if status == "COMPLETED" and size <= self.inline and not foul:
                    update["data"] = self.jobs.read(job, "result")
                    frame = ResponseModel(**update).pickle()
                    await socket_.send_bytes(frame)
                else:
                    frame = json.dumps(update)
                    await socket_.send_str(frame)
                job["sent"] += len(frame) + 4
            except ConnectionError:
                pass
        if job["fault"].get("socket") == status.lower():
            await self.drop(session)
        if job["fault"].get("exit") == status.lower():
            await self.leave(job)

    async def drop(self, session):
        socket_ = self.sockets.pop(session, None)
        if socket_ is not None and socket_._req.transport is not None:
            await asyncio.sleep(0.02)
            cut(socket_._req.transport)

    async def leave(self, job):
        """Ends the process as a crash would, once what was written has left."""
        del job["fault"]["exit"]
        self.jobs.keep(job)
        self.keep_faults()
        await asyncio.sleep(0.05)
        os._exit(3)

    async def work(self):
        loop = asyncio.get_running_loop()
        for job in self.jobs.unfinished():
            if not job["fault"].get("lost"):
                self.waiting.put_nowait(job)
        while True:
            job = await self.waiting.get()
            if job["id"] not in self.jobs.all:
                continue
            if job["fault"].get("exit") == "received":
                await self.leave(job)
            model = self.hosted.get(job["envelope"]["model_key"])
            if model is None:
                await self.tell(job, "ERROR", f"model {job['envelope']['model_key']} is not deployed")
                continue
            await self.tell(job, "DISPATCHED", "handed to its model")
            await self.tell(job, "RUNNING", "started")
            job["runs"] += 1
            if "error" in job["fault"]:
                await self.tell(job, "ERROR", job["fault"]["error"])
                continue

            def say(line, job=job):
                asyncio.run_coroutine_threadsafe(self.tell(job, "LOG", line), loop)

            payload, begun = self.jobs.read(job, "payload"), time.perf_counter()
            packed, failure = await loop.run_in_executor(self.thread, jobs.run, model, job, payload, say)
            job["seconds"] = time.perf_counter() - begun
            if failure is not None:
                await self.tell(job, "ERROR", failure)
                continue
            self.jobs.write(job, "result", packed)
            job["result_bytes"] = len(packed)
            await self.tell(job, "COMPLETED", "done")

    # -- routes ----------------------------------------------------------------------------------

    def allowed(self, request):
        return not self.options.key or request.headers.get("ndif-api-key") == self.options.key

    async def subscribe(self, request):
        if not self.allowed(request):
            return refusal(401, "the API key is missing or not known")
        if self.faults and self.faults[0].get("socket") == "refused":
            self.refused["subscribe"] += 1
            return refusal(503, "no sockets now")
        socket_ = web.WebSocketResponse(heartbeat=30)
        await socket_.prepare(request)
        session = uuid.uuid4().hex
        self.sockets[session] = socket_
        await socket_.send_json({"session_id": session})
        async for message in socket_:
            if message.type == WSMsgType.ERROR:
                break
        self.sockets.pop(session, None)
        return socket_

    async def submit(self, request):
        if not self.allowed(request):
            return refusal(401, "the API key is missing or not known")
        fault = self.faults.popleft() if self.faults else {}
        self.keep_faults()
        step = fault.get("submit")
        if step == "reset_before":
            self.refused["reset_before"] += 1
            cut(request.transport)
            return web.Response()
        if isinstance(step, int):
            self.refused[str(step)] += 1
            await request.read()
            after = fault.get("retry_after")
            if after == "date":
                after = email.utils.formatdate(time.time() + 2, usegmt=True)
            headers = {} if after is None else {"retry-after": str(after)}
            return refusal(step, fault.get("detail", "the service is busy"), **headers)
        form = await request.post()
        envelope = {"session_id": "", "compress": False, "env": {}, **json.loads(form["data"])}
        blob = form["blob"]
        if blob.content_type != "application/octet-stream" or blob.filename != "request":
            return refusal(422, "the payload has to be the file `request`, application/octet-stream")
        for name in ("nnsight-version", "python-version", "ndif-timestamp"):
            if name not in request.headers:
                return refusal(422, f"the header {name} is missing")
        job = self.jobs.add(str(uuid.uuid4()), envelope, blob.file.read(), fault)
        job["received"] = (request.content_length or 0) + head_bytes(request)
        self.jobs.keep(job)
        asyncio.get_running_loop().create_task(self.accept(job))
        if step == "reset_after":
            cut(request.transport)
            return web.Response()
        answer = json.dumps(self.update_of(job, "RECEIVED", "the job was received"))
        job["sent"] += len(answer)
        return web.Response(text=answer, content_type="application/json", headers=self.date(job))

    async def accept(self, job):
        """What follows once the answer to the submission is on its way."""
        await asyncio.sleep(0.01)
        session, fault = job["envelope"]["session_id"], job["fault"]
        if fault.get("socket") in ("refused", "received"):
            await self.drop(session)
        if fault.get("lost"):
            return
        await self.tell(job, "QUEUED", f"place {self.waiting.qsize() + 1} in the queue")
        self.waiting.put_nowait(job)

    def date(self, job):
        if "skew" not in job["fault"]:
            return {}
        return {"date": email.utils.formatdate(time.time() + job["fault"]["skew"], usegmt=True)}

    async def response(self, request):
        if not self.allowed(request):
            return refusal(401, "the API key is missing or not known")
        job = self.jobs.all.get(request.match_info["id"])
        if job is None:
            return refusal(404, "no such job")
        job["polls"] += 1
        late = job["polls"] <= job["fault"].get("polls_404", 0)
        if late or job["fault"].get("lost") or job["status"] == "RECEIVED":
            return refusal(404, "no status yet")
        text = json.dumps(self.update_of(job, job["status"], job["description"]))
        job["sent"] += len(text)
        return web.Response(text=text, content_type="application/json", headers=self.date(job))

    async def status(self, _request):
        entries = {}
        for key in self.hosted:
            what = json.loads(key.split(":", 1)[1])
            for replica in range(2):
                entries[f"{what['repo_id']}-{replica}"] = {
                    "model_key": key,
                    "repo_id": what["repo_id"],
                    "revision": what["revision"],
                    "task": what["task"],
                    "deployment_level": "HOT" if replica == 0 else "WARM",
                    "application_state": "RUNNING",
                }
        cold = {"model_key": models.key_of("org/cold"), "repo_id": "org/cold", "revision": None}
        entries["org/cold-0"] = {**cold, "task": "text-generation", "deployment_level": "COLD"}
        return web.json_response({"deployments": entries})

    async def env(self, _request):
        packages = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
        return web.json_response({"python_version": sys.version, "packages": packages})

    async def whoami(self, request):
        known = self.options.key and self.allowed(request)
        return web.json_response({"email": "someone@example.org" if known else None, "tags": []})

    # -- for the tests ---------------------------------------------------------------------------

    async def set_faults(self, request):
        self.faults = collections.deque(faults.of(fault) for fault in await request.json())
        self.keep_faults()
        return web.json_response({"left": len(self.faults)})

    async def settings(self, request):
        self.inline = int((await request.json())["inline"])
        return web.json_response({})

    async def counts(self, _request):
        works = collections.Counter(job["work"] for job in self.jobs.all.values())
        return web.json_response(
            {
                "jobs": list(self.jobs.all.values()),
                "works": works,
                "most": max(works.values(), default=0),
                "refused": self.refused,
                "faults_left": len(self.faults),
                "keys_seen": self.results.keys_seen,
                "redirects_followed": self.results.redirects_followed,
                "executed": os.path.exists(self.results.mark),
            }
        )

    async def reset(self, _request):
        self.jobs.clear()
        self.faults.clear()
        self.keep_faults()
        self.refused.clear()
        self.results.keys_seen = self.results.redirects_followed = 0
        return web.json_response({})

    def app(self):
        app = web.Application(client_max_size=1 << 30)
        app.add_routes(
            [
                web.get("/subscribe", self.subscribe),
                web.post("/request", self.submit),
                web.get("/response/{id}", self.response),
                web.get("/status", self.status),
                web.get("/env", self.env),
                web.get("/whoami", self.whoami),
                web.post("/test/faults", self.set_faults),
                web.post("/test/settings", self.settings),
                web.get("/test/counts", self.counts),
                web.post("/test/reset", self.reset),
            ]
        )
        return app


def cut(transport):
    """Ends a connection with RST in place of FIN."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def serve(options):
    # Built on the thread that the loop runs on; run on the one thread of the service.
    hosted = {}
    for pair in options.model + options.gguf:
        repo_id, _, source = pair.partition("=")
        hosted[models.key_of(repo_id)] = models.load(source, options.attention)
    service = Service(options, hosted)
    await service.results.start()
    runner = web.AppRunner(service.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    worker = asyncio.create_task(service.work())
    print(f"http://127.0.0.1:{port}", flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    threading_wait = loop.run_in_executor(None, sys.stdin.buffer.read)
    threading_wait.add_done_callback(lambda _: ended.done() or ended.set_result(None))
    done, _ = await asyncio.wait({ended, worker}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    await runner.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", action="append", default=[], metavar="REPO_ID=FOLDER")
    parser.add_argument("--gguf", action="append", default=[], metavar="REPO_ID=FILE")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default="", help="the API key to ask for; none by default")
    parser.add_argument("--state", help="folder of jobs and results; a new one by default")
    parser.add_argument("--inline", type=int, default=0, help="results up to so many bytes go by socket")
    parser.add_argument("--attention", default="eager", help="as transformers names it")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
