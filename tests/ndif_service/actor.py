"""The package's own model actor with a process sandbox, on a CPU, with what each request cost."""

import time

from ndif.common.errors import RequestError
from ndif.services.ray.sandbox.model import SandboxModelDeployment
from nnsight.modeling.huggingface import HuggingFaceModel

import meter
import surroundings


class Told(RequestError):
    """A failure that a test asked for, with the words that the client shall see."""


class Actor(SandboxModelDeployment):
    """One model. `jobs` is told what is learnt of each request, by its id, and knows its fault."""

    def __init__(self, model_key, dtype, pool, jobs):
        self.jobs = jobs
        super().__init__(model_key, dtype=dtype, pool_size=pool)

    def load_from_disk(self):
        # In place of the loading onto CUDA devices; the rest of the actor is the package's.
        model = HuggingFaceModel.from_model_key(
            self.model_key, dispatch=True, dtype=self.dtype_name, device="cpu"
        )
        model._module.requires_grad_(False)
        return model

    def from_cache(self, gpu_mem_bytes_by_id):
        # The weights never left the CPU.
        self.cached = False

    def open_pool(self, *args, **kwargs):
        super().open_pool(*args, **kwargs)
        acquire = self.pool.acquire

        def timed(*args, **kwargs):
            begun = time.perf_counter()
            try:
                return acquire(*args, **kwargs)
            finally:
                self.runner_s = time.perf_counter() - begun

        self.pool.acquire = timed

    async def run(self, request):
        surroundings.inline_limit(self.jobs.inline_of(request.id))
        begun = time.perf_counter()
        try:
            await super().run(request)
        finally:
            self.jobs.note(request.id, seconds=time.perf_counter() - begun)

    def execute(self, request):
        self.jobs.add_to(request.id, "runs")
        fault = self.jobs.fault_of(request.id)
        if "error" in fault:
            raise Told(fault["error"])
        meter.Counted.count = count = meter.Count()
        self.runner_s = 0.0
        try:
            return super().execute(request)
        finally:
            figures = {"wire_frames": count.frames(), "wire_bytes": count.bytes(), "runner_s": self.runner_s}
            self.jobs.note(request.id, wire=dict(count), **figures)

    def prepare_result(self, request, data):
        packed = super().prepare_result(request, data)
        self.jobs.result(request.id, packed)
        return packed
