"""Stands where Ray would be: actors are objects of this process, found by name.

The package's queue talks to its cluster only by `get_actor(name)` and
`handle.method.remote(...)`; `ACTORS` (in `util.state`) holds who answers. Everything else here is
what importing the package's modules asks for.
"""

from . import exceptions  # noqa: F401  - `ray.exceptions` is read off this module
from .util import state


def remote(*classes, **_options):
    """Leaves a class as it is: nothing is put into another process."""
    return classes[0] if classes else lambda cls: cls


def init(*_args, **_options):
    state.UP = True


def shutdown():
    state.UP = False


def is_initialized():
    return state.UP


def get_actor(name, namespace=None):
    """The handle under this name; Ray's own answer where there is none is a ValueError too."""
    handle = state.HANDLES.get(name)
    if handle is None:
        raise ValueError(f"Failed to look up actor with name '{name}'")
    return handle


def kill(actor, no_restart=True):
    raise RuntimeError("an actor asked to be restarted; there is no CUDA context here to lose")


class ObjectRef:
    pass


class _Context:
    current_actor = None
    gcs_address = "none"


def get_runtime_context():
    return _Context()


class actor:
    class ActorHandle:
        pass
