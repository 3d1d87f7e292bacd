"""What a test can know of each job: what was sent, which stages it went through, how often it ran and
what that moved. On disk, as the faults that are still to come, so a service started again goes on."""

import collections
import contextlib
import hashlib
import json
import threading

import failures
from jobs import Jobs

# What is kept of a submission's headers; of the key only whose it is.
HEADERS = ("ndif-", "nnsight-", "python-", "user-agent", "content-")


class Ledger(Jobs):
    def __init__(self, state, keys):
        super().__init__(str(state / "jobs"))
        self.state, self.keys = state, keys
        self.lock = threading.RLock()
        self.refused = collections.Counter()
        self.inline = None
        self.faults = collections.deque()
        with contextlib.suppress(FileNotFoundError):
            self.faults.extend(json.loads((state / "faults.json").read_text()))

    # -- faults ----------------------------------------------------------------------------------

    def set_faults(self, wanted):
        self.faults = collections.deque(failures.of(fault) for fault in wanted)
        self.keep_faults()

    def next_fault(self):
        fault = self.faults.popleft() if self.faults else {}
        self.keep_faults()
        return fault

    def keep_faults(self):
        (self.state / "faults.json").write_text(json.dumps(list(self.faults)))

    def fault_of(self, job_id):
        job = self.all.get(job_id)
        return job["fault"] if job else {}

    def done_with(self, job_id, *names):
        """A fault that happens once is not met again after a restart."""
        with self.lock:
            job = self.all.get(job_id)
            if job:
                for name in names:
                    job["fault"].pop(name, None)
                self.keep(job)
        self.keep_faults()

    def inline_of(self, job_id):
        """Up to which size a result rides on the socket: the package's own limit where None."""
        return -1 if failures.BY_LINK & set(self.fault_of(job_id)) else self.inline

    # -- what is learnt of a job -----------------------------------------------------------------

    def take(self, request, context):
        """A request that the app has accepted; the app's own schema."""
        payload = request.payload or b""
        envelope = {name: getattr(request, name) for name in ("model_key", "session_id", "compress", "env")}
        with self.lock:
            try:
                job = self.add(request.id, envelope, payload, context.fault)
            except Exception:
                # No pickle: its own bytes tell it from others.
                job = self.all[request.id] = self.unreadable(request.id, envelope, payload, context.fault)
            job.update(
                trusted=request.trusted,
                digest=hashlib.sha256(payload).hexdigest(),
                headers=context.headers(self.keys),
                received=context.received(),
                stages=["RECEIVED"],
                seconds=0.0,
                runner_s=0.0,
                result_bytes=0,
                wire={},
                wire_frames=0,
                wire_bytes=0,
            )
            self.keep(job)

    def unreadable(self, job_id, envelope, payload, fault):
        work = hashlib.sha256(payload).hexdigest()[:16]
        job = {"id": job_id, "number": len(self.all), "envelope": envelope, "fault": fault, "work": work}
        job.update(payload_bytes=len(payload), received=0, sent=0, downloads=0, polls=0, runs=0)
        job.update(status="RECEIVED", description="")
        (self.state / "jobs" / job_id).mkdir(parents=True)
        return job

    def note(self, job_id, **figures):
        with self.lock:
            job = self.all.get(job_id)
            if job is not None:
                job.update(figures)
                self.keep(job)

    def add_to(self, job_id, name, more=1):
        with self.lock:
            job = self.all.get(job_id)
            if job is not None:
                job[name] += more
                self.keep(job)

    def stage(self, job_id, status, description):
        with self.lock:
            job = self.all.get(job_id)
            if job is None:
                return
            if status == "LOG":
                job.setdefault("log", []).append(description)
            else:
                job["status"], job["description"] = status, description
                job["stages"].append(status)
            self.keep(job)

    def result(self, job_id, packed):
        with self.lock:
            job = self.all.get(job_id)
            if job is not None:
                self.write(job, "result", packed)
                self.note(job_id, result_bytes=len(packed))

    def of_session(self, session):
        """The job that a socket is for: the last one sent with its id."""
        for job in reversed(self.all.values()):
            if session and job["envelope"]["session_id"] == session:
                return job
        return None

    # -- for the tests ---------------------------------------------------------------------------

    def counts(self):
        with self.lock:
            jobs = list(self.all.values())
            works = collections.Counter(job["work"] for job in jobs)
            ran = collections.Counter()
            for job in jobs:
                ran[job["work"]] += job["runs"]
            return {
                "jobs": jobs,
                "works": works,
                "most": max(works.values(), default=0),
                "ran": ran,
                "ran_most": max(ran.values(), default=0),
                "refused": self.refused,
                "faults_left": len(self.faults),
            }

    def reset(self):
        with self.lock:
            self.clear()
            self.faults.clear()
            self.keep_faults()
            self.refused.clear()
