"""Settings: where each comes from, and what is said about those that cannot be used."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from llm_track import ConfigurationError, config, configure
from llm_track.config import Settings, settings

pytestmark = pytest.mark.usefixtures("nobody_else")

DEFAULTS = Settings()
TEXTS = [
    ("api_key", "POSTHOG_API_KEY", "phc_argument", "phc_environment"),
    ("host", "POSTHOG_API_URL", "https://argument.example", "https://environment.example"),
    ("cost", "LLM_TRACK_COST", "local", "off"),
    ("ai_lane", "LLM_TRACK_AI_LANE", "on", "off"),
    ("feedback_secret", "LLM_TRACK_FEEDBACK_SECRET", "an argument that is long", "a variable that is long"),
]
VALUES = [
    *TEXTS,
    ("sample_rate", "LLM_TRACK_SAMPLE_RATE", 0.5, "0.25"),
    ("keep_slower_than", "LLM_TRACK_KEEP_SLOWER_THAN", 10.0, "2.5"),
    ("keep_costlier_than", "LLM_TRACK_KEEP_COSTLIER_THAN", 0.5, "0.25"),
    ("enabled", "LLM_TRACK_ENABLED", True, "false"),
    ("exceptions", "LLM_TRACK_EXCEPTIONS", False, "true"),
    ("spool", "LLM_TRACK_SPOOL", "/var/spool/other", "/var/spool/own"),
    ("spool_bytes", "LLM_TRACK_SPOOL_BYTES", 10**6, "1000000000"),
    ("exit_seconds", "LLM_TRACK_EXIT_SECONDS", 2.5, "7.5"),
    ("flush_on_sigterm", "LLM_TRACK_FLUSH_ON_SIGTERM", False, "true"),
    ("redact_seconds", "LLM_TRACK_REDACT_SECONDS", 2.0, "0.25"),
    ("follow_threads", "LLM_TRACK_FOLLOW_THREADS", True, "false"),
]


def test_every_setting_with_a_variable_is_tried_here():
    """Each setting but the two that only code can give has an environment variable, and all are tried in this file, but
    for the content policy, the redactors and the prices, which are tried in files of their own."""
    assert {name for name, *_ in VALUES} == {item.name for item in dataclasses.fields(Settings)} - {
        "client",
        "content",
        "prices",
        "processors",
        "redact",
    }


def test_the_defaults_need_nothing():
    """With no argument and no variable every setting has its default."""
    assert settings() == DEFAULTS
    configure()
    assert settings() == DEFAULTS


@pytest.mark.parametrize(("name", "variable", "argument", "in_environment"), VALUES)
def test_the_argument_beats_the_environment(monkeypatch, name, variable, argument, in_environment):
    """An argument wins over the variable, the variable over the default."""
    monkeypatch.setenv(variable, in_environment)
    read = getattr(settings(), name)
    assert read != getattr(DEFAULTS, name)
    assert str(read).lower() == in_environment
    configure(**{name: argument})
    assert getattr(settings(), name) == argument


def test_what_is_configured_stays_whoever_reads_the_environment_meanwhile(monkeypatch):
    """A thread that is reading the environment while another configures does not replace what that has configured."""
    resolved = config._resolved

    def slowly(given):
        read = resolved(given)
        if not given:
            configure(api_key="phc_configured")
        return read

    monkeypatch.setattr(config, "_resolved", slowly)
    assert settings().api_key == "phc_configured"
    assert settings().api_key == "phc_configured"


@pytest.mark.parametrize(("name", "variable", "_argument", "in_environment"), TEXTS)
@pytest.mark.parametrize("empty", ["", "   "])
def test_an_empty_variable_counts_as_unset(monkeypatch, name, variable, _argument, in_environment, empty):
    """An empty or blank variable leaves the default in force."""
    monkeypatch.setenv(variable, empty)
    assert getattr(settings(), name) == getattr(DEFAULTS, name)


@pytest.mark.parametrize(("name", "variable", "_argument", "in_environment"), TEXTS)
def test_an_empty_argument_counts_as_unset(monkeypatch, name, variable, _argument, in_environment):
    """An empty text as an argument leaves the word to the environment."""
    monkeypatch.setenv(variable, in_environment)
    configure(**{name: ""})
    assert getattr(settings(), name) == in_environment


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("api_key", "POSTHOG_API_KEY", "POSTHOG_PROJECT_API_KEY"), ("host", "POSTHOG_API_URL", "POSTHOG_HOST")],
)
def test_key_and_host_have_a_second_name(monkeypatch, name, first, second):
    """The second variable is read when the first is unset or empty, and only then."""
    monkeypatch.setenv(second, "https://from-second")
    assert getattr(settings(), name) == "https://from-second"
    monkeypatch.setenv(first, "")
    configure()
    assert getattr(settings(), name) == "https://from-second"
    monkeypatch.setenv(first, "https://from-first")
    configure()
    assert getattr(settings(), name) == "https://from-first"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("eu.i.posthog.com", "https://eu.i.posthog.com"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://posthog.internal", "http://posthog.internal"),
    ],
)
def test_a_host_may_be_written_without_its_scheme(written, meant):
    """A host without a scheme, to which the client could deliver nothing, gets the one that was surely meant."""
    configure(host=written)
    assert settings().host == meant


def test_blanks_around_a_variable_are_dropped(monkeypatch):
    """A key pasted with a line end still is the key."""
    monkeypatch.setenv("POSTHOG_API_KEY", " phc_1\n")
    assert settings().api_key == "phc_1"


def test_the_environment_is_read_at_first_use(monkeypatch):
    """A variable set after the import counts; one set after the first use does not."""
    monkeypatch.setenv("LLM_TRACK_COST", "off")
    assert settings().cost == "off"
    monkeypatch.setenv("LLM_TRACK_COST", "local")
    assert settings().cost == "off"


def test_every_call_replaces_all_settings():
    """What an earlier call set is gone after the next one."""

    def processor(event):
        return event

    configure(
        api_key="phc_1",
        client=SimpleNamespace(capture=print, flush=print),
        processors=[processor],
        sample_rate=0.5,
        enabled=False,
    )
    assert settings().processors == (processor,)
    configure(host="https://h.example")
    assert settings() == Settings(host="https://h.example")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("api_keys", "api_key"), ("sampling_rate", "sample_rate"), ("hosts", "host")]
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(wrong, meant):
    """A misspelt setting raises, and the message offers the one that was meant."""
    with pytest.raises(ConfigurationError, match=rf"no setting '{wrong}'. Did you mean '{meant}'\?"):
        configure(**{wrong: "x"})


def test_an_unknown_name_like_no_other_is_named_without_advice():
    """A name that resembles nothing raises without a guess, and what was configured before stays in force."""
    configure(api_key="phc_1")
    with pytest.raises(ConfigurationError, match=r"no setting 'zzzzzz'\.$"):
        configure(zzzzzz=1)
    assert settings().api_key == "phc_1"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("content", "some", "'full', 'metadata' or 'none'"),
        ("content", 7, "'full', 'metadata' or 'none'"),
        ("content", ["inputs", "ouputs"], "Did you mean 'outputs'"),
        ("content", [], "write 'none'"),
        ("content", ",", "'full', 'metadata' or 'none'"),
        ("cost", "cheap", "'auto', 'local', 'off'"),
        ("sample_rate", 1.5, "from 0.0 .* to 1.0"),
        ("sample_rate", -0.1, "from 0.0 .* to 1.0"),
        ("sample_rate", "half", "from 0.0 .* to 1.0"),
        ("sample_rate", float("nan"), "from 0.0 .* to 1.0"),
        ("sample_rate", [1], "from 0.0 .* to 1.0"),
        ("keep_slower_than", 0, "seconds above 0"),
        ("keep_slower_than", "long", "seconds above 0"),
        ("keep_costlier_than", -1, "US dollars above 0"),
        ("enabled", "maybe", "true or false"),
        ("exceptions", 2, "true or false"),
        ("follow_threads", "never", "true or false"),
        ("spool", 5, "the path of a directory"),
        ("spool", __file__, "which is no directory"),
        ("spool_bytes", 1, "at least 65536"),
        ("spool_bytes", "much", "at least 65536"),
        ("exit_seconds", 0, "seconds above 0"),
        ("flush_on_sigterm", "maybe", "true or false"),
        ("api_key", 5, "a string"),
        ("host", ["https://h"], "a string"),
        ("client", "phc_1", "an instance of posthog.Posthog"),
        ("client", type("Posthog", (), {"capture": len, "flush": len}), "an instance of posthog.Posthog"),
        ("client", type("HalfClient", (), {"capture": len})(), "an instance of posthog.Posthog"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_says_what_to_write(name, value, advice):
    """A bad value raises a `ConfigurationError` with the name, the value and what would be accepted."""
    with pytest.raises(ConfigurationError, match=rf"(?s)^{name} is .*{advice}"):
        configure(**{name: value})


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LLM_TRACK_SAMPLE_RATE", "2"), ("LLM_TRACK_CONTENT", "inputs,some"), ("LLM_TRACK_ENABLED", "perhaps")],
)
def test_a_variable_that_cannot_be_used_is_an_error_too(monkeypatch, variable, value):
    """The environment is held to the same rules as the arguments."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=value):
        settings()


@pytest.mark.parametrize("wrong", [len, ["not callable"], None])
def test_processors_that_are_no_functions_are_an_error(wrong):
    """A single function, or something that cannot be called, is refused at start-up rather than at the first event."""
    with pytest.raises(ConfigurationError, match="processors"):
        configure(processors=wrong)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (written, meant)
        for meant, words in ((True, "1 true YES On"), (False, "0 false NO Off"))
        for written in words.split()
    ],
)
def test_flags_have_the_usual_spellings(monkeypatch, written, meant):
    """True and false may be written in each of the customary ways, in any case."""
    monkeypatch.setenv("LLM_TRACK_ENABLED", written)
    assert settings().enabled is meant


def test_a_configuration_error_is_a_value_error():
    """Programs that catch `ValueError` around their start-up catch this one."""
    assert issubclass(ConfigurationError, ValueError)
