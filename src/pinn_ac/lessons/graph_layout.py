"""Layered layout of a directed acyclic graph (Sugiyama's): layers, order within each layer, heights.

Nodes are put into layers by their longest path from a source. Long edges are divided by virtual nodes, one in every
layer that they pass. Within the layers the nodes are sorted by the mean position of their neighbours, which makes the
edges cross less, and then drawn towards them.

(Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures, 1981.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

Edge = tuple[int, int]
SWEEPS, SHUFFLES, SMALL = 24, 40, 60
BOX, PASSAGE = 1.0, 0.6
"""Least distances within a layer: between two boxes, and between two nodes of which one is virtual."""


class Layout(NamedTuple):
    """A graph that is laid out.

    Args:
        positions: (x, y) of every node; x is its layer.
        paths: for each edge the points (x, y) that it passes, from source to target.
        crossings: how many times edges cross.
    """

    positions: list[tuple[float, float]]
    paths: list[tuple[tuple[float, float], ...]]
    crossings: int


def arrange(count: int, edges: Sequence[Edge]) -> Layout:
    """Lay out the nodes 0, …, count − 1.

    Args:
        count: the number of nodes.
        edges: pairs (i, j) with i < j, from i to j; an edge may occur several times.
    """
    layer = _layers(count, edges)
    chains, layer = _chains(edges, layer)
    links = sorted({link for chain in chains for link in pairwise(chain)})
    order = _ordered(layer, links)
    y = _heights(order, links, count)
    positions = [(float(layer[v]), y[v]) for v in range(len(layer))]
    paths = [tuple(positions[v] for v in chain) for chain in chains]
    return Layout(positions[:count], paths, _crossings(order, layer, links))


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each node: the length of the longest path to it."""
    layer = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        layer[target] = max(layer[target], layer[source] + 1)
    return layer


def _chains(edges: Sequence[Edge], layer: list[int]) -> tuple[list[list[int]], list[int]]:
    """Every edge as a chain of nodes one layer apart, and the layers with the new, virtual nodes appended."""
    layer, chains, known = list(layer), [], {}
    for edge in edges:
        if edge not in known:
            source, target = edge
            between = range(layer[source] + 1, layer[target])
            known[edge] = [source, *range(len(layer), len(layer) + len(between)), target]
            layer += between
        chains.append(known[edge])
    return chains, layer


def _neighbours(count: int, links: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    """The neighbours of each node in the layer before it, and in the layer after it."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    return before, after


def _ordered(layer: list[int], links: Sequence[Edge]) -> list[list[int]]:
    """The best order within the layers that sorting by barycentres finds, from several starts."""
    width = max(layer, default=0) + 1
    natural = [[v for v in range(len(layer)) if layer[v] == k] for k in range(width)]
    sides = _neighbours(len(layer), links)
    best, fewest = natural, _crossings(natural, layer, links)
    for start in _starts(natural):
        order = [list(row) for row in start]
        for sweep in range(SWEEPS):
            if fewest == 0:
                return best
            order = _swept(order, sides[sweep % 2], reverse=sweep % 2 == 1)
            crossings = _crossings(order, layer, links)
            if crossings < fewest:
                best, fewest = [list(row) for row in order], crossings
    return best


def _starts(natural: list[list[int]]) -> Iterator[list[list[int]]]:
    """The natural order, its reverse, and for small graphs some random orders, the same at every call."""
    yield natural
    yield [row[::-1] for row in natural]
    rng = np.random.default_rng(0)
    for _ in range(SHUFFLES if sum(map(len, natural)) <= SMALL else 0):
        yield [[row[i] for i in rng.permutation(len(row))] for row in natural]


def _swept(order: list[list[int]], neighbours: list[list[int]], reverse: bool) -> list[list[int]]:
    """Each layer sorted by the mean position of its neighbours in the layer before it (or after, with `reverse`)."""
    position = {v: i for row in order for i, v in enumerate(row)}
    result = [list(row) for row in order]
    for k in reversed(range(len(order))) if reverse else range(len(order)):
        keys = {v: np.mean([position[w] for w in neighbours[v]]) if neighbours[v] else position[v] for v in result[k]}
        result[k].sort(key=keys.__getitem__)
        position.update({v: i for i, v in enumerate(result[k])})
    return result


def _crossings(order: Sequence[Sequence[int]], layer: list[int], links: Sequence[Edge]) -> int:
    """How many pairs of links cross."""
    position = {v: i for row in order for i, v in enumerate(row)}
    total = 0
    for k in range(len(order)):
        ends = np.array([(position[s], position[t]) for s, t in links if layer[s] == k]).reshape(-1, 2)
        apart = np.sign(ends[:, None, 0] - ends[None, :, 0]) * np.sign(ends[:, None, 1] - ends[None, :, 1])
        total += int((apart < 0).sum()) // 2
    return total


def _heights(order: list[list[int]], links: Sequence[Edge], count: int) -> list[float]:
    """The height y of every node: the mean of its neighbours', as far as the distances in its layer allow."""
    size = sum(map(len, order))
    before, after = _neighbours(size, links)
    y = np.zeros(size)
    for row in order:
        y[row] = -(np.arange(len(row)) - 0.5 * (len(row) - 1))
    for sweep in range(SWEEPS):
        for row in order if sweep % 2 == 0 else order[::-1]:
            around = [before[v] + after[v] for v in row]
            wanted = np.array([np.mean(y[near]) if near else y[v] for v, near in zip(row, around, strict=True)])
            y[row] = _apart(wanted, [PASSAGE if max(pair) >= count else BOX for pair in pairwise(row)])
    return [float(value) for value in np.round(y - 0.5 * (y.max(initial=0) + y.min(initial=0)), 6)]


def _apart(wanted: np.ndarray, distances: list[float]) -> np.ndarray:
    """The heights closest to `wanted`, by least squares, that fall by at least `distances` from node to node.

    The algorithm is that of isotonic regression: pool adjacent violators.
    """
    offset = np.concatenate([[0.0], np.cumsum(distances)])
    pools: list[list[float]] = []  # [mean, size]
    for value in wanted + offset:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-1][0] > pools[-2][0]:
            mean, size = pools.pop()
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * size) / (pools[-1][1] + size), pools[-1][1] + size]
    return np.concatenate([[mean] * int(size) for mean, size in pools]) - offset
