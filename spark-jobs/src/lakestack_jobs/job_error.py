"""What a job tells the person who reads its last line."""


class JobError(Exception):
    """
    A fault that its message explains: what is wrong, where, and the next step. Shown without a stack trace.

    Trying again would not help: the data or the declaration has to change first.
    """
