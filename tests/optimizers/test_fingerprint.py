"""The fingerprint of a batch: the same for equal arrays, another one after any change."""

import jax
import numpy as np

from pinn_ac.optimizers.fingerprint import fingerprint


def test_only_equal_batches_share_it(precision):
    values = np.random.default_rng(0).standard_normal((50, 3)).astype(precision)
    batch = {"residual": (values, values[:7]), "count": np.arange(4, dtype=np.int32), "mask": np.array([True, False])}
    step = np.nextafter(values[3, 1], np.inf, dtype=values.dtype)
    nudged, swapped = values.copy(), values[::-1].copy()
    nudged[3, 1] = step
    others = [
        batch | {"residual": (nudged, values[:7])},
        batch | {"residual": (swapped, values[:7])},
        batch | {"residual": (values, values[:8])},
        batch | {"residual": (0 * values, values[:7])},
        batch | {"residual": (-values, values[:7])},
        batch | {"count": np.array([0, 1, 3, 2], np.int32)},
        batch | {"mask": np.array([False, True])},
        {},
    ]
    marked = jax.jit(fingerprint)
    mark = np.asarray(marked(batch))
    assert (mark.shape, mark.dtype) == ((2,), np.uint32)
    np.testing.assert_array_equal(marked(jax.tree.map(np.array, batch)), mark)
    marks = [np.asarray(marked(other)) for other in others]
    for words in np.transpose([mark, *marks]):  # each word tells them apart by itself
        assert len(set(words)) == len(words)
