from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_daemon import grants
from qmd_daemon.grants import Grants


@pytest.fixture
def known(home: Paths) -> Grants:
    return Grants(home.grants_file)


def refusal(known: Grants, token: str) -> str:
    with pytest.raises(QmdError) as caught:
        known.of_token(token)
    assert caught.value.code == "unauthorized"
    return caught.value.message


class TestToken:
    def test_it_is_its_own(self, home: Paths, known: Grants) -> None:
        made, token = grants.create(home, "phone", collections=["notes"], read_only=True, rate="10/s")
        other, another = grants.create(home, "laptop")
        assert known.of_token(token) == made
        assert known.of_token(another) == other
        assert (made.collections, made.read_only, made.rate, made.expires_at) == (("notes",), True, 10.0, 0.0)

    def test_only_a_hash_of_it_is_kept_and_for_the_owner_alone(self, home: Paths) -> None:
        _, token = grants.create(home, "phone")
        with open(home.grants_file, encoding="utf-8") as file:
            text = file.read()
        assert token not in text
        assert token.rpartition("_")[2] not in text
        assert stat.S_IMODE(os.stat(home.grants_file).st_mode) == 0o600

    @pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "a", lambda t: t.upper(), lambda _: "", str])
    def test_any_other_is_refused(self, home: Paths, known: Grants, change: object) -> None:
        _, token = grants.create(home, "phone")
        assert callable(change)
        if (other := change(token)) != token:
            assert refusal(known, other) == "This token is not known."

    def test_revoked_it_is_refused_at_once(self, home: Paths, known: Grants) -> None:
        made, token = grants.create(home, "phone")
        assert known.of_token(token)
        assert grants.revoke(home, made.id, "token")
        assert refusal(known, token) == "This token is not known."
        assert not grants.revoke(home, "phone", "token")

    def test_expired_it_is_refused(self, home: Paths) -> None:
        made, token = grants.create(home, "phone", expires="1d")
        assert Grants(home.grants_file, lambda: made.created_at + 86399).of_token(token) == made
        late = Grants(home.grants_file, lambda: made.created_at + 86400)
        assert refusal(late, token) == "The token 'phone' has expired."
        assert late.valid("token") == []

    def test_a_key_is_no_token(self, home: Paths, known: Grants) -> None:
        key = grants.add(home, "script", "key", "a" * 40)
        assert refusal(known, "a" * 40) == "This token is not known."
        assert known.of_key("a" * 40) == key
        assert known.of_key("b" * 40) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 65},
        {"rate": "10"},
        {"rate": "0/s"},
        {"rate": "-1/s"},
        {"expires": "soon"},
        {"expires": "90"},
        {"index": "../other"},
    ],
)
def test_what_is_none(home: Paths, wrong: dict[str, str]) -> None:
    with pytest.raises(QmdError) as caught:
        grants.create(home, **{"name": "phone", **wrong})
    assert caught.value.code == "invalid"
    assert not os.path.exists(home.grants_file)


def test_a_name_is_given_once(home: Paths) -> None:
    grants.create(home, "phone")
    with pytest.raises(QmdError) as caught:
        grants.create(home, "phone")
    assert caught.value.code == "conflict"


@pytest.mark.parametrize("text", ["{", "[1]", '[{"id": "a"}]', "null", '[{"surprise": 1, "collections": []}]'])
def test_a_damaged_file_lets_nobody_in(home: Paths, known: Grants, text: str) -> None:
    with open(home.grants_file, "w", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(QmdError) as caught:
        known.of_token("qmd_anything")
    assert caught.value.code == "unavailable"


@given(st.integers(1, 10**6), st.sampled_from([("s", 1), ("m", 60), ("h", 3600)]))
def test_rates(number: int, unit: tuple[str, int]) -> None:
    assert grants.per_second(f"{number}/{unit[0]}") == pytest.approx(number / unit[1])
