"""The errors that the package tells apart."""


class ActorDiedError(Exception):
    pass


class ActorUnavailableError(Exception):
    pass


class RayTaskError(Exception):
    """What an actor raised, as a client of the cluster sees it: the error itself is `cause`."""

    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause
