"""Counts what crosses the socket between a model and the runner of a request: frames and bytes, by
direction and kind. Bytes are those on the socket, each frame's eight of length included."""

from ndif.services.ray.sandbox import host, protocol

LENGTH = 8


class Count(dict):
    """`{"host>runner RESUME": [frames, bytes], …}` of one request."""

    def note(self, kind, size):
        of_kind = self.setdefault(kind, [0, 0])
        of_kind[0] += 1
        of_kind[1] += size + LENGTH

    def frames(self):
        return sum(frames for frames, _ in self.values())

    def bytes(self):
        return sum(size for _, size in self.values())


class Counted(host.Connection):
    """The host's end of a runner's socket, counting into `count`."""

    count = Count()

    def send(self, value):
        raw = protocol.encode(value)
        # The request itself goes first, as a tuple that starts with its bytes.
        named = isinstance(value, tuple) and isinstance(value[0], str)
        self.count.note(f"host>runner {value[0] if named else 'REQUEST'}", len(raw))
        self.send_raw(raw)

    def recv(self, timeout=None):
        raw = self.recv_raw(timeout)
        values, kwargs = protocol.unpack(raw, self.map_location)
        kind = values[0]
        if kind == "PARK" and values[2] is not None:
            # What the worker waits for next: a value, a swap, a call and so on.
            event = values[2][0]
            kind = f"{kind} {getattr(event, 'name', event)}"
        self.count.note(f"runner>host {kind}", len(raw))
        return values, kwargs


def attach():
    """Every runner's connection counts; which request's, says the actor that opens it."""
    host.Sandbox.connection = lambda sandbox, timeout=60.0: Counted.open(sandbox.path, timeout)
