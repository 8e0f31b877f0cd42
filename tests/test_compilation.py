"""Options reach the CPU's compiler alone, and change no answer but for rounding."""

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac import compilation
from pinn_ac.compilation import LITTLE, SOME, compiled, compiled_by_condition, kept

UNKNOWN = {"no_such_option": True}


def wave(x):
    return jnp.sum(jnp.tanh(jnp.sin(jnp.outer(x, x)) @ x))


@pytest.mark.parametrize("options", [LITTLE, SOME])
def test_a_program_compiled_with_less_effort_computes_the_same(options):
    x = jnp.linspace(0.0, 1.0, 300)
    eps = jnp.finfo(x.dtype).eps
    np.testing.assert_allclose(compiled(wave, options)(x), wave(x), rtol=300 * eps)


def test_options_reach_the_compiler_of_a_cpu_alone(monkeypatch):
    with pytest.raises(Exception, match="no_such_option"):
        compiled(wave, UNKNOWN)(jnp.ones(3))
    monkeypatch.setattr(compilation, "on_cpu", lambda: False)
    assert np.isfinite(compiled(wave, UNKNOWN)(jnp.ones(3)))


def test_only_without_a_condition_is_effort_spared():
    f = compiled_by_condition(lambda condition, x: wave(x), UNKNOWN)
    assert np.isfinite(f(jnp.ones(2), jnp.ones(3)))
    with pytest.raises(Exception, match="no_such_option"):
        f(None, jnp.ones(3))


class Owner:
    """Something that programs are compiled for."""


def test_what_is_made_for_an_owner_is_made_once_for_each_choice_of_settings():
    made = []

    def make(owner, *settings):
        made.append(settings)
        return list(settings)

    one, other = Owner(), Owner()
    assert kept(one, make, 1) is kept(one, make, 1)
    for settings in ((True,), (1.0,), (2,), ()):  # equal or not: what a method refuses must not be taken for another
        assert kept(one, make, *settings) == list(settings)
    assert kept(other, make, 1) == [1]
    assert made == [(1,), (True,), (1.0,), (2,), (), (1,)]
    assert kept(one, make, [3]) == kept(one, make, [3]) == [[3]]  # cannot be hashed, so that it is made anew
    assert made[6:] == [([3],)] * 2
