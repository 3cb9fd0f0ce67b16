"""Personal data in texts: what is found, what is left alone, and what happens when a redactor fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_masking import SECRETS

import llm_track
from llm_track import _guard, config, llm_span, processors
from llm_track.bounded import Runner
from llm_track.errors import ConfigurationError
from llm_track.masking import _SECRET, mask_secrets
from llm_track.readings import unescaped
from llm_track.records import Event
from llm_track.redaction import redactors
from llm_track.testing import Events, capture_events

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def redacted(text: str, *kinds: str) -> str:
    for redact in redactors(kinds or "all"):
        text = redact(text)
    return text


FOUND = [
    ("emails", "to bob.smith+x@mail.example.co.uk, please", "to [email], please"),
    ("emails", "mailto:b@x.io", "mailto:[email]"),
    ("emails", "grüße@müller.de", "[email]"),
    ("emails", "a@b.com@c.org", "[email]@c.org"),
    ("cards", "card 4111 1111 1111 1111 12/29", "card [card] 12/29"),
    ("cards", "no 7 5500-0000-0000-0004 9", "no 7 [card] 9"),
    ("cards", "340000000000009", "[card]"),
    ("ibans", "IBAN DE89 3704 0044 0532 0130 00 and more", "IBAN [iban] and more"),
    ("ibans", "gb82west12345698765432", "[iban]"),
    ("ibans", "NO93 8601 1117 947", "[iban]"),
    ("ips", "from 10.1.2.3:8080", "from [ip]:8080"),
    ("ips", "http://192.168.0.255/x", "http://[ip]/x"),
    ("ips", "at 2001:db8::8a2e:370:7334, fe80::1 and ::1", "at [ip], [ip] and [ip]"),
    ("phones", "call +49 30 901820", "call [phone]"),
    ("phones", "(212) 555-0199 or +1-212-555-0199", "[phone] or [phone]"),
    ("phones", "0176 12345678; 030 / 90 18 20; 0049 30 901820", "[phone]; [phone]; [phone]"),
    ("keys", "use sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6", "use [secret]"),
    ("cards", "order 100200300 4111 1111 1111 1111 4012 8888 8888 1881 7", "order 100200300 [card] [card] 7"),
    ("cards", "卡号4111111111111111是", "卡号[card]是"),
    ("phones", "010-1234-5678입니다", "[phone]입니다"),
    ("ips", "地址10.1.2.3的2001:db8::1和", "地址[ip]的[ip]和"),
    ("ips", "و10.1.2.3", "و[ip]"),
    ("keys", "密钥sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6", "密钥[secret]"),
]


@pytest.mark.parametrize(("kind", "text", "expected"), FOUND)
def test_what_is_found(kind: str, text: str, expected: str) -> None:
    """Each kind is replaced by its mark, and nothing around it is."""
    assert redacted(text, kind) == expected
    assert redacted(redacted(text)) == redacted(text)


ORDINARY = [
    "4111 1111 1111 1112", "1716400000000", "order 123456789012", "2026-11-26 10:17:22", "12:30:45", "v1.2.3.4.5",
    "999.1.1.1", "DE88 3711 1144 1532 1130 00", "π=3.14159265358979", "a @ b", "user@localhost", "std::vector<int>",
    "12345-6789", "0x7fff", "1,2,3", "", "plain words", "(see 4)", "100 000 000",
]  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_what_is_left_alone(text: str) -> None:
    """Numbers without the right check sum, dates, times, versions and code are no personal data."""
    assert redacted(text) == text


def _with_check_digit(digits: str) -> str:
    total = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2]) + sum(map(int, digits[-2::-2]))
    return digits + str(-total % 10)


around = (
    st.sampled_from(["", "look: ", "日本 ", '{"a":"', "\n", "7 "]),
    st.sampled_from(["", " and", '"}', "\n", ", x"]),
)
cards = st.from_regex(r"\A[2-6][0-9]{14}\Z").map(_with_check_digit)
words = st.from_regex(r"\A[a-z][a-z0-9]{0,9}\Z")
emails = st.tuples(words, words, st.sampled_from(["com", "org", "co.uk"])).map(lambda parts: "{}@{}.{}".format(*parts))
addresses = st.ip_addresses().map(str).filter(lambda text: text != "::")


@given(st.one_of(cards, emails, addresses), *around)
def test_data_are_found_wherever_they_stand(data: str, before: str, after: str) -> None:
    """Whatever stands before and after a card, an address of mail or of a computer, it does not leave."""
    assert data not in redacted(before + data + after)


NUMBERS = st.lists(
    st.sampled_from(
        [*"0123456789 -+()./:aZ\n", "4111 1111 1111 1111", "+49 30 1234567", "192.168.1.10", "GB", "(212) "]
    )
    | cards
    | addresses,
    max_size=40,
).map("".join)


@given(NUMBERS)
@example("DE89 3704 0044 0532 0130 00")
@example("xGB82WEST12345698765432 GB82 WEST 1234 5698 7654 32")
def test_what_is_found_fast_is_what_is_found(text: str) -> None:
    """The same is found as where every place is tried, as in texts with the digits of other scripts."""
    for kind in ("phones", "cards", "ips", "ibans", "keys"):
        slowly = redacted(f"{text}\n٣", kind)
        assert [redacted(f"{text}\n{odd}", kind)[:-1] for odd in "aé日😀"] == [slowly[:-1]] * 4


def test_digits_of_other_scripts() -> None:
    """A number is one in whatever digits it is written, those beyond 16 bits as well."""
    for zero in (0x660, 0x6F0, 0x966, 0xFF10, 0x1D7CE):
        digits = {ord("0") + value: chr(zero + value) for value in range(10)}
        said = "call +49 30 901820 pay 4111 1111 1111 1111".translate({**digits, ord("4"): "4"})
        assert redacted(said) == "call [phone] pay [card]"


@given(st.text(), st.text("0123456789 -+().@:/aZ\n", max_size=200))
def test_no_text_is_too_odd(text: str, odd: str) -> None:
    """Any text can be redacted, and once more without a change of its marks."""
    for given_text in (text, odd):
        once = redacted(given_text)
        assert redacted(once).count("[") >= once.count("[")


pieces = st.sampled_from(
    [
        *SECRETS,
        "sk-",
        "_",
        "-",
        " ",
        "://",
        "u:p@h",
        "Bearer ",
        "BeArEr ",
        "eyJ",
        ".",
        "hf_",
        "0123456789abcdef",
        "İ",
        "a",
    ]
)


@given(st.lists(pieces, max_size=9).map("".join))
def test_beginnings_of_credentials(text: str) -> None:
    """Looking where a credential can begin finds the same as looking everywhere."""
    assert mask_secrets(text) == _SECRET.sub("[secret]", text)


@pytest.fixture
def events() -> Iterator[Events]:
    with capture_events() as captured:
        yield captured


MAIL = "bob@example.com"


def told(events: Events) -> dict[str, Any]:
    (event,) = events.settle()
    properties: dict[str, Any] = event.properties
    return properties


def failing(metadata: Any) -> None:
    """Make a step that is given, says and raises something personal."""
    with pytest.raises(ValueError, match="no"), llm_track.llm_span(f"for {MAIL}", metadata=metadata) as span:
        span.set(input={MAIL: [f"to {MAIL}", 4111111111111111, 7]}, output=MAIL)
        raise ValueError(f"no {MAIL}")


def test_every_text_of_an_event(events: Events) -> None:
    """Names, metadata, inputs, outputs, errors and the names of fields are redacted; ids and who asked are not."""
    llm_track.configure(redact="all", exceptions=True)
    failing({"note": MAIL, MAIL: 1})
    properties = told(events)
    assert MAIL not in json.dumps(properties)
    assert events[0].exception is None
    assert properties["$ai_span_name"] == "for [email]"
    assert properties["$ai_input_state"] == {"[email]": ["to [email]", "[card]", 7]}
    assert (properties["note"], properties["[email]"]) == ("[email]", 1)
    assert properties["$ai_error"] == "no [email]"


def test_functions_of_the_program(events: Events) -> None:
    """A function from text to text redacts what it likes, beside what is built in."""
    llm_track.configure(redact=["emails", lambda text: text.replace("snail", "[animal]")])
    with llm_track.llm_span("a") as span:
        span.set(input=f"a snail of {MAIL}")
    assert told(events)["$ai_input_state"] == "a [animal] of [email]"


def test_escaped_letters(events: Events) -> None:
    """The arguments of a tool are JSON, which may write any letter by its number: what it spells is redacted."""
    llm_track.configure(redact="emails")
    said = json.dumps({"to": MAIL, "quote": '"', "back": "\\u0040"}).replace("@", r"\u0040").replace("b", r"\u0062")
    with llm_track.llm_span("a") as span:
        span.set(input=said)
    left = told(events)["$ai_input_state"]
    assert json.loads(left) == {"to": "[email]", "quote": '"', "back": "\\u0040"}


WRITTEN = {
    "JSON": "\\u{:04x}",
    "JSON in JSON": "\\\\u{:04X}",
    "JSON in JSON in JSON": "\\\\\\\\u{:04x}",
    "a URL": "%{:02X}",
    "a URL in small letters": "%{:02x}",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@given(data=st.data())
def test_letters_written_by_their_numbers(written: str, data: st.DataObject) -> None:
    """Which letters JSON and URLs write by their numbers hides nothing, and those of JSON stay as they are."""
    personal = data.draw(st.one_of(cards, emails, addresses, st.sampled_from(SECRETS)))
    chosen = data.draw(st.sets(st.integers(0, len(personal) - 1)))
    hidden = "".join(written.format(ord(each)) if at in chosen else each for at, each in enumerate(personal))
    before, after = (written.format(ord(each)) for each in ("<", ">")) if "u" in written else "<>"
    left = redacted(f"{before}{hidden}{after}é\\n")
    assert left.startswith(f"{before}[")
    assert left.endswith(f"]{after}é\\n")
    assert "[" not in left[len(before) + 1 : -len(after) - 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"C:\NL91ABNA0417164300", r"C:\[iban]"),
        (r"C:\nl91ABNA0417164300", r"C:\[iban]"),
        (r"C:\rk_live_Ab1Cd2Ef3Gh4Ij5Kl6", r"C:\[secret]"),
        (r"\bearer 0a1b2c3d4e5f", r"\bearer [secret]"),
        (r"SALES\bob@example.com", r"SALES\b[email]"),
        ("a%40b@example.com", "[email]"),
        ("100%4111111111111111", "100%[card]"),
        (r"\u00e9\ud83d\udc0c caf\u00e9@example.com", r"\u00e9\ud83d\udc0c [email]"),
        (r"\u004", r"\u004"),
        ("::ffff:10.1.2.3", "[ip]"),
        ("https://a.example/?to=bob%40example.com&key=Ab1Cd2", "https://a.example/?to=[email]&key=[secret]"),
        ("?key=sk-Ab1Cd2Ef3Gh4Ij5Kl6&x", "?key=[secret]&x"),
        (r'"\nl91ABNA0417164300"', '"[iban]"'),
        (r'"C:\\nl91ABNA0417164300"', r'"C:\\[iban]"'),
        (r"?key=Ab1Cd2\nmore words", r"?key=[secret]\nmore words"),
        (r"http://localhost:80\n@property", r"http://localhost:80\n@property"),
        ("?q=a%0Ask-Ab1Cd2Ef3Gh4Ij5Kl6%0d0", "?q=a%0A[secret]%0d0"),
        (r"\u5bc6sk-Ab1Cd2Ef3Gh4Ij5Kl6", r"\u5bc6[secret]"),
    ],
)
def test_what_may_be_read_in_two_ways(text: str, expected: str) -> None:
    """A backslash or a percent sign may begin an escape, or stand for itself: what is found either way goes."""
    assert redacted(text) == expected


def test_numbers_that_json_writes_as_such() -> None:
    """What stands for a number of JSON is a text, so that the rest of it can still be read."""
    said = '{"pay": [4111111111111111,7], "say": "4111111111111111, \\"4111111111111111", "of": -0.4111111111111111}'
    left = redacted(said)
    assert json.loads(left) == {"pay": ["[card]", 7], "say": '[card], "[card]', "of": "[card]"}
    assert redacted("[4111111111111111] it is") == "[[card]] it is"


written = st.recursive(
    st.lists(
        st.sampled_from(
            [
                *SECRETS, "?key=", "&token=", "https://a:b", "@", "\\", '"', "\n", "l91ABNA0417164300", "r", "%5C",
                "%22", " ", "4111111111111111", "b@x.io", "é", "日", "/",
            ]
        ),
        max_size=6,
    ).map("".join) | st.just(4111111111111111),
    lambda inside: st.dictionaries(st.just("a"), inside) | st.lists(inside, max_size=3) | inside.map(json.dumps),
    max_leaves=4,
)  # fmt: skip


@given(st.lists(written, max_size=3))
def test_json_stays_json(value: Any) -> None:
    """Whatever is found in JSON, or in JSON that it holds, what is left is JSON."""
    said = json.dumps(value)
    assert isinstance(json.loads(redacted(said)), list)
    assert isinstance(json.loads(mask_secrets(said)), list)


def test_a_number_of_json_that_holds_two_cards_is_one_text() -> None:
    """However many finds lie in one number that JSON writes as such, one text takes its place."""
    assert json.loads(redacted('{"c": 4111111111111111.4111111111111111}')) == {"c": "[card]"}


@given(st.one_of(cards, emails, addresses), st.sampled_from("\n\t\r\b\f\x00\x1b\xa0\u202f"), st.integers(1, 3))
def test_data_are_found_after_escapes(data: str, before: str, times: int) -> None:
    """What JSON writes before them with a backslash, a line break say, hides no data, nor JSON inside of JSON; what is
    left is JSON."""
    said = f"for:{before}{data}"
    for _ in range(times):
        said = json.dumps(said)
    left = redacted(unescaped(said))
    assert data not in left
    for _ in range(times):
        left = json.loads(left)
    assert left.startswith("for:")


@pytest.mark.parametrize(("kind", "text", "expected"), FOUND)
@pytest.mark.parametrize("escape", [r"\n", r"\t", r"\\n", r"\u000a"])
def test_an_escape_is_no_part_of_a_word(kind: str, text: str, expected: str, escape: str) -> None:
    """Each kind is found between the line breaks of JSON as it is between blanks."""
    assert redacted(f"a{escape}{text}{escape}", kind) == f"a{escape}{expected}{escape}"


def slow(text: str) -> str:
    time.sleep(0.02)
    return text


@pytest.mark.parametrize("wrong", [lambda text: 1 / 0, lambda text: None, slow], ids=["raises", "no text", "slow"])
def test_a_redactor_that_fails(wrong: Any, events: Events, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """One that raises, returns no text or takes too long costs the content and the metadata, not the event; it is
    counted, and logged once."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(_guard, "faults", _guard.faults.__class__())
    llm_track.configure(redact=[wrong], redact_seconds=0.01 if wrong is slow else 60)
    failing({"note": MAIL})
    failing({"note": MAIL})
    found = events.settle()
    assert len(found) == 2
    assert MAIL not in repr([event.properties for event in found])
    assert all(event.exception is None for event in found)
    assert found[0].properties["$ai_error"] == "ValueError"
    assert list(_guard.faults.values()) == [2]
    assert caplog.text.count("redact_texts") == 1


@pytest.mark.usefixtures("without_pytest")
def test_a_redactor_that_never_returns(events: Events, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Events go on without content when a function of the program hangs: each waits for it no longer than it may, after
    four that never returned none is begun, and it is begun again once these return."""
    back, begun = threading.Event(), []

    def hangs(text: str) -> str:
        begun.append(text)
        back.wait()
        return text

    monkeypatch.setattr(processors, "_runner", Runner())
    llm_track.configure(redact=[hangs], redact_seconds=0.05)
    for number in range(6):
        with llm_span(f"span number {number}"):
            pass
    told = events.settle()
    assert len(told) == 6
    assert "span number" not in json.dumps([event.properties for event in told])
    assert len(begun) == 4
    assert caplog.text.count("redact_texts") == 1
    back.set()
    for thread in [each for each in threading.enumerate() if each.name == "llm_track redaction"]:
        thread.join(10)
    with llm_span("span number 7"):
        pass
    assert events.settle()[-1].properties["$ai_span_name"] == "span number 7"


def test_what_redactors_and_processors_do_is_not_tracked(events: Events) -> None:
    """A function that makes spans of its own while it works on an event sends none of them: it would work on these,
    too, and so on without end."""

    def traced(text: str) -> str:
        with llm_span("redacting"):
            return text

    def processor(event: Event) -> Event:
        with llm_span("processing"):
            return event

    llm_track.configure(redact=[traced], processors=[processor])
    with llm_span("step"):
        pass
    events.settle()
    assert [event.properties["$ai_span_name"] for event in events.settle()] == ["step"]


def test_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come from the argument or the environment; what is unknown is an error that says what is known."""
    monkeypatch.setenv("LLM_TRACK_REDACT", "emails, ips")
    monkeypatch.setenv("LLM_TRACK_REDACT_SECONDS", "0.5")
    (redact,) = config.settings().redact
    assert redact(f"{MAIL} 10.1.2.3 4111111111111111") == "[email] [ip] 4111111111111111"
    assert config.settings().redact_seconds == 0.5
    llm_track.configure(redact="all", redact_seconds=2)
    (redact,) = config.settings().redact
    assert [redact(text) for _, text, _ in FOUND] == [redacted(text) for _, text, _ in FOUND]
    for wrong, advice in (("emials", "Did you mean 'emails'"), ([7], "functions"), (7, "functions"), ("x", "'all'")):
        with pytest.raises(ConfigurationError, match=advice):
            llm_track.configure(redact=wrong)
    for seconds in (0, -1, "long", float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="above 0"):
            llm_track.configure(redact_seconds=seconds)
