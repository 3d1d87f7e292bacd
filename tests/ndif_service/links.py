"""Where the links that the app hands out lead: in front of the object store, spoiling downloads where
a test said so.

A store that signs links refuses them once they are too old. The one in memory does not look, so that
is done here, from the date in the link itself; the signature is not checked.
"""

import asyncio
import datetime
import urllib.parse

from results import Results

import surroundings

STAMP = "%Y%m%dT%H%M%SZ"


def refusal(status, code, words):
    """An error as an object store tells it."""
    told = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{told}'
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\n"
    return (head + "connection: close\r\n\r\n" + body).encode()


class Links(Results):
    """`objects` is the folder in which the store's objects are kept over a restart."""

    def __init__(self, jobs, mark, objects):
        super().__init__(jobs, mark)
        self.objects = objects

    def job_of(self, target):
        return self.jobs.all.get(self.key_of(target).removesuffix(".pt"))

    def key_of(self, target):
        return urllib.parse.urlsplit(target).path.removeprefix(f"/{surroundings.BUCKET}/")

    def moved(self, target):
        return f"{target}&moved"

    async def refusal(self, job, target):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))
        signed, holds = query.get("X-Amz-Date"), query.get("X-Amz-Expires")
        if not signed or not holds:
            return refusal("403 Forbidden", "AccessDenied", "Access Denied")
        now = datetime.datetime.now(datetime.UTC)
        if job is not None and job["fault"].get("expired"):
            now += datetime.timedelta(seconds=surroundings.LINK_SECONDS + 1)
        signed = datetime.datetime.strptime(signed, STAMP).replace(tzinfo=datetime.UTC)
        if now > signed + datetime.timedelta(seconds=int(holds)):
            return refusal("403 Forbidden", "AccessDenied", "Request has expired")
        if job is not None and "gone" in job["fault"]:
            await asyncio.to_thread(self.remove, job)
        if job is not None and await self.data_of(job) is not None:
            return None
        return refusal("404 Not Found", "NoSuchKey", "The specified key does not exist.")

    def remove(self, job):
        """Takes from the store what would be cleared away once it is old."""
        surroundings.remove_object(self.objects, f"{job['id']}.pt")
        if job["fault"]["gone"] == "all":
            surroundings.remove_object(self.objects, f"responses/{job['id']}.json")

    async def data_of(self, job):
        from ndif.common.providers.objectstore import ObjectStoreProvider

        return await asyncio.to_thread(ObjectStoreProvider.get, f"{job['id']}.pt")
