"""The package's own queue, run beside the API, and the ends that a fault can put to it."""

import asyncio
import os

from ndif.common.providers.redis import RedisProvider
from ndif.common.schema import Status
from ndif.common.schema.request import BackendRequestModel
from ndif.services.api.queue.dispatcher import Dispatcher
from ndif.services.api.queue.processor import ProcessorStatus

from front import SUBMISSION

# Seconds that an API is away while it starts anew, and a cluster while it reconnects.
DOWN = 0.5


class Queue:
    def __init__(self, ledger):
        self.ledger, self.front = ledger, None
        # Kept, for asyncio complains of tasks that are let go of as they wait.
        self.gone = []
        self.loop = asyncio.get_running_loop()
        self.watch()
        # The package runs it as a process beside the API's workers; its only ties are redis and Ray.
        self.dispatcher = Dispatcher()
        self.main = self.loop.create_task(self.dispatcher.dispatch_worker())

    # -- following each request ------------------------------------------------------------------

    def watch(self):
        """Writes down every stage of every request, and lets faults happen at their stage."""
        respond, arespond = BackendRequestModel.respond, BackendRequestModel.arespond
        response, dispatch = BackendRequestModel.response, Dispatcher.dispatch

        def watched_response(request, status, *args, **kwargs):
            answer = response(request, status, *args, **kwargs)
            if status == Status.RECEIVED:
                submission = SUBMISSION.get()
                submission.job_id = request.id
                self.ledger.take(request, submission)
            else:
                self.ledger.stage(request.id, status.value, answer.description)
            return answer

        def watched_respond(request, status, *args, **kwargs):
            answer = respond(request, status, *args, **kwargs)
            future = asyncio.run_coroutine_threadsafe(self.at_stage(request.id, status), self.loop)
            if self.ledger.fault_of(request.id):
                # Nothing of the job may happen before its fault has.
                future.result()
            return answer

        async def watched_arespond(request, status, *args, **kwargs):
            answer = await arespond(request, status, *args, **kwargs)
            await self.at_stage(request.id, status)
            return answer

        async def watched_dispatch(dispatcher, request):
            fault = self.ledger.fault_of(request.id)
            if fault.get("lost"):
                return
            ending = fault.get("exit") or fault.get("restart")
            if ending == "queued":
                # It is in the queue's memory, says the last word that there is of it.
                await request.arespond(Status.QUEUED, "Added to Queue at position 1.")
            if ending in ("received", "queued"):
                await asyncio.sleep(0.05)
                return await self.end(request.id)
            await dispatch(dispatcher, request)

        BackendRequestModel.response = watched_response
        BackendRequestModel.respond = watched_respond
        BackendRequestModel.arespond = watched_arespond
        Dispatcher.dispatch = watched_dispatch

    async def at_stage(self, job_id, status):
        fault, stage = self.ledger.fault_of(job_id), status.value.lower()
        if fault.get("socket") == stage:
            await self.front.drop(job_id)
        if stage == "running" and stage in (fault.get("exit"), fault.get("restart")):
            await self.end(job_id)

    # -- the ends --------------------------------------------------------------------------------

    async def end(self, job_id):
        fault = self.ledger.fault_of(job_id)
        leaves, down = "exit" in fault, fault.get("down", DOWN)
        self.ledger.done_with(job_id, "exit", "restart")
        # What was said has to leave first.
        await asyncio.sleep(0.05)
        if leaves:
            os._exit(3)
        self.restart(down)

    def restart(self, down):
        """What an API's restart is to everybody else: no sockets, a queue that knows of nothing. The
        actors are other processes and finish what they run."""
        for processor in self.dispatcher.processors.values():
            processor.queue.clear()
            processor.status = ProcessorStatus.CANCELLED
        self.gone.append(self.dispatcher.processors)
        # All that a dispatcher knows. Its loop goes on, for a fake redis would hand the next request
        # to a reader that is gone, which a real one does not.
        self.dispatcher.processors = {}
        self.dispatcher.connect()
        self.front.drop_all(down)

    async def cluster_down(self):
        """The cluster is not reachable: the app looks at this flag and answers 503 by itself."""
        await RedisProvider.async_client.delete("ray:connected")
        self.loop.call_later(DOWN, lambda: RedisProvider.sync_client.set("ray:connected", "1"))
