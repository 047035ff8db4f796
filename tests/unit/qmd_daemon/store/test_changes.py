from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.store import changes, migrations

KINDS = st.sampled_from(["document", "vector"])
APPEND = st.tuples(st.just("append"), KINDS, st.lists(st.integers(1, 9), max_size=4), st.booleans())
PRUNE = st.tuples(st.just("prune"), st.integers(0, 30))


@given(st.lists(APPEND | PRUNE, max_size=25), KINDS, st.integers(1, 5))
def test_what_is_after_a_number_is_what_was_appended_after_it(
    actions: list[tuple], kind: changes.Kind, limit: int
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrations.migrate(connection)
        log: list[tuple[int, str, int]] = []
        numbers = 0
        for action in actions:
            if action[0] == "append":
                changes.append(connection, action[1], action[2], removed=action[3])
                log += [(numbers + n, action[1], item) for n, item in enumerate(action[2], start=1)]
                numbers += len(action[2])
            else:
                changes.prune(connection, min(action[1], numbers))
            assert changes.newest(connection) == numbers  # no number is given out twice, whatever was pruned
        start = changes.pruned(connection)
        assert connection.execute("SELECT count(*) FROM changes").fetchone()[0] == numbers - start
        seen: list[int] = []
        seq = start
        while seq < numbers:
            items, upto = changes.after(connection, kind, seq, limit)
            assert items == list(dict.fromkeys(item for n, of, item in log if of == kind and seq < n <= upto))
            assert len(items) <= limit
            assert upto > seq
            seen += items
            seq = upto
        assert set(seen) == {item for n, of, item in log if of == kind and n > start}
        assert changes.after(connection, kind, seq, limit) == ([], numbers)


def test_pruning_never_goes_back(connection: sqlite3.Connection) -> None:
    changes.append(connection, "document", range(1, 11), removed=False)
    assert changes.pruned(connection) == 0
    changes.prune(connection, 7)
    changes.prune(connection, 3)
    assert changes.pruned(connection) == 7
    assert changes.after(connection, "document", 7, 10) == ([8, 9, 10], 10)
