"""The errors of a sign-in provider."""


class UnreachableError(Exception):
    """The provider doesn't answer in time, or answers nonsense: one line. Later it may."""


class SignInRefusedError(Exception):
    """What came back isn't to be trusted, or isn't what was asked for: one line. Nobody is let in."""
