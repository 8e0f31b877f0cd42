"""Methods in pairs: every option of a group with every option of another one trains, or is refused by a sentence."""

import re
from itertools import combinations, product

import jax
import numpy as np
import pytest

from composed import EASY, composed, options
from pinn_ac.app.assembly import assemble
from pinn_ac.app.config import plan
from pinn_ac.errors import InputError
from pinn_ac.running import Training, computing
from pinn_ac.tracking import Memory

GROUPS = {
    "optimizer": [
        *options("optimizer"),
        *(f"adam optimizer.combine={name}" for name in ("pcgrad", "config", "dcgd")),
    ],
    "weighting": [name for name in options("weighting") if name not in ("causal_ntk", "causal_gradient_norm")],
    "sampler": options("sampler"),
    "model": options("model"),
    "regime": options("regime"),
    "ansatz": options("ansatz"),
    "loss": options("loss"),
}
SMALL = {
    "model": ("model.width=4",),
    "sampler": ("sampler.num_points=64", "sampler.resample_every=1"),
    "regime=curriculum": ("regime.values=[1.0]",),
    "regime=backward_compatible": ("regime.segments=2", "regime.num_points=16"),
    "regime=sequence_to_sequence": ("windows=2",),
}
"""What makes an option small."""


def in_pairs(groups):
    """Choices of an option in each group, such that every pair of options of two groups is in one of them."""
    left = {
        pair
        for one, other in combinations(groups, 2)
        for pair in product(*([(name, option) for option in groups[name]] for name in (one, other)))
    }
    order = {pair: number for number, pair in enumerate(sorted(left))}
    while left:
        case = dict(min(left, key=order.__getitem__))
        for name in groups:
            if name not in case:
                case[name] = max(groups[name], key=lambda option: len(left & set(pairs({**case, name: option}))))
        left -= set(pairs(case))
        yield case


def pairs(case):
    """The pairs of options in a case, in the order of the groups."""
    return combinations([(name, case[name]) for name in GROUPS if name in case], 2)


CASES = list(in_pairs(GROUPS))


def test_every_pair_is_in_a_case():
    found = {pair for case in CASES for pair in pairs(case)}
    sizes = [len(options) for options in GROUPS.values()]
    assert len(found) == sum(one * other for one, other in combinations(sizes, 2))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case.values()))
def test_two_methods_together_train_or_are_refused_by_a_sentence(case):
    words = [word for name, option in case.items() for word in f"{name}={option}".split()]
    words += [word for mark, more in SMALL.items() if any(one.startswith(mark) for one in words) for word in more]
    words += ["embedding=periodic", "train.steps=3", "train.log_every=1", "train.evaluate_every=1"]
    words += [] if any(word.startswith("windows") for word in words) else ["windows=1"]
    config, memory, refused = composed(*EASY, *words), Memory(), None
    try:
        experiment = assemble(config)
        with computing(experiment):
            trainer = Training(experiment, plan(config), [memory]).trainer
            state = trainer.run(trainer.begin())
    except InputError as error:
        refused = str(error)
    if refused is not None:
        assert re.fullmatch(r"\w.*: .*\.", refused, re.DOTALL)
    else:
        assert len(memory.history) > 1
        assert all(np.isfinite(line["loss"]) for line in memory.history)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.best_params))
