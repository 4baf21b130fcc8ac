"""Reasons that people can act on: the two kinds of error whose message says what is wrong and what to do.

Here: the base classes that rooms raise. Not here: any reason itself (each in its room), or how one is shown
(`cli.errors`). Every other exception is a fault of this program and keeps its traceback.
"""


class Refusal(Exception):
    """The data, a file, a run or the state of a home is in the way. The command ends with exit code 1."""

    exit_code = 1


class WrongUse(Refusal):
    """What was typed cannot be meant: an option, a name, a day, a policy. The command ends with exit code 2."""

    exit_code = 2
