"""How windows and sizes are chosen: by arithmetic alone."""

import math

import pytest

from pinn_ac.marching.control import AIM, FALLS, LADDER, LARGE, SHORTEST, Choice, Controller

CONTROLLER = Controller(tolerance=1e-6, usual=0.1, longest=0.2, end=1.0)
MIDDLE = Choice(0.1, 2)


def test_a_smaller_tolerance_begins_with_more_features():
    rungs = [Controller(10.0**-k, 0.1, 0.2, 1.0).first().rung for k in range(2, 13)]
    assert rungs == sorted(rungs)
    assert rungs[0] == 0 < rungs[-1]


@pytest.mark.parametrize(("width", "units"), [(1, 64), (64, 64), (65, 128), (600, 768), (5000, 1024)])
def test_a_width_that_was_asked_for_is_what_a_run_begins_with(width, units):
    assert CONTROLLER.first(width).units == units


def test_a_window_is_accepted_up_to_its_share():
    assert CONTROLLER.accepts(CONTROLLER.share)
    assert not CONTROLLER.accepts(1.01 * CONTROLLER.share)
    assert not CONTROLLER.accepts(math.nan)


def test_after_a_failure_the_network_grows_and_then_the_window_shrinks():
    choice, tried = Choice(0.1, 0), []
    while choice is not None:
        tried.append(choice)
        choice = CONTROLLER.after_failure(choice, 3 * CONTROLLER.share)
    units = [one.units for one in tried]
    lengths = [one.length for one in tried]
    assert units == sorted(units)
    assert units[-1] == LADDER[-1]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] == SHORTEST * CONTROLLER.usual
    first_shorter = next(one for one in tried if one.length < 0.1)
    assert first_shorter.units == LARGE
    assert len(set(tried)) == len(tried)


@pytest.mark.parametrize("error", [math.inf, math.nan, 1e6 * CONTROLLER.share])
def test_a_hopeless_window_is_made_shorter_at_once(error):
    assert CONTROLLER.after_failure(MIDDLE, error) == Choice(0.05, 2)


def test_an_easy_window_leads_to_fewer_features():
    assert CONTROLLER.after_success(MIDDLE, 1e-6 * CONTROLLER.share, at_rest=False).rung == 0
    assert CONTROLLER.after_success(MIDDLE, 0.2 * CONTROLLER.share, at_rest=False) == MIDDLE


def test_the_network_is_as_small_as_the_measured_falls_of_the_error_allow():
    """Down to where the error would be what is aimed at, and up again to where it is."""
    aimed, top = AIM * CONTROLLER.share, len(LADDER) - 1
    for rung in range(top - 1):
        error = aimed / math.prod(FALLS[rung:top])
        assert CONTROLLER.after_success(Choice(0.1, top), 0.99 * error, at_rest=False).rung == rung
        assert CONTROLLER.after_success(Choice(0.1, top), 1.01 * error, at_rest=False).rung in (rung + 1, top)
    for rung in range(1, LADDER.index(LARGE) + 1):
        error = aimed * math.prod(FALLS[:rung])
        assert CONTROLLER.after_failure(Choice(0.1, 0), min(0.99 * error, 1e3 * CONTROLLER.share)).rung <= rung
    assert CONTROLLER.after_failure(Choice(0.1, 0), 1.01 * CONTROLLER.share).rung == 1


def test_a_solution_at_rest_gets_longer_windows_without_end():
    choice = MIDDLE
    for _ in range(5):
        choice = CONTROLLER.after_success(choice, 1e-3 * CONTROLLER.share, at_rest=True)
    assert choice.length == pytest.approx(32 * 0.1)


def test_shortened_windows_grow_again_up_to_the_usual_length():
    easy, hard = 1e-3 * CONTROLLER.share, 0.9 * CONTROLLER.share
    assert CONTROLLER.after_success(Choice(0.025, 2), easy, at_rest=False).length == 0.05
    assert CONTROLLER.after_success(Choice(0.025, 2), hard, at_rest=False).length == 0.025
    assert CONTROLLER.after_success(Choice(0.1, 2), easy, at_rest=False).length == 0.1


@pytest.mark.parametrize(("now", "length"), [(0.0, 0.3), (0.5, 0.25), (0.7, 0.3), (0.95, 0.05)])
def test_no_short_rest_is_left_before_the_end(now, length):
    assert CONTROLLER.fitted(Choice(0.3, 0), now).length == pytest.approx(length)


@pytest.mark.parametrize("longest", [0.1, 0.2])
def test_only_windows_of_a_solution_at_rest_are_longer_than_the_longest(longest):
    """A window that takes in what is left before the end is none; one of twice the length is."""
    controller = Controller(tolerance=1e-6, usual=0.1, longest=longest, end=1.0)
    for k in range(1, 1000):
        fitted = controller.fitted(Choice(longest, 0), 1.0 - k * longest / 300)
        assert not controller.is_for_rest(fitted.length)
    assert controller.is_for_rest(2 * longest)
