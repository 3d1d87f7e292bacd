"""What stands in front of the app: it counts what goes in and out, spoils it where a test said so,
and answers the tests' own routes, which are all under `/test/`."""

import asyncio
import contextlib
import contextvars
import email.utils
import json
import socket
import struct
import time

# What is known of the submission that the app handles now; read where the app takes it.
SUBMISSION = contextvars.ContextVar("submission")


class Submission:
    def __init__(self, scope, fault):
        self.fault, self.scope, self.body, self.job_id = fault, scope, 0, None

    def received(self):
        return self.body + head_bytes(self.scope)

    def headers(self, keys):
        from ledger import HEADERS

        told = {k.decode("latin-1"): v.decode("latin-1") for k, v in self.scope["headers"]}
        told = {k: v for k, v in told.items() if k.startswith(HEADERS)}
        if "ndif-api-key" in told:
            told["ndif-api-key"] = keys.get(told["ndif-api-key"], "another")
        return told


def head_bytes(scope):
    lines = sum(len(k) + len(v) + 4 for k, v in scope["headers"])
    return lines + len(scope.get("raw_path") or scope["path"]) + 18


def cut(send):
    """Ends the connection that `send` answers on, with RST in place of FIN."""
    transport = send.__self__.transport
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def answer(send, status, body, **headers):
    body = json.dumps(body).encode()
    named = [(name.replace("_", "-").encode(), str(value).encode()) for name, value in headers.items()]
    named += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})


async def refuse(send, status, fault, detail, **headers):
    after = fault.get("retry_after")
    if after == "date":
        after = email.utils.formatdate(time.time() + 2, usegmt=True)
    if after is not None:
        headers["retry_after"] = after
    await answer(send, status, {"detail": fault.get("detail", detail)}, **headers)


async def whole(receive):
    """Reads a request's body to its end."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


class Front:
    """An ASGI application around another. `controls` are the tests' routes: (method, path) to a
    coroutine function of the body; `cluster_down` makes the app itself answer 503."""

    def __init__(self, app, ledger, controls, cluster_down):
        self.app, self.ledger, self.controls, self.cluster_down = app, ledger, controls, cluster_down
        # By session: what answers on its socket.
        self.sockets = {}
        self.down_until = 0.0

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if scope["type"] == "websocket":
            await self.subscribe(scope, receive, send)
        elif path.startswith("/test/"):
            await self.control(scope, receive, send)
        elif time.monotonic() < self.down_until:
            cut(send)
        elif path == "/request" and scope["method"] == "POST":
            await self.submit(scope, receive, send)
        elif path.startswith("/response/"):
            await self.response(scope, receive, self.dated(send, path.rsplit("/", 1)[-1]))
        else:
            await self.app(scope, receive, self.dated(send, None))

    async def control(self, scope, receive, send):
        call = self.controls.get((scope["method"], scope["path"]))
        body = await whole(receive)
        if call is None:
            await answer(send, 404, {"detail": f"no route {scope['method']} {scope['path']} for tests"})
        else:
            await answer(send, 200, await call(json.loads(body) if body.strip() else None))

    def dated(self, send, job_id):
        """Dates each answer; the server's own dating is off, so that a fault can be wrong by hours."""

        async def dated(message):
            if message["type"] == "http.response.start":
                skew = self.ledger.fault_of(job_id).get("skew", 0)
                date = email.utils.formatdate(time.time() + skew, usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        return dated

    # -- routes that faults and counts are about -------------------------------------------------

    async def submit(self, scope, receive, send):
        fault = self.ledger.next_fault()
        step, instead = fault.get("submit"), fault.get("answer")
        if step == "reset_before":
            self.ledger.refused["reset_before"] += 1
            return cut(send)
        if isinstance(step, int):
            self.ledger.refused[str(step)] += 1
            await whole(receive)
            return await refuse(send, step, fault, "the service is busy")
        if step == "cluster_down":
            self.ledger.refused["cluster_down"] += 1
            await self.cluster_down()
        submission = Submission(scope, fault)
        SUBMISSION.set(submission)

        async def counted():
            message = await receive()
            submission.body += len(message.get("body", b""))
            return message

        taken = []

        async def held(message):
            # What the app answers, held back until what shall become of it is known.
            taken.append(message)

        await self.app(scope, counted, held)
        job_id = submission.job_id
        if job_id is None:
            # Refused by the app itself; not one of the faults.
            self.ledger.refused[str(taken[0]["status"])] += 1
        elif step == "reset_after":
            return cut(send)
        elif instead is not None:
            return await refuse(send, instead, fault, "upstream is not available")
        await self.give(taken, self.dated(send, job_id), job_id)
        if job_id is not None:
            asyncio.get_running_loop().create_task(self.after_receipt(job_id, fault))

    async def give(self, messages, send, job_id):
        for message in messages:
            if message["type"] == "http.response.body":
                self.ledger.add_to(job_id, "sent", len(message.get("body", b"")))
            await send(message)

    async def after_receipt(self, job_id, fault):
        # The answer has to leave before anything else happens.
        await asyncio.sleep(0.02)
        if fault.get("socket") in ("received", "refused"):
            await self.drop(job_id)

    async def response(self, scope, receive, send):
        job_id = scope["path"].rsplit("/", 1)[-1]
        job = self.ledger.all.get(job_id)
        if job is not None:
            self.ledger.add_to(job_id, "polls")
            if job["polls"] <= job["fault"].get("polls_404", 0) or job["fault"].get("lost"):
                # In the app's own words for what is not there.
                return await answer(send, 404, {"detail": f"No response for request {job_id}."})
        messages = []

        async def held(message):
            messages.append(message)

        await self.app(scope, receive, held)
        await self.give(messages, send, job_id)

    async def subscribe(self, scope, receive, send):
        first = self.ledger.faults[0] if self.ledger.faults else {}
        if time.monotonic() < self.down_until:
            return cut(send)
        if first.get("socket") == "refused":
            self.ledger.refused["subscribe"] += 1
            await send({"type": "websocket.http.response.start", "status": 503, "headers": []})
            return await send({"type": "websocket.http.response.body", "body": b""})
        session = None

        async def counted(message):
            nonlocal session
            if message["type"] == "websocket.send":
                frame = message.get("bytes") or message["text"].encode()
                if session is None:
                    session = json.loads(frame)["session_id"]
                    self.sockets[session] = send
                job = self.ledger.of_session(session)
                if job is not None:
                    self.ledger.add_to(job["id"], "sent", len(frame) + 4)
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            self.sockets.pop(session, None)

    # -- what faults need ------------------------------------------------------------------------

    async def drop(self, job_id):
        """Cuts the socket of a job, once what was said on it has left."""
        job = self.ledger.all.get(job_id)
        send = self.sockets.pop(job["envelope"]["session_id"], None) if job else None
        if send is not None:
            await asyncio.sleep(0.02)
            cut(send)

    def drop_all(self, down):
        self.down_until = time.monotonic() + down
        while self.sockets:
            cut(self.sockets.popitem()[1])
