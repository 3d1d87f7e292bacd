"""What a client sees of each fault, with a socket and without one; check_faults.py looks."""


def good(seen):
    return seen.stages[-1:] == ["COMPLETED"] and seen.counted["runs"] == 1


def inline(seen):
    return good(seen) and isinstance(seen.link, bytes)


def linked(*downloads):
    """A link, and what the first and the second download of it come to."""

    def looked(seen):
        return good(seen) and all(w in d for w, d in zip(downloads, seen.downloads, strict=True))

    return looked


def both(looked):
    return {"socket": looked, "poll": looked}


def died(seen):
    """The socket is dead, the job ran, and nothing of it can be had from anywhere."""
    return seen.socket_died and seen.counted["runs"] == 1 and seen.counted["status"] == "COMPLETED"


def refused(status, after, taken):
    def looked(seen):
        told = seen.headers.get("retry-after") is not None
        ran = seen.counted is not None and seen.counted["runs"] == 1
        return seen.submit == status and told == after and ran == taken

    return both(looked)


def reset(taken):
    return both(lambda seen: seen.submit == "reset" and (seen.counted is not None) == taken)


def never_ran(seen):
    return seen.submit == 200 and seen.counted["runs"] == 0


def stuck(*stages):
    """What the store says of a job stays as it was when the queue was lost."""

    def looked(seen):
        said = set(seen.stages)
        return seen.submit == 200 and said <= set(stages) and seen.stages[-1:] == list(stages[-1:])

    return looked


def failed(words):
    return both(lambda seen: seen.stages[-1:] == ["ERROR"] and words in seen.words)


CUT, FINE = "cut", "200"
RUNS_ON = {"socket": died, "poll": linked(FINE, FINE)}

EXPECTED = {
    "none": {"socket": inline, "poll": linked(FINE, FINE)},
    "socket_refused": {"socket": lambda seen: seen.socket_refused == 503, "poll": linked(FINE, FINE)},
    "socket_after_received": RUNS_ON,
    "socket_after_queued": RUNS_ON,
    "socket_after_running": RUNS_ON,
    "busy": refused(503, True, False),
    "busy_until_date": refused(503, True, False),
    "busy_without_time": refused(503, False, False),
    "busy_after": refused(503, True, True),
    "busy_after_without_time": refused(503, False, True),
    "cluster_down": refused(503, False, False),
    "reset_before": reset(False),
    "reset_after": reset(True),
    "late_status": {"poll": lambda seen: good(seen) and seen.polls[:3] == [404] * 3},
    "late_first_status": {"poll": lambda seen: good(seen) and seen.polls[:3] == [404] * 3},
    "lost": {
        "socket": lambda seen: seen.socket_died and never_ran(seen),
        "poll": lambda seen: set(seen.polls) == {404} and never_ran(seen),
    },
    "error": failed("out of memory"),
    "half_result": both(linked(CUT, FINE)),
    "half_result_without_ranges": both(linked(CUT, FINE)),
    "corrupt": both(linked(FINE, FINE)),
    "too_long": both(linked(CUT, FINE)),
    "too_short": both(linked("", FINE)),
    "bomb": both(linked(FINE, FINE)),
    "system": both(linked(FINE, FINE)),
    "inflate": both(linked(FINE, FINE)),
    "drip": both(linked(FINE, FINE)),
    "redirect": both(linked(FINE, FINE)),
    "skew": {"poll": linked(FINE, FINE)},
    "result_gone": both(linked("404 ", "NoSuchKey")),
    "all_gone": both(linked("NoSuchKey", "404 ")),
    "expired": both(linked("403 ", "Request has expired")),
    "exit_after_received": {
        "socket": lambda seen: seen.socket_died and never_ran(seen),
        "poll": lambda seen: set(seen.polls) == {404} and never_ran(seen),
    },
    "exit_after_queued": {
        "socket": lambda seen: seen.socket_died and never_ran(seen),
        "poll": stuck("QUEUED"),
    },
    "exit_after_running": {"poll": stuck("PROVISIONING", "DEPLOYING", "QUEUED", "DISPATCHED", "RUNNING")},
    "restart_after_received": {
        "socket": lambda seen: seen.socket_died and never_ran(seen),
        "poll": lambda seen: set(seen.polls) == {404} and never_ran(seen),
    },
    "restart_while_queued": {
        "socket": lambda seen: seen.socket_died and never_ran(seen),
        "poll": stuck("QUEUED"),
    },
    "restart_while_running": RUNS_ON,
}
