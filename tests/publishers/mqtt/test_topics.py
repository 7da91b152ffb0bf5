from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from kws.errors import UsageError
from kws.publishers.mqtt.topics import Topics, identifier, level, threshold


def test_the_topics_of_a_site() -> None:
    topics = Topics("home/voice", "kitchen")
    assert topics.status == "home/voice/kitchen/status"
    assert topics.health == "home/voice/kitchen/health"
    assert topics.instance == "home/voice/kitchen/instance"
    assert topics.detection() == "home/voice/kitchen/detection"
    assert topics.detection("on") == "home/voice/kitchen/detection/on"
    assert topics.set(threshold("on")) == "home/voice/kitchen/set/threshold/on"
    assert topics.state("listening") == "home/voice/kitchen/state/listening"


@pytest.mark.parametrize("prefix", ["", "/kws", "kws/", "a//b", "kws/#", "+", "$SYS", "a\nb"])
def test_a_prefix_is_the_beginning_of_a_topic(prefix: str) -> None:
    with pytest.raises(UsageError, match=r"^prefix: "):
        Topics(prefix, "kitchen")


@given(st.text(min_size=1))
def test_every_keyword_is_one_level_that_can_be_sent(keyword: str) -> None:
    topic = Topics("kws", "kitchen").detection(keyword)
    topic.encode()
    assert topic_matches_sub("kws/kitchen/detection/+", topic)
    assert not set("+#\0") & set(topic)


@pytest.mark.parametrize("character", "\0\x1f\x7f\x85\x9f\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff+/#")
def test_what_a_broker_refuses_is_in_no_topic(character: str) -> None:
    assert level(f"a{character}b") == "a_b"
    with pytest.raises(UsageError, match=r"^prefix: "):
        Topics(f"a{character}", "kitchen")


def test_a_name_from_a_mac_has_the_same_topic() -> None:
    assert level("ku\N{COMBINING DIAERESIS}che") == "küche"


@pytest.mark.parametrize("word", ["on", "hey mycroft", "größer", "開けて"])
def test_a_plain_keyword_stays_as_it_is(word: str) -> None:
    assert level(word) == word


@given(st.text())
def test_an_identifier_has_only_what_home_assistant_takes(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]*", identifier(text))


def test_identifiers_tell_keywords_apart() -> None:
    assert identifier("on") == "on"
    words = ["on", "o n", "o_n", "ön", "ün", "o+n", "¶", "\N{MULTIPLICATION SIGN}"]
    assert len({identifier(word) for word in words}) == len(words)
