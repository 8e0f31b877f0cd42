"""Streams of randomness: the same name and seed give the same numbers, any other ones others."""

import jax
import numpy as np
import pytest

from pinn_ac.seeds import host_generator, named_key


def test_keys_follow_seed_and_name(precision):
    data = {pair: tuple(jax.random.key_data(named_key(*pair)).tolist()) for pair in [(0, "a"), (1, "a"), (0, "b")]}
    assert len(set(data.values())) == 3
    assert tuple(jax.random.key_data(named_key(0, "a")).tolist()) == data[0, "a"]


def test_the_same_seed_gives_the_same_key_in_both_precisions():
    keys = []
    for double in (True, False):
        jax.config.update("jax_enable_x64", double)
        keys.append(jax.random.key_data(named_key(12345, "network")).tolist())
    jax.config.update("jax_enable_x64", True)
    assert keys[0] == keys[1]


def test_host_generators_follow_all_three():
    triples = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]
    draws = {triple: host_generator(*triple).random(8).tolist() for triple in triples}
    assert len({draw[0] for draw in draws.values()}) == 4
    for triple, draw in draws.items():
        assert host_generator(*triple).random(8).tolist() == draw


def test_neighbouring_streams_are_not_correlated():
    """Ten thousand pairs of independent numbers: a correlation above 5/√10⁴ would be no accident."""
    one, other = host_generator(0, "a", 0).random(10000), host_generator(0, "a", 1).random(10000)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_smallest_and_largest_seeds_work_in_single_precision(seed, single_precision):
    named_key(seed, "network")
    host_generator(seed, "points", 0)
