"""Layered layout of a directed graph without cycles: layers, order within them, places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

Edge = tuple[int, int]
SWEEPS, SHUFFLES, SMALL = 24, 40, 60
BOX, PASSAGE = 1.0, 0.6
"""Least distances within a layer: between boxes, and where one of two is only a passing edge."""


class Layering(NamedTuple):
    """(x, y) of every node, the places that every edge visits, and how many times edges cross."""

    positions: list[tuple[float, float]]
    paths: list[tuple[tuple[float, float], ...]]
    crossings: int


def arrange(count: int, edges: Sequence[Edge]) -> Layering:
    """Lay out nodes 0 … count−1, numbered so that every edge (i, j) has i < j; edges may repeat."""
    layer = _layers(count, edges)
    chains, layer = _chains(edges, layer)
    links = sorted({link for chain in chains for link in pairwise(chain)})
    order = _ordered(layer, links)
    y = _heights(order, links, count)
    positions = [(float(layer[v]), y[v]) for v in range(len(layer))]
    paths = [tuple(positions[v] for v in chain) for chain in chains]
    return Layering(positions[:count], paths, _crossings(order, layer, links))


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The length of the longest path to each node."""
    layer = [0] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        layer[target] = max(layer[target], layer[source] + 1)
    return layer


def _chains(edges: Sequence[Edge], layer: list[int]) -> tuple[list[list[int]], list[int]]:
    """Every edge as a chain of nodes one layer apart; the new ones among them are appended to the layers."""
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
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        before[target].append(source)
        after[source].append(target)
    return before, after


def _ordered(layer: list[int], links: Sequence[Edge]) -> list[list[int]]:
    """The order within the layers: barycentres to and fro from several starts, the best of all kept."""
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
    """The order of the list, its reverse, and for small graphs some shuffled ones, the same at every call."""
    yield natural
    yield [row[::-1] for row in natural]
    rng = np.random.default_rng(0)
    for _ in range(SHUFFLES if sum(map(len, natural)) <= SMALL else 0):
        yield [[row[i] for i in rng.permutation(len(row))] for row in natural]


def _swept(order: list[list[int]], neighbours: list[list[int]], reverse: bool) -> list[list[int]]:
    """Each layer sorted by the mean place of its neighbours in the layer before (or after)."""
    place = {v: i for row in order for i, v in enumerate(row)}
    result = [list(row) for row in order]
    for k in reversed(range(len(order))) if reverse else range(len(order)):
        keys = {v: np.mean([place[w] for w in neighbours[v]]) if neighbours[v] else place[v] for v in result[k]}
        result[k].sort(key=keys.__getitem__)
        place.update({v: i for i, v in enumerate(result[k])})
    return result


def _crossings(order: Sequence[Sequence[int]], layer: list[int], links: Sequence[Edge]) -> int:
    place = {v: i for row in order for i, v in enumerate(row)}
    total = 0
    for k in range(len(order)):
        ends = np.array([(place[s], place[t]) for s, t in links if layer[s] == k]).reshape(-1, 2)
        apart = np.sign(ends[:, None, 0] - ends[None, :, 0]) * np.sign(ends[:, None, 1] - ends[None, :, 1])
        total += int((apart < 0).sum()) // 2
    return total


def _heights(order: list[list[int]], links: Sequence[Edge], count: int) -> list[float]:
    """y of every node: again and again the mean of its neighbours', as far as the distances in its layer allow."""
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
    """The places nearest to `wanted` (in squares) that go down by at least `distances`: pool adjacent violators."""
    offset = np.concatenate([[0.0], np.cumsum(distances)])
    pools: list[list[float]] = []  # [mean, size]
    for value in wanted + offset:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-1][0] > pools[-2][0]:
            mean, size = pools.pop()
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * size) / (pools[-1][1] + size), pools[-1][1] + size]
    return np.concatenate([[mean] * int(size) for mean, size in pools]) - offset
