"""The cluster: a controller that knows which models there are, and their actors.

The package's queue (dispatcher, processors, replicas) is its own and asks this controller as it asks
the real one. Placement on GPUs, which the real one is mostly about, has no counterpart here. Status
and environment are told by the package's own code, from the records kept here.
"""

import asyncio
import collections
import concurrent.futures
import contextlib
import json
import pickle
import threading
import uuid
from types import SimpleNamespace

import ndif.services.ray.deployments.controller.controller as package
from ndif.common.providers.redis import RedisProvider
from ndif.common.redis import STATUS_KEY
from ndif.common.schema.controller import DeployResponse, ModelDeployResult, ReplicaState, ReplicaStates
from ndif.services.ray.deployments.controller.cluster.deployment import Deployment, DeploymentLevel
from ray.exceptions import RayTaskError
from ray.util import state as ray_state
from transformers import AutoConfig

import hub
from actor import Actor

SANDBOXED = "ndif.services.ray.sandbox.model.SandboxModelActor"


class Remote:
    """A handle of an actor: `handle.method.remote(...)` can be awaited."""

    def __init__(self, **methods):
        for name, call in methods.items():
            setattr(self, name, SimpleNamespace(remote=call))


class Hosted:
    """A model of this cluster, and its one replica."""

    def __init__(self, key, repo_id, folder, level, dtype):
        self.key, self.repo_id = key, repo_id
        config = AutoConfig.from_pretrained(folder)
        config._name_or_path = repo_id
        count = hub.parameters(folder)
        self.entry = SimpleNamespace(config=config, revision=None, n_params=count)
        self.size, self.dtype = count * 4, dtype
        self.actor = self.deployment = None
        if level is not DeploymentLevel.COLD:
            self.deploy(level)

    def deploy(self, level):
        if self.deployment is None:
            named = {"actor_class": SANDBOXED, "dtype": self.dtype, "pinned": True}
            replica = uuid.uuid4().hex[:8]
            self.deployment = Deployment(self.key, replica, level, {0: self.size}, self.size, **named)
        self.deployment.deployment_level = level


class Cluster:
    """`models` are `(repo_id, folder)`; `most` of them are in memory at a time."""

    def __init__(self, models, level, dtype, pool, most, jobs):
        self.dtype, self.pool, self.most, self.jobs = dtype, pool, most, jobs
        from models import key_of

        self.hosted = {
            key_of(repo_id): Hosted(key_of(repo_id), repo_id, folder, DeploymentLevel[level], dtype)
            for repo_id, folder in models
        }
        # Loaded models, the one used last at the end.
        self.loaded = collections.OrderedDict()
        # Each actor of a real cluster is a process; here they share this thread, its loop and one
        # turn, for nnsight keeps what a trace in process saves in globals of the process.
        self.loop = asyncio.new_event_loop()
        self.turn = asyncio.Lock()
        self.loader = concurrent.futures.ThreadPoolExecutor(1, "loader")
        threading.Thread(target=self.loop.run_forever, daemon=True, name="actors").start()
        ray_state.HANDLES["Controller"] = Remote(
            get_deployment=self.get_deployment, scale=self.scale, status=self.status, env=self.env
        )
        for hosted in self.hosted.values():
            self.list(hosted)

    def list(self, hosted):
        """Makes a deployed model's actor known under the name that the queue looks for."""
        if hosted.deployment is None:
            return
        name = hosted.deployment.name
        ray_state.ACTORS[name] = "ALIVE"
        ray_state.HANDLES[name] = Remote(
            run=lambda request: self.on_actors(self.run(hosted, pickle.loads(pickle.dumps(request)))),
            __ray_ready__=lambda: self.on_actors(self.ready(hosted)),
        )

    def on_actors(self, coroutine):
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    async def ready(self, hosted):
        async with self.turn:
            await self.load(hosted)

    async def run(self, hosted, request):
        async with self.turn:
            await self.load(hosted)
            try:
                return await hosted.actor.run(request)
            except Exception as error:
                # As a client of the cluster gets what an actor raised.
                raise RayTaskError(error) from error

    async def load(self, hosted):
        self.loaded[hosted.key] = hosted
        self.loaded.move_to_end(hosted.key)
        if hosted.actor is not None:
            return
        while len(self.loaded) > self.most:
            _, other = self.loaded.popitem(last=False)
            other.actor.close()
            other.actor = None
        make = lambda: Actor(hosted.key, self.dtype, self.pool, self.jobs)  # noqa: E731
        hosted.actor = await self.loop.run_in_executor(self.loader, make)
        hosted.actor.cached = hosted.deployment.deployment_level is DeploymentLevel.WARM

    # -- what the queue asks of the controller ---------------------------------------------------

    async def get_deployment(self, key):
        hosted = self.hosted.get(key)
        if hosted is None or hosted.deployment is None:
            return ReplicaStates()
        if hosted.deployment.deployment_level is not DeploymentLevel.HOT:
            return ReplicaStates()
        return ReplicaStates(replicas=[ReplicaState(**hosted.deployment.get_state())])

    async def scale(self, key, _count, _config):
        hosted = self.hosted.get(key)
        if hosted is None:
            repo_id = key
            with contextlib.suppress(IndexError, ValueError, KeyError):
                repo_id = json.loads(key.split(":", 1)[1])["repo_id"]
            # A real one asks the hub first.
            await asyncio.sleep(0.1)
            words = f"Repository Not Found: there is no {repo_id} here"
            return DeployResponse(results={key: ModelDeployResult(error=words)})
        await self.set_level(hosted, DeploymentLevel.HOT)
        return DeployResponse(results={key: ModelDeployResult(replicas=[hosted.deployment.replica_id])})

    async def status(self):
        deployed = [h.deployment for h in self.hosted.values() if h.deployment is not None]
        at = lambda level: [(0, 0, d) for d in deployed if d.deployment_level is level]  # noqa: E731
        node = SimpleNamespace(
            iter_deployments=lambda: at(DeploymentLevel.HOT),
            iter_cache=lambda: at(DeploymentLevel.WARM),
            gpu_resources=SimpleNamespace(gpus=[]),
            deployments={},
        )
        entries = {key: hosted.entry for key, hosted in self.hosted.items()}
        evaluator = SimpleNamespace(cache=entries)
        controller = SimpleNamespace(
            cluster=SimpleNamespace(nodes={"cpu": node}, evaluator=evaluator),
            minimum_deployment_time_seconds=None,
        )
        return package._ControllerActor.status(controller)

    async def env(self):
        return await asyncio.to_thread(package._ControllerActor.env, None)

    # -- for the tests and the service -----------------------------------------------------------

    async def set_level(self, hosted, level):
        """Moves a model between GPU, CPU cache and disk, as an operator or another user's need may."""
        if level is DeploymentLevel.COLD:
            if hosted.deployment is not None:
                ray_state.HANDLES.pop(hosted.deployment.name, None)
                ray_state.ACTORS.pop(hosted.deployment.name, None)
                hosted.deployment = None
        else:
            hosted.deploy(level)
            self.list(hosted)
            actor, warm = hosted.actor, level is DeploymentLevel.WARM
            if actor is not None and warm and not actor.cached:
                # Takes the model from under a request that runs, which is then queued again.
                await self.on_actors(actor.to_cache())
            elif actor is not None and actor.cached and not warm:
                actor.from_cache({})
        # The real status is up to a minute old; a test that moved a model asks at once.
        await RedisProvider.async_client.delete(STATUS_KEY)

    async def levels(self, wanted):
        for repo_id, level in wanted.items():
            for hosted in self.hosted.values():
                if hosted.repo_id == repo_id:
                    await self.set_level(hosted, DeploymentLevel[level])

    def close(self):
        """Stops the runners; nothing else outlives the process."""
        for hosted in self.hosted.values():
            if hosted.actor is not None:
                hosted.actor.discard_sandbox()
                hosted.actor.close()


def eager(cluster):
    """Loads models before anything is asked, as many as stay loaded."""
    for hosted in list(cluster.hosted.values())[: cluster.most]:
        asyncio.run_coroutine_threadsafe(cluster.ready(hosted), cluster.loop).result()
