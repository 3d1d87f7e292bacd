"""What the package expects around it and a CPU without a cluster has not: set in the environment
before the package is imported, or put in the place of one connection after that."""

import os
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUCKET = "ndif-results"
# Seconds a link to a result holds, as the package signs it.
LINK_SECONDS = 3600


def environment(options, store_port, links_port, hub):
    """Settings that the package reads as it is imported; all are its own."""
    set_to = {
        "HF_HOME": str(hub),
        "HF_HUB_OFFLINE": "1",
        "NDIF_OBJECT_STORE_URL": f"http://127.0.0.1:{store_port}",
        "NDIF_OBJECT_STORE_PUBLIC_URL": f"http://127.0.0.1:{links_port}",
        "NDIF_OBJECT_STORE_ACCESS_KEY": "key",
        "NDIF_OBJECT_STORE_SECRET_KEY": "secret",
        "NDIF_OBJECT_STORE_BUCKET": BUCKET,
        "NDIF_INFLUX_ENABLED": "0",
        "NDIF_LOG_LEVEL": options.log_level,
        # A port that listens is all that is asked of the cluster's address.
        "NDIF_RAY_ADDRESS": f"ray://127.0.0.1:{store_port}",
        # Turns the check of keys on; no query leaves this process.
        "NDIF_POSTGRES_URL": "postgresql://keys",
        "NDIF_SANDBOX_POOL_SIZE": str(options.pool),
        "OMP_NUM_THREADS": str(options.threads),
        "TOKENIZERS_PARALLELISM": "false",
        "TQDM_DISABLE": "1",
    }
    if options.min_python:
        set_to["NDIF_MIN_PYTHON_VERSION"] = options.min_python
    if options.min_nnsight:
        set_to["NDIF_MIN_NNSIGHT_VERSION"] = options.min_nnsight
    os.environ.update(set_to)
    sys.path[:0] = [str(HERE / "stub"), str(options.ndif)]


def cuda():
    """After each request the package tidies up CUDA's memory."""
    import torch

    torch.cuda.synchronize = torch.cuda.empty_cache = lambda *_: None


def redis():
    """One in-memory server behind the package's three clients."""
    import fakeredis
    from ndif.common.providers.redis import RedisProvider

    server = fakeredis.FakeServer()
    RedisProvider.sync_client = fakeredis.FakeRedis(server=server, decode_responses=True)
    RedisProvider.async_client = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
    RedisProvider.async_bytes_client = fakeredis.FakeAsyncRedis(server=server)


def keys(ordinary, trusted):
    """The rows that the database of keys would give for the package's one query."""
    from ndif.common.providers.postgres import PostgresProvider

    tags = {ordinary: None, trusted: "trusted"}

    async def fetch(_query, key):
        if str(key) not in tags:
            return []
        return [{"user_id": "1", "email": "someone@example.org", "user_tag": tags[str(key)]}]

    PostgresProvider.fetch = staticmethod(fetch)


def kept_objects(folder):
    """An object store outlives the service; this one is in memory, so what it is given is also
    written to `folder`, and put back at a start on the same folder.

    It takes one object at a time, in the order of asking: the package writes a job's stages from
    several threads, and where all of a job takes milliseconds, an early one could land last.
    """
    from ndif.common.providers.objectstore import ObjectStoreProvider as Store

    put = Store.put.__func__
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            put(Store, path.relative_to(folder).as_posix(), path.read_bytes())

    turn = threading.Lock()

    def put_and_keep(cls, key, data, content_type="application/octet-stream"):
        with turn:
            put(cls, key, data, content_type)
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(path.name + ".new")
            new.write_bytes(data)
            new.replace(path)

    Store.put = classmethod(put_and_keep)


def remove_object(folder, key):
    from ndif.common.providers.objectstore import ObjectStoreProvider as Store

    Store.client.delete_object(Bucket=BUCKET, Key=key)
    (folder / key).unlink(missing_ok=True)


def inline_limit(most):
    """Sets the size up to which a result rides on the socket; None is the package's own. Released
    versions differ in where it is."""
    from ndif.common.providers.objectstore import ObjectStoreProvider
    from ndif.common.providers.redis import RedisProvider

    if hasattr(RedisProvider, "max_publish_bytes"):
        # None has it derived from redis's limits, which the one in memory does not tell: 8 MiB.
        RedisProvider._max_publish_bytes = most
    else:
        # There, 0 means no limit.
        usual = ObjectStoreProvider.CONFIG["max_socket_result_bytes"][1]
        ObjectStoreProvider.max_socket_result_bytes = usual if most is None else max(most, 1)
