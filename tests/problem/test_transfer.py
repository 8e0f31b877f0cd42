"""A condition transferred from window to window: the same series, the same heat flow, one program for all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.problem import AllenCahn, Cosine, Fourier, FourierCondition, Sine, modes_needed, transfer

SERIES = {"even": Fourier(0.2, (0.5, 0.0, -0.3), ()), "general": Fourier(0.1, (0.3, -0.2), (0.5, 0.1, -0.2))}
XI = -1 + 2 * np.arange(512) / 512


@pytest.fixture(params=list(SERIES))
def pair(request):
    """A series, and the condition through its samples."""
    series = SERIES[request.param]
    return series, transfer(np.asarray(series(XI)), 128, series.even)


@pytest.mark.parametrize("variance", [0.0, 0.003])
def test_it_flows_as_the_series_through_the_samples(pair, variance):
    """Coefficients carry roundings of 1e-16, of which 128 modes make 2e-15, each derivative up to 128π times that."""
    series, transferred = pair
    xi, variances = jnp.asarray([-0.93, -0.2, 0.0, 0.41, 1.0]), jnp.full(5, variance)
    expected = series.heat_flow(variances, xi, 1.0)
    found = jax.vmap(lambda v, x: transferred.heat_flow(v, x, 1.0))(variances, xi)
    for order, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-15 * (128 * np.pi) ** order)


def test_its_coefficients_and_slope_are_those_of_the_series(pair):
    series, transferred = pair
    np.testing.assert_allclose(transferred.fourier_coefficients(200), series.fourier_coefficients(200), atol=1e-15)
    assert float(transferred.steepest_slope) == pytest.approx(series.steepest_slope, rel=1e-3)  # seen on other points


def test_modes_beyond_the_last_are_left_out():
    transferred = transfer(np.asarray(Sine(1.0, 3)(XI) + Cosine(0.5, 40)(XI)), 32, False)
    np.testing.assert_allclose(
        transferred.fourier_coefficients(64), Sine(1.0, 3).fourier_coefficients(64), atol=1e-15
    )


@pytest.mark.parametrize("size", [1e-13, 1e-9])
@pytest.mark.parametrize("even", [True, False])
def test_rounding_errors_are_no_modes(size, even):
    """White noise has equal modes at all k, an interface falling ones: what remains is the interface alone.

    D k² makes of the noise a residual that is larger than all that is left out of the interface.
    """
    xi = -1 + 2 * np.arange(8192) / 8192
    width, generator = 0.02, np.random.default_rng(3)
    interface = np.tanh((np.cos(np.pi * xi) + (0 if even else 0.3 * np.sin(np.pi * xi))) / (np.pi * width))
    noise = generator.normal(size=8192) * size
    noise = 0.5 * (noise + np.roll(noise[::-1], 1)) if even else noise

    exact, found = (transfer(u, 2048, even).fourier_coefficients(4095) for u in (interface, interface + noise))
    kept = np.flatnonzero(found).max()
    assert np.abs(exact[kept + 1 :]).max() < 10 * size / np.sqrt(8192)  # the tenth part of a block's root mean square
    assert kept < 600 < np.flatnonzero(np.fft.rfft(noise)[:2048]).max()  # as 8e-1 e^(−π² k w/2) tells
    k = np.pi * np.arange(4096)
    unfiltered = k**2 * np.fft.rfft(noise)[:4096] / 8192 * (k < 2048 * np.pi)
    assert np.linalg.norm(k**2 * np.abs(found - exact)) < 0.1 * np.linalg.norm(unfiltered)


def test_a_wave_among_high_modes_is_no_noise():
    """What falls off and comes again is a signal up to its last mode."""
    u = np.asarray(Sine(1.0, 3)(XI) + Cosine(1e-9, 120)(XI))
    assert np.abs(transfer(u, 128, False).fourier_coefficients(127))[120] == pytest.approx(5e-10, rel=1e-5)


def test_one_program_serves_every_condition_of_a_kind(compilations):
    flow = jax.jit(lambda condition, xi: condition.heat_flow(jnp.asarray(0.01), xi, 1.0)[0])
    conditions = [transfer(np.asarray(Cosine(a)(XI)), 64, True) for a in (1.0, 0.5)]
    first = flow(conditions[0], jnp.asarray(0.3))
    compiled = len(compilations)
    second = flow(conditions[1], jnp.asarray(0.3))
    assert len(compilations) == compiled
    assert float(second) == pytest.approx(0.5 * float(first), rel=1e-13)


def test_modes_resolve_the_thinnest_interface_and_the_layer_of_a_kink():
    """tanh(ξ/w) has modes like e^{−π² k w/2}, a kink smoothed for a time s like e^{−(kπ)² D s}: 1e-14 at the last."""
    interface = AllenCahn(1e-3, 5.0, initial_condition=Sine(), horizon=3.0)
    k = modes_needed(interface, 0.25)
    width = np.sqrt(2e-3 / 5)
    assert -36 < -0.5 * np.pi**2 * width * k < -32  # the number of modes is a multiple of 32
    kinked = AllenCahn(1e-5, 0.5)
    k = modes_needed(kinked, 0.02)
    assert 0.9 < (np.pi * k) ** 2 * 1e-5 * 0.02 / -np.log(1e-14) < 1.1
    assert modes_needed(AllenCahn(10.0, 1.0, initial_condition=Sine()), 1.0) == 128
    assert modes_needed(AllenCahn(1e-9), 0.1) == 16384


def test_modes_hold_what_diffusion_has_left_of_the_initial_condition():
    """A small fast wave, which no slope and no interface tells of: undamped, and damped away."""
    wave = Sine(amplitude=1e-3, wavenumber=700)
    assert modes_needed(AllenCahn(1e-8, 1.0, initial_condition=wave), 0.5) >= 701
    assert modes_needed(AllenCahn(1e-2, 1.0, initial_condition=wave), 0.5) == 128


def test_a_constant_has_slope_one(precision):
    transferred = transfer(np.full(512, 0.3), 64, True)
    assert isinstance(transferred, FourierCondition)
    assert float(transferred.steepest_slope) == 1.0
    assert transferred.cosine.dtype == precision
