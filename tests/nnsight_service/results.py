"""Serves results as an object store does, on a port of its own: by Range, with an ETag, and byte by
byte as told, which is why it writes HTTP itself."""

import asyncio
import email.utils
import hashlib
import re
import socket
import struct
import time

import faults


class Results:
    """`jobs` keeps the results; `port` is where this listens once `start` has returned."""

    def __init__(self, jobs, mark):
        self.jobs = jobs
        # A file that exists only if some client ran the command of a foul result.
        self.mark = mark
        self.port = None
        self.keys_seen = 0
        self.redirects_followed = 0

    async def start(self, port=0):
        server = await asyncio.start_server(self.answer, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]

    def url(self, job):
        return f"http://127.0.0.1:{self.port}/results/{job['id']}?signature=once"

    def job_of(self, target):
        return self.jobs.all.get(target.split("?")[0].rsplit("/", 1)[-1])

    async def refusal(self, job, target):
        """The answer where there is nothing to be had at `target`."""
        if job is None or job["status"] != "COMPLETED" or job["fault"].get("lost"):
            return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        return None

    def moved(self, target):
        return target.split("?")[0] + "?moved"

    async def data_of(self, job):
        return self.jobs.read(job, "result")

    async def answer(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await self.reply(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def reply(self, head, writer):
        lines = head.split("\r\n")
        target = lines[0].split(" ")[1]
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        self.keys_seen += "ndif-api-key" in headers or "authorization" in headers
        job = self.job_of(target)
        fault = job["fault"] if job else {}
        refused = await self.refusal(job, target)
        if refused is not None:
            writer.write(refused)
            return await writer.drain()
        if fault.get("redirect") and "moved" not in target:
            to = f"http://localhost:{self.port}{self.moved(target)}"
            text = f"HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            writer.write(text.encode())
            return await writer.drain()
        self.redirects_followed += "moved" in target
        spoiled = job["downloads"] < fault.get("times", 1)
        job["downloads"] += 1
        sent = await self.body(job, fault if spoiled else {}, headers, writer)
        job["sent"] += sent
        self.jobs.keep(job)

    async def body(self, job, fault, headers, writer):
        data = await self.data_of(job)
        etag = '"' + hashlib.md5(data).hexdigest() + '"'
        data = self.foul(job, fault, data)
        whole, start, status = len(data), 0, "200 OK"
        ranges = job["fault"].get("ranges", True)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if ranges and asked and headers.get("if-range", etag) == etag:
            start = int(asked[1])
            status = "206 Partial Content" if start < whole else "416 Range Not Satisfiable"
        part = data[start:]
        date = email.utils.formatdate(time.time() + job["fault"].get("skew", 0), usegmt=True)
        lines = [
            f"HTTP/1.1 {status}",
            f"date: {date}",
            "content-type: application/octet-stream",
            f"etag: {etag}",
            f"content-length: {len(part) + fault.get('length', 0)}",
            "connection: close",
        ]
        if ranges:
            lines.append("accept-ranges: bytes")
        if status.startswith("206"):
            lines.append(f"content-range: bytes {start}-{whole - 1}/{whole}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        writer.write(head)
        if "cut" in fault:
            part = part[: int(len(part) * fault["cut"])]
        step = fault.get("drip_bytes", 64) if "drip" in fault else 1 << 18
        for at in range(0, len(part), step):
            writer.write(part[at : at + step])
            await writer.drain()
            if "drip" in fault:
                await asyncio.sleep(fault["drip"])
        if "cut" in fault:
            # What was written has to arrive before the connection is torn down.
            await asyncio.sleep(0.05)
            reset(writer)
        return len(head) + len(part)

    def foul(self, job, fault, data):
        kind = fault.get("result")
        if kind is not None:
            packed = job["envelope"]["compress"]
            if kind == "inflate":
                return faults.inflate() if packed else data
            raw = faults.bomb() if kind == "bomb" else faults.system(f"touch {self.mark}")
            if packed:
                import zstandard

                raw = zstandard.ZstdCompressor().compress(raw)
            return raw
        if fault.get("corrupt"):
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]
        return data


def reset(writer):
    """Ends a connection with RST in place of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
