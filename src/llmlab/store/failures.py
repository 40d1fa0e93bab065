"""Turns what a database driver raises into errors of the lab that say what to do."""

from __future__ import annotations

from llmlab.errors import LabError, StoreError, StoreUnavailableError

# (part of the driver's message, what to tell the user); the first that fits is taken.
_LASTING = (
    ("disk i/o error", "{name} cannot be read or written (I/O error). Check the disk."),
    ("readonly database", "{name} cannot be written. Check the permissions of file and folder."),
    ("unable to open", "{name} cannot be opened. Check that its folder exists and is yours."),
    ("malformed", "{name} is damaged. Stop the lab and put a backup in its place."),
    ("not a database", "{name} is not a database. Name another file in `database_url`."),
    ("password authentication", "{name} refused the password in `database_url`."),
    ("does not exist", "{name}: {detail}. Create it, or check `database_url`."),
)
_UNREACHABLE = "{name} is not reachable. Check that it runs, and `database_url`."
# What may be over when the caller asks again.
_PASSING = (
    ("disk is full", "The disk that holds {name} is full. Free some space and try again."),
    ("disk quota exceeded", "The quota for {name} is used up. Free some space and try again."),
    ("no space left", "The disk of {name} is full. Free some space and try again."),
    ("is locked", "{name} is locked: another process is writing to it. Stop that, or wait."),
    ("too many", "{name} has no connection left. Close other clients or raise its limit."),
    ("connection", _UNREACHABLE),
    ("connect call failed", _UNREACHABLE),
)


def translated(error: BaseException, name: str) -> LabError:
    """Return the lab's error for a failure; an error of the lab stays what it is.

    Args:
        error: What was raised.
        name: What to call the database.
    """
    if isinstance(error, LabError):
        return error
    detail = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
    kind = type(getattr(error, "orig", None) or error).__name__
    text = f"{kind} {detail}".lower()
    for known, problem in ((_LASTING, StoreError), (_PASSING, StoreUnavailableError)):
        for part, advice in known:
            if part in text:
                return problem(advice.format(name=name, detail=detail))
    if isinstance(error, OSError | TimeoutError):
        return StoreUnavailableError(_UNREACHABLE.format(name=name))
    return StoreError(f"{name} refused: {kind}: {detail}")
