"""What can go wrong with a job. The faults of `tests/nnsight_service/faults.py` keep their names and
keys, and those that a real service has beside them follow here.

What the app does of itself, in its own code, once it is brought about:

    exit        the process ends after "received", "queued" or "running". The queue is in memory: what
                waited is lost, what is in the object store stays, and nobody updates it any more
    restart     the API starts anew at that stage, with its queue and its sockets lost; the model's
                actor, which is another process in a cluster, goes on. `down`: seconds without an API
    socket      dropped after "received", "queued" or "running": the app runs on, the answer to a job
                with a socket goes to that socket and nowhere else
    gone        from the first download on the object store has no result; "all": nor the job's status
    expired     the link that the app signed is older than it holds
    submit      "cluster_down": the app itself answers 503, without `Retry-After`
    error       the job fails with these words, in place of running

What is done in front of the app, as a proxy or a network would:

    submit      503 or another status, "reset_before": the app never sees the request;
                "reset_after": the app takes it, and the connection ends before its answer
    answer      this status in place of the app's answer to a submission it took; `retry_after`,
                `detail` as for `submit`
    socket      "refused": 503 in place of the handshake
    polls_404, lost, skew    as in the other service; a lost job never reaches the queue
    cut, ranges, corrupt, length, result, drip, redirect, times    done to downloads

A malformed, an unknown and a missing key, a version that is too old, a model that is not there and
one that is not up need no fault: they are asked for as they are.
"""

import faults

# With these a result comes by link, for it is the download that is spoiled.
BY_LINK = {"cut", "corrupt", "length", "result", "drip", "redirect", "gone", "expired"}

NAMED = {
    **faults.NAMED,
    "socket_after_queued": {"socket": "queued"},
    "busy_without_time": {"submit": 503},
    "busy_after": {"answer": 503, "retry_after": 1},
    "busy_after_without_time": {"answer": 503},
    "cluster_down": {"submit": "cluster_down"},
    "late_first_status": {"polls_404": 3},
    "result_gone": {"gone": "result"},
    "all_gone": {"gone": "all"},
    "expired": {"expired": True},
    "exit_after_queued": {"exit": "queued"},
    "restart_after_received": {"restart": "received"},
    "restart_while_queued": {"restart": "queued"},
    "restart_while_running": {"restart": "running"},
}


def of(fault):
    """The dict of a fault given by name or in full."""
    return dict(NAMED[fault]) if isinstance(fault, str) else dict(fault)
