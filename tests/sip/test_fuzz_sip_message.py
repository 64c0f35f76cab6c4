"""The fuzz target over its corpus, and over a few hundred mutations of it."""

from __future__ import annotations

import random

import pytest

from fuzz.fuzz_sip_message import check, corpus, mutate

SEEDS = dict(corpus())


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_corpus(name: str) -> None:
    check(SEEDS[name])


def test_mutations() -> None:
    rng = random.Random(3261)
    seeds = list(SEEDS.values())
    for _ in range(600):
        check(mutate(rng.choice(seeds), seeds, rng))


def test_noise() -> None:
    rng = random.Random(1)
    for size in range(200):
        check(rng.randbytes(size))
