"""The one error that a user's input can cause: its message is a sentence that says what to do."""


class InputError(ValueError):
    """A setting, file or folder of the user's cannot be used; raised before any compute is spent."""


def require(condition: bool, sentence: str) -> None:
    """Raise :class:`InputError` with `sentence` unless `condition` holds."""
    if not condition:
        raise InputError(sentence)
