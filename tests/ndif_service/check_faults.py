"""Judges the faults: brings each about and looks at what a client then sees.

    python check_faults.py NDIF REPO_ID=FOLDER

Starts the service itself, for some faults end it. The client here is a few requests by hand, with a
payload from nnsight's own serializer; it sends each job with a socket and without one.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import client

ORDINARY = "00000000-0000-0000-0000-000000000001"
SERVICE = Path(__file__).resolve().parent / "service.py"


class Service:
    def __init__(self, ndif, pair):
        self.given = ["--ndif", ndif, "--model", pair, "--state", tempfile.mkdtemp(prefix="ndif-faults-")]
        self.port = 0
        self.start()

    def start(self):
        command = [sys.executable, str(SERVICE), *self.given, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.port = self.url.rsplit(":", 1)[1]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def payload_of(model):
    from nnsight.schema.request import RequestModel
    from nnsight.tracing.backend import Backend

    class Kept(Backend):
        def __call__(self, tracer):
            self.payload = RequestModel.serialize(tracer, False)

    kept = Kept()
    with model.trace("3 4 5", backend=kept):
        hidden = model.get(f"{client.blocks(model)}.1").output[:, -1].save()
    return kept.payload


class Seen:
    """What a client saw of one job; `counted` is what the service wrote down."""

    submit = headers = job_id = link = counted = None
    socket_refused = socket_died = False

    def __init__(self):
        self.stages, self.polls, self.downloads = [], [], []


class Judge:
    def __init__(self, ndif, pair):
        import httpx

        self.model = client.outline(pair)
        self.payload = payload_of(self.model)
        self.service = Service(ndif, pair)
        self.http = httpx.Client(timeout=20, follow_redirects=True)

    def post(self, route, body):
        self.http.post(self.service.url + route, json=body).raise_for_status()

    def submit(self, seen, session):
        import httpx

        data = {"model_key": self.model.to_model_key(), "session_id": session}
        headers = {"ndif-api-key": ORDINARY, "nnsight-version": "0.8.1", "python-version": "3.12.0"}
        file = {"blob": ("request", self.payload, "application/octet-stream")}
        try:
            answer = self.http.post(
                f"{self.service.url}/request", data={"data": json.dumps(data)}, files=file, headers=headers
            )
        except httpx.TransportError:
            seen.submit = "reset"
            return
        seen.submit, seen.headers = answer.status_code, answer.headers
        if answer.status_code == 200:
            seen.job_id = answer.json()["id"]
        else:
            seen.words = answer.text

    async def with_socket(self, fault):
        import websockets
        from nnsight.intervention.backends.remote import RemoteBackend

        self.post("/test/faults", [fault])
        seen = Seen()
        try:
            url = self.service.url.replace("http", "ws") + "/subscribe"
            async with websockets.connect(url, max_size=None) as socket:
                session = json.loads(await socket.recv())["session_id"]
                await asyncio.to_thread(self.submit, seen, session)
                while seen.job_id:
                    answer = RemoteBackend.parse(await asyncio.wait_for(socket.recv(), 20))
                    seen.stages.append(answer.status.value)
                    if seen.stages[-1] in ("COMPLETED", "ERROR"):
                        seen.link, seen.words = answer.data, answer.description
                        break
        except websockets.InvalidStatus as error:
            seen.socket_refused = error.response.status_code
        except websockets.ConnectionClosed:
            seen.socket_died = True
        self.after(seen)
        return seen

    def polled(self, fault, most=40):
        self.post("/test/faults", [fault])
        seen = Seen()
        self.submit(seen, "")
        for _ in range(most if seen.job_id else 0):
            try:
                answer = self.http.get(f"{self.service.url}/response/{seen.job_id}")
            except Exception:
                self.again()
                continue
            seen.polls.append(answer.status_code)
            if answer.status_code == 200:
                said = answer.json()
                seen.stages.append(said["status"])
                if said["status"] in ("COMPLETED", "ERROR"):
                    seen.link, seen.words = said["data"], said["description"]
                    break
            time.sleep(0.05)
        self.after(seen)
        return seen

    def after(self, seen):
        if isinstance(seen.link, str):
            for _ in range(2):
                seen.downloads.append(self.download(seen.link))
        # What was taken runs to its end, whoever looks.
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                jobs = self.http.get(f"{self.service.url}/test/jobs").json()
            except Exception:
                self.again()
                deadline = time.monotonic() + 3
                continue
            seen.counted = jobs[-1] if jobs else None
            if seen.counted is None or seen.counted["status"] in ("COMPLETED", "ERROR"):
                break
            time.sleep(0.05)

    def again(self):
        """Starts the service where it was, if it has ended; else gives it a moment."""
        if self.service.process.poll() is not None:
            self.service.start()
        time.sleep(0.1)

    def download(self, link):
        import httpx

        try:
            answer = self.http.get(link)
        except httpx.TransportError:
            return "cut"
        return "200" if answer.status_code == 200 else f"{answer.status_code} {answer.text[:400]}"

    def fresh(self):
        self.post("/test/reset", None)
        # The app is back from whatever the last fault was.
        while self.http.get(f"{self.service.url}/connected").status_code != 200:
            time.sleep(0.05)

    def judge(self, name):
        from expected import EXPECTED

        for way, looked in EXPECTED[name].items():
            self.fresh()
            seen = asyncio.run(self.with_socket(name)) if way == "socket" else self.polled(name)
            assert looked(seen), f"{name}, {way}: {vars(seen)}"
            print(f"{name}, {way}: as told", flush=True)


def main(ndif, pair, *names):
    import failures
    from expected import EXPECTED

    left = set(failures.NAMED) - set(EXPECTED)
    assert not left, f"nobody looks at {sorted(left)}"
    judge = Judge(ndif, pair)
    try:
        for name in names or EXPECTED:
            judge.judge(name)
    finally:
        judge.service.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
