"""The texts of the benchmarks: English-like, the same every time, of about 20 and 200 tokens. Standard library only."""

from __future__ import annotations

import random

WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were all her she there would their we him been has when who will no more if out so up said what "
    "server memory index search document vector query model driver kernel network process thread cache database "
    "restart configure measure install compute translate remember explain compare improve describe question answer "
    "quarterly unfortunately representation photosynthesis infrastructure authentication synchronisation"
).split()
LENGTHS = {"short": (11, 24), "long": (130, 220)}  # words: 20 and 200 tokens in the mean


def make_texts(kind: str, count: int) -> list[str]:
    chosen = random.Random(kind)
    low, high = LENGTHS[kind]
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(low, high))) for _ in range(count)]
