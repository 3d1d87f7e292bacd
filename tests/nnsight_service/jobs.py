"""Jobs: what was sent, where each is, and running them with nnsight. All of it is on disk, so that a
service started again on the same folder goes on where the last one ended."""

import ast
import contextlib
import hashlib
import io
import json
import linecache
import os
import pickletools
import shutil
import traceback

import torch
import zstandard
from nnsight.schema.request import RequestModel
from nnsight.tracing import tracer as tracing

FINAL = ("COMPLETED", "ERROR")
# What a program may import, as a hosted sandbox would have it.
IMPORTS = {"builtins", "collections", "functools", "itertools", "math", "nnsight", "numpy", "torch"}


def work_of(payload, compress):
    """A hash of what a payload asks for: all of it but the file name, which differs every time."""
    if compress:
        payload = zstandard.ZstdDecompressor().decompress(payload)
    digest, named = hashlib.sha256(), False
    for op, arg, _ in pickletools.genops(payload):
        if isinstance(arg, str) and named:
            arg = "file"
        named = arg == "co_filename" or (named and op.name == "MEMOIZE")
        digest.update(f"{op.name} {arg!r}\n".encode())
    return digest.hexdigest()[:16]


class Jobs:
    """The jobs of a folder, in the order of their submission."""

    def __init__(self, folder):
        self.folder = folder
        self.all = {}
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                with open(self.path(name, "job.json"), encoding="utf-8") as file:
                    self.all[name] = json.load(file)
        self.all = dict(sorted(self.all.items(), key=lambda item: item[1]["number"]))

    def path(self, job_id, name):
        return os.path.join(self.folder, job_id, name)

    def add(self, job_id, envelope, payload, fault):
        job = {
            "id": job_id,
            "number": len(self.all),
            "envelope": envelope,
            "fault": fault,
            "work": work_of(payload, envelope["compress"]),
            "payload_bytes": len(payload),
            "received": 0,
            "sent": 0,
            "downloads": 0,
            "polls": 0,
            "runs": 0,
            "status": "RECEIVED",
            "description": "",
        }
        os.makedirs(os.path.join(self.folder, job_id))
        with open(self.path(job_id, "payload"), "wb") as file:
            file.write(payload)
        self.all[job_id] = job
        self.keep(job)
        return job

    def keep(self, job):
        path = self.path(job["id"], "job.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(job, file)
        os.replace(path + ".new", path)

    def unfinished(self):
        return [job for job in self.all.values() if job["status"] not in FINAL]

    def read(self, job, name):
        with open(self.path(job["id"], name), "rb") as file:
            return file.read()

    def write(self, job, name, data):
        with open(self.path(job["id"], name), "wb") as file:
            file.write(data)

    def clear(self):
        shutil.rmtree(self.folder)
        os.makedirs(self.folder)
        self.all = {}


def refuse_foreign(source):
    """What a sandbox would refuse: imports beyond a few modules, names with two underscores."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.split(".")[0] not in IMPORTS:
                raise PermissionError(f"import of {name} is not allowed here")
        if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
            raise PermissionError(f"attribute {node.attr} is not allowed here")


class Lines(io.TextIOBase):
    """Hands on each whole line that a program prints."""

    def __init__(self, each):
        self.each, self.rest = each, ""

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.each(line)
        return len(text)


def run(model, job, payload, say):
    """Runs a payload on a model: (packed result, None) or (None, traceback)."""
    envelope = job["envelope"]
    try:
        model._remoteable_set_env(envelope["env"])
        persistent = model._remoteable_persistent_objects()
        tracer = RequestModel.deserialize(payload, persistent, envelope["compress"])
        frame = tracer.info.frame
        refuse_foreign("".join(linecache.getlines(frame.f_code.co_filename)))
        # One trace deep: what the outermost block saved is pushed to its frame, nothing else.
        tracing.inc()
        try:
            with contextlib.redirect_stdout(Lines(say)):
                tracer.execute(tracer.info.code)
            marked = tracing._saves()
            saved = {name: value for name, value in frame.f_locals.items() if id(value) in marked}
        finally:
            tracing.dec()
        out = io.BytesIO()
        torch.save(saved, out)
        packed = out.getvalue()
        if envelope["compress"]:
            packed = zstandard.ZstdCompressor(level=6).compress(packed)
        return packed, None
    except BaseException:  # noqa: BLE001 - whatever a program does wrong is the job's answer
        return None, traceback.format_exc()
