"""Starts runners by forking from a process that has already imported what a runner imports.

A runner as the package starts it spends three seconds on importing torch, nnsight and transformers
before it does anything; forked, it has them. What it runs is the same: the package's `Runner`, which
builds its own meta model and serves one request. `--runners spawn` leaves the package's way.

Run as a script, this is the server: each line of its standard input asks for a runner and is
answered by the process's id. It ends, and ends its runners, when its standard input does.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid


class Forked:
    """A process that is not our child, with what the package asks of a `Popen`."""

    def __init__(self, pid):
        self.pid = pid
        self.end = os.pidfd_open(pid)

    def poll(self):
        return 0 if self.end is None or select.select([self.end], [], [], 0)[0] else None

    def wait(self, timeout=None):
        if self.end is not None and not select.select([self.end], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("runner", timeout)
        if self.end is not None:
            os.close(self.end)
            self.end = None
        return 0

    def _signal(self, number):
        if self.end is not None:
            signal.pidfd_send_signal(self.end, number)

    def terminate(self):
        self._signal(signal.SIGTERM)

    def kill(self):
        self._signal(signal.SIGKILL)


class ForkServer:
    """The service's end: `spawn` takes the place of the package's function of that name."""

    def __init__(self, host):
        env = host.runner_env()
        env.update(PYTHONPATH=host._PACKAGE_ROOT, PYTHONHASHSEED="0")
        self.host, self.lock = host, threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, __file__], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def spawn(self, timeout=30.0, peers=1, model_key=None, trust_remote_code=False, **_):
        path = f"/tmp/sbx-{uuid.uuid4().hex[:12]}.sock"
        with self.lock:
            self.process.stdin.write(json.dumps([path, peers, model_key, trust_remote_code]) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the server of runners has ended; its own words are above")
        forked, deadline = Forked(int(answer)), time.time() + timeout
        while time.time() < deadline:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                if probe.connect_ex(path) == 0:
                    return self.host.Sandbox(path, forked)
            if forked.poll() is not None:
                raise RuntimeError("runner process exited before its socket was ready")
            time.sleep(0.02)
        forked.kill()
        raise TimeoutError("timed out waiting for the runner socket")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def run(runner, request):
    """In the forked process: what the package's runner does when it is started as a script."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    sys.stdout = open(1, "w", closefd=False)
    runner.die_with_parent()
    path, peers, model_key, trust_remote_code = request
    runner.Runner(path, peers=peers, model_key=model_key, trust_remote_code=trust_remote_code).serve()


def main():
    from ndif.services.ray.sandbox import runner

    # What building a meta model imports; nothing is built here.
    from nnsight.modeling import transformers  # noqa: F401
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, pipeline  # noqa: F401
    from transformers.pipelines import text_generation  # noqa: F401

    # Ended runners are not waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    runners = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                run(runner, json.loads(line))
            finally:
                os._exit(1)
        runners.append(pid)
        try:
            print(pid, flush=True)
        except BrokenPipeError:
            # The service is gone already.
            break
    for pid in runners:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
