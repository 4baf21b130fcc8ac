"""Reasons that people can act on: the two kinds of error whose message says what is wrong and what to do.

Here: the two base classes. Not here: the errors themselves (each in its room), or how they are shown (`cli.errors`).
Every other exception is a bug of this program and keeps its traceback.
"""


class Refusal(Exception):
    """The data, a file, a run or the state of a home stops the command. It ends with exit code 1."""

    exit_code = 1


class WrongUse(Refusal):
    """An option, a name, a day or a policy cannot be used as it is. The command ends with exit code 2."""

    exit_code = 2
