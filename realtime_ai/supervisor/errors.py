class SupervisorError(Exception):
    """It cannot go on: why, and what to do, in one line. Exit code 1."""


class AlreadyTold(SupervisorError):
    """A child has printed why."""


class Stopped(Exception):
    """A signal asked to stop while something was still starting."""
