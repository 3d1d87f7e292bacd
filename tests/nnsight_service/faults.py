"""What can go wrong with a job, and the foul results that a client must survive.

A fault is a dict of the keys below, or the name of one in `NAMED`. The service takes the first of
its list with every submission.

    submit      503 (or another status; `retry_after` in seconds or "date", `detail`),
                "reset_before" (nothing was accepted), "reset_after" (the job runs)
    socket      "refused", or dropped after "received" or "running"
    exit        the process ends after "received" or "running"; its state stays on disk
    polls_404   so many polls find nothing yet
    lost        the job is forgotten: no status ever, 404 for good
    error       the job fails with this traceback
    cut         the download ends at this share of its bytes (0 to 1)
    ranges      false: the download starts anew whatever was asked
    corrupt     one byte of the packed result is changed
    length      added to what Content-Length says
    result      "bomb", "system" or "inflate" in place of the result
    drip        seconds between the pieces of the download, `drip_bytes` each
    redirect    the download is elsewhere, at another host name
    skew        seconds added to the Date of what concerns this job
    times       how many downloads are spoiled before one is right (default 1)
"""

import functools
import io
import zipfile

NAMED = {
    "none": {},
    "socket_refused": {"socket": "refused"},
    "socket_after_received": {"socket": "received"},
    "socket_after_running": {"socket": "running"},
    "busy": {"submit": 503, "retry_after": 1},
    "busy_until_date": {"submit": 503, "retry_after": "date"},
    "reset_before": {"submit": "reset_before"},
    "reset_after": {"submit": "reset_after"},
    "late_status": {"socket": "refused", "polls_404": 3},
    "lost": {"socket": "received", "lost": True},
    "error": {"error": "Traceback (most recent call last):\n  line 3\nRuntimeError: out of memory"},
    "half_result": {"cut": 0.5},
    "half_result_without_ranges": {"cut": 0.5, "ranges": False},
    "corrupt": {"corrupt": True},
    "too_long": {"length": 64},
    "too_short": {"length": -64},
    "bomb": {"result": "bomb"},
    "system": {"result": "system"},
    "inflate": {"result": "inflate"},
    "drip": {"drip": 0.02, "drip_bytes": 64},
    "redirect": {"redirect": True},
    "skew": {"skew": 86400},
    "exit_after_received": {"exit": "received"},
    "exit_after_running": {"exit": "running"},
}


def of(fault):
    """The dict of a fault given by name or in full."""
    return dict(NAMED[fault]) if isinstance(fault, str) else dict(fault)


def archive(pickled):
    """A torch.save file with this pickle and no tensors."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/byteorder", b"little")
        file.writestr("archive/version", b"3\n")
    return out.getvalue()


def bomb():
    """Lists of twice the one before, forty times: a few hundred bytes, 2^40 leaves."""
    steps = b"\x80\x02]"
    for memo in range(40):
        at = bytes([memo])
        steps += b"q" + at + b"0" + b"]" + b"(" + (b"h" + at) * 2 + b"e"
    return archive(b"\x80\x02}X\x01\x00\x00\x00h" + steps[2:] + b"s.")


def system(command):
    """A result that asks whoever unpickles it to run a command."""
    text = command.encode()
    size = len(text).to_bytes(4, "little")
    return archive(b"\x80\x02}X\x01\x00\x00\x00hcposix\nsystem\nX" + size + text + b"\x85Rs.")


@functools.cache
def inflate(size=1 << 28):
    """A zstd frame of zeros that unpacks to `size` bytes."""
    import zstandard

    out, zeros = io.BytesIO(), bytes(1 << 24)
    with zstandard.ZstdCompressor(level=1).stream_writer(out, closefd=False) as writer:
        for _ in range(size >> 24):
            writer.write(zeros)
    return out.getvalue()
