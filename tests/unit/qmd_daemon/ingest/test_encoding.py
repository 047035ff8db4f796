from __future__ import annotations

import codecs

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qmd_daemon.ingest import encoding

ENGLISH = "The quick brown fox jumps over the lazy dog. “Quoted”, naïve, 10 €.\n"
CHINESE = "今天天气很好，我们去公园散步。晚上一起吃饭，讨论项目的进展情况。\n"
TRADITIONAL = "今天天氣很好，我們去公園散步。晚上一起吃飯，討論專案的進展情況。\n"
JAPANESE = "今日はとても天気がいいので、公園を散歩しました。夜は友達と食事をします。\n"
KOREAN = "오늘은 날씨가 매우 좋아서 공원에서 산책을 했습니다. 저녁에는 친구와 식사를 합니다.\n"
RUSSIAN = "Сегодня очень хорошая погода, и мы пошли гулять в парк. Вечером вместе поужинаем.\n"
GERMAN = "Über den Wolken muss die Freiheit wohl grenzenlos sein. Größe, Maß, Öl, schön.\n"
WORDS = ["显存", "监控", "深度学习", "模型", "笔记", "数据库", "搜索引擎", "我们", "今天", "测试", "文件", "目录"]

any_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


@given(any_text)
def test_utf8_is_read_as_it_is(text: str) -> None:
    assert encoding.decode(text.encode()) == text
    assert encoding.decode(codecs.BOM_UTF8 + text.encode()) == text


@given(any_text.filter(lambda text: not text.startswith("\ufeff")), st.sampled_from(["utf-16", "utf-32"]))
def test_a_byte_order_mark_decides(text: str, name: str) -> None:
    assert encoding.decode(text.encode(name)) == text
    little, big = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) if name == "utf-16" else (
        codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE,
    )  # fmt: skip
    assert encoding.decode(big + text.encode(f"{name}-be")) == text
    if not text.startswith("\0"):
        assert encoding.decode(little + text.encode(f"{name}-le")) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CHINESE, "gb18030"),
        (CHINESE, "gbk"),
        (CHINESE, "utf-16-le"),
        (CHINESE, "utf-16-be"),
        (ENGLISH, "utf-16-le"),
        (ENGLISH, "utf-16-be"),
        (ENGLISH, "cp1252"),
        (GERMAN, "cp1252"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
    ],
)
@pytest.mark.parametrize("times", [1, 3000])
def test_without_a_mark_the_language_tells(text: str, name: str, times: int) -> None:
    found = encoding.decode((text * times).encode(name))
    assert found is not None
    assert found[: len(text)] == text
    assert (found == text * times) is True  # a difference of 200,000 characters would take minutes to show


@given(st.permutations(WORDS), st.sampled_from(["", "GPU", " vram\n", "123"]))
def test_chinese_words_in_gb18030_are_chinese_words(words: list[str], between: str) -> None:
    text = between.join(words)
    data = text.encode("gb18030")
    assume(not _is_utf8(data))  # 目录 is: `Ŀ¼`
    assert encoding.decode(data) == text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_chinese_and_english_in_one_file() -> None:
    text = "# GPU 显存监控\n\nUse `nvidia-smi` to watch 显存占用 on the card.\n配置文件在 config.toml 里。\n"
    for name in ("gb18030", "utf-16", "utf-8", "utf-8-sig"):
        assert encoding.decode(text.encode(name)) == text


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1\0\x08\x06\0\0\0",
        b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0",
        b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(range(256)) * 4,
        b"text with a \0 in it",
        bytes(range(256)) * 16,
        b"\x01\x02\x03\x04" * 100,
        codecs.BOM_UTF8 + b"\xff\xfe\xfd",
    ],
)
def test_what_is_no_text_is_none(data: bytes) -> None:
    assert encoding.decode(data) is None


def test_a_file_that_is_utf8_but_for_a_few_bytes_keeps_the_rest() -> None:
    data = CHINESE.encode() * 5 + b"\xff\xfe broken \x80" + CHINESE.encode() * 5
    text = encoding.decode(data)
    assert text is not None
    assert text.startswith(CHINESE * 5)
    assert text.endswith(CHINESE * 5)
    assert text.count("\ufffd") == 3


def test_a_character_cut_off_at_the_end_of_the_sample_changes_nothing() -> None:
    for shift in range(4):
        text = "a" * shift + CHINESE * 2000
        assert encoding.decode(text.encode("gb18030")) == text


def test_damage_beyond_the_sample_is_one_place_and_no_other_encoding() -> None:
    data = (CHINESE * 2000).encode("gb18030") + b"\xff\xff" + CHINESE.encode("gb18030")
    text = encoding.decode(data)
    assert text is not None
    assert text.startswith(CHINESE * 2000)
    assert text.endswith(CHINESE)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_that_can_be_stored_or_none(data: bytes) -> None:
    text = encoding.decode(data)
    assert text is None or (text.encode() is not None and "\0" not in text)


def test_nothing_is_an_empty_text() -> None:
    assert encoding.decode(b"") == ""
