"""How an error tolerance becomes lengths of windows and sizes of networks, as an ODE solver chooses its steps."""

import math
from dataclasses import dataclass
from typing import NamedTuple

LADDER = (64, 128, 256, 384, 512, 768, 1024)
"""Numbers of drawn features, K; each is compiled once."""
MOST_UNITS = LADDER[-1]
FALLS = (40.0, 80.0, 30.0, 10.0, 5.0, 2.0)
"""The factors by which the error of a window falls from each rung to the next, about: medians over the windows of six
problems, measured."""
SPARE = 15.0
"""How many times smaller than it aims at the error of a window must be for the next one to be longer."""
REFERENCE_ERROR = 1e-7
"""The error of a window of the usual length on the lowest rung, about: where a run starts to look."""
SHARE = 0.25
"""The part of the tolerance that the error of one window may have: later windows let it grow."""
AIM = 0.3
"""The part of its share that the error of a window aims at."""
HOPELESS = 1e4
"""A window whose error is so many times too large is made shorter at once."""
STRETCH = 0.1
"""A window may be longer than was chosen by this share, where no short rest is left then."""
MOST_ATTEMPTS = 8
"""At one window; the best of them is taken where none is good enough."""
LARGE = 512
"""The largest network with which a window is tried before it is made shorter, which then costs less."""
SHORT = 1 / 4
"""Of the usual length; beyond, larger networks cost less than shorter windows."""
SHORTEST = 1 / 16
"""Of the usual length, that a window may have."""


class Choice(NamedTuple):
    """What a window is tried with: its length, and the rung of its network's size."""

    length: float
    rung: int

    @property
    def units(self) -> int:
        """K."""
        return LADDER[self.rung]


@dataclass(frozen=True)
class Controller:
    """Chooses the next window from what came of the last.

    Args:
        tolerance: of the whole run, relative L2.
        usual: the length of a window where the solution changes by the reaction.
        longest: of a window whose lift and flow are not at rest, but for `STRETCH`.
        end: the horizon.
        falls, spare, reference_error, large: see `FALLS`, `SPARE`, `REFERENCE_ERROR` and `LARGE`.
        most: the length of any window, at most, but for `STRETCH`.
    """

    tolerance: float
    usual: float
    longest: float
    end: float
    falls: tuple[float, ...] = FALLS
    spare: float = SPARE
    reference_error: float = REFERENCE_ERROR
    large: int = LARGE
    most: float = math.inf

    @property
    def share(self) -> float:
        """The largest error that one window may make."""
        return SHARE * self.tolerance

    def first(self, units: int | None = None) -> Choice:
        """What a run begins with: as many units at least, or what the tolerance asks."""
        if units is not None:
            return Choice(self.usual, next((k for k, one in enumerate(LADDER) if one >= units), len(LADDER) - 1))
        return Choice(self.usual, self._up(0, self.reference_error / (AIM * self.share)))

    def _up(self, rung: int, excess: float) -> int:
        """The rung, from this one on, on which an error that is so many times too large here is small enough."""
        while rung < len(LADDER) - 1 and excess > 1:
            excess /= self.falls[rung]
            rung += 1
        return rung

    def _down(self, rung: int, room: float) -> int:
        """The lowest rung, from this one down, for an error that may be so many times as large as it is here."""
        while rung > 0 and room >= self.falls[rung - 1]:
            room /= self.falls[rung - 1]
            rung -= 1
        return rung

    def fitted(self, choice: Choice, now: float) -> Choice:
        """The choice with a length that does not leave a short rest before the end."""
        left, length = self.end - now, min(choice.length, self.most)
        pieces = max(1, math.ceil(left / length - STRETCH))
        return choice._replace(length=left if pieces == 1 else left / 2 if pieces == 2 else length)

    def is_for_rest(self, length: float) -> bool:
        """Whether only a window whose lift and flow are at rest is so long."""
        return length > (1 + STRETCH) * self.longest * (1 + 1e-9)

    def accepts(self, error: float) -> bool:
        """Whether a window may have this error."""
        return error <= self.share

    def after_success(self, choice: Choice, error: float, at_rest: bool) -> Choice:
        """The next window's, after one with this error.

        A rung is left only for a gain of two, since each has to be compiled; a solution at rest gets longer windows.
        """
        room = AIM * self.share / max(error, 1e-300)
        rung, length = self._down(choice.rung, room), choice.length
        if choice.rung - rung < 2:
            rung = choice.rung
        if room > 1 and at_rest:
            length = 2 * length
        elif room > self.spare**2 and choice.rung == 0:
            length = min(1.5 * length, self.longest)
        elif room > self.spare and not at_rest and length < self.usual:
            length = min(2 * length, self.usual)
        return Choice(length, rung)

    def _better(self, choice: Choice, shortest: float) -> Choice:
        """The next more accurate and slower one: more features up to `large`, then shorter windows, then the rest."""
        half = choice._replace(length=choice.length / 2)
        if choice.units >= self.large and half.length >= shortest:
            return half
        return choice._replace(rung=choice.rung + 1)

    def better_and_better(self, choice: Choice) -> list[Choice]:
        """The choice and those that follow it up to the most features; one longer than usual keeps its length."""
        shortest = SHORT * self.usual if choice.length <= self.usual else choice.length
        found = [choice]
        while found[-1].rung + 1 < len(LADDER):
            found.append(self._better(found[-1], shortest))
        return found

    def after_failure(self, choice: Choice, error: float) -> Choice | None:
        """What the same window is tried with next; None where nothing is left to try."""
        excess = error / (AIM * self.share)
        shorter = Choice(choice.length / 2, choice.rung)
        can_shorten = shorter.length >= SHORTEST * self.usual
        if not math.isfinite(excess) or excess > HOPELESS:
            return shorter if can_shorten else None
        if choice.units < self.large:
            return choice._replace(rung=min(self._up(choice.rung, excess), LADDER.index(self.large)))
        shortest = SHORT * self.usual
        if shorter.length >= shortest or choice.rung + 1 < len(LADDER):
            return self._better(choice, shortest)
        return shorter if can_shorten else None
