"""The self-test of a model that was just converted: a broken one is refused before anything relies on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError

# Each with a paraphrase of it, and with one about something else.
TRIPLES = (
    ("The cat sleeps on the sofa.", "A cat is napping on the couch.", "Interest rates rose in March."),
    ("How do I restart the server?", "Steps to reboot the machine", "A recipe for apple pie"),
    ("The function returns a sorted list.", "This method gives back the items in order.", "It rained in Paris."),
)
# all-MiniLM-L6-v2 gives 0.36 and more between the two similarities of each triple; noise gives none.
MARGIN = 0.1


def self_test(name: str, embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> None:
    """Embed fixed sentences, and raise QmdError("unavailable") unless the vectors make sense.

    They must be finite and of length 1, the same for the same text in another batch, and nearer to a
    paraphrase than to a sentence about something else.
    """
    texts = [text for triple in TRIPLES for text in triple]
    vectors = embed(texts)
    if not np.isfinite(vectors).all() or not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        raise _broken(name, "its vectors are not of length 1")
    if float(vectors[0] @ embed(texts[:1])[0]) < 0.99:
        raise _broken(name, "it gives a text another vector in another batch")
    for first, alike, other in vectors.reshape(len(TRIPLES), 3, -1):
        if float(first @ alike) < float(first @ other) + MARGIN:
            raise _broken(name, "a paraphrase is no nearer than another subject")


def _broken(name: str, why: str) -> QmdError:
    return QmdError("unavailable", f"The model {name} failed its self-test: {why}.", "Install its weights again.")
