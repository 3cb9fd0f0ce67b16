"""Presidio as a redactor: the real analyzer, with a small pipeline of spaCy that needs no model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import llm_track
from llm_track import ConfigurationError, llm_span
from llm_track.integrations import presidio
from llm_track.integrations.presidio import redactor
from llm_track.testing import Events, capture_events
from tests.integrations.conftest import needed

ADA = "Ada Lovelace"


@pytest.fixture(scope="module")
def analyzer() -> Any:
    spacy, analyzing, engines = needed("spacy", "presidio_analyzer", "presidio_analyzer.nlp_engine")
    words = spacy.blank("en")
    words.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": ADA}])

    class Engine(engines.SpacyNlpEngine):  # type: ignore[misc,name-defined]  # known only where it is installed
        """A pipeline that knows one name."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": words}

        def load(self) -> None:
            """It is loaded."""

        def is_loaded(self) -> bool:
            return True

    return analyzing.AnalyzerEngine(nlp_engine=Engine(), supported_languages=["en"])


@pytest.fixture
def events() -> Iterator[Events]:
    with capture_events() as captured:
        yield captured


def test_what_it_finds_does_not_leave(analyzer: Any, events: Events) -> None:
    """A name that Presidio finds is replaced in every text of an event, beside what the built-in redactors find."""
    llm_track.configure(redact=["emails", redactor(analyzer=analyzer)], redact_seconds=30)
    with llm_span("step", metadata={"for": f"from {ADA}"}) as span:
        span.set(input={"text": f"{ADA} has 212-555-5555"}, output=f"to ada@example.com, {ADA}")
    (event,) = events.settle()
    told = event.properties
    assert ADA not in json.dumps(told)
    assert told["$ai_output_state"] == "to [email], [person]"
    assert told["for"] == "from [person]"


def test_kinds_and_thresholds(analyzer: Any) -> None:
    """Only the kinds that are asked for are replaced, and only where Presidio is sure enough."""
    text = f"{ADA} has 212-555-5555"
    assert redactor(analyzer=analyzer)(text) == "[person] has 212-555-5555"
    assert redactor(analyzer=analyzer, threshold=0.3)(text) == "[person] has [phone_number]"
    assert redactor(analyzer=analyzer, entities=["PHONE_NUMBER"], threshold=0.3)(text) == f"{ADA} has [phone_number]"


def test_long_texts_are_looked_at_in_pieces(analyzer: Any, monkeypatch: Any) -> None:
    """A text that is longer than a model takes is cut between words: no name is missed, and nothing else is lost."""
    monkeypatch.setattr(presidio, "_PIECE", 50)
    text = f"{'word ' * 37}{ADA} " * 5
    assert redactor(analyzer=analyzer)(text) == f"{'word ' * 37}[person] " * 5
    assert "".join(presidio._pieces("x" * 170)) == "x" * 170


@pytest.mark.parametrize(("given", "said"), [({"language": "de"}, "'en'"), ({"entities": ["NAME"]}, "PERSON")])
def test_what_the_analyzer_does_not_know(analyzer: Any, given: dict[str, Any], said: str) -> None:
    """A language or a kind that the analyzer does not know is an error at the start, which says what it knows."""
    with pytest.raises(ConfigurationError, match=said):
        redactor(analyzer=analyzer, **given)


def test_without_presidio(monkeypatch: Any) -> None:
    """Where it is not installed, or has no model, an error at the start says what to install."""
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(ConfigurationError, match=r"llm-track\[presidio\]"):
        redactor()

    def ends() -> Any:
        raise SystemExit(1)

    monkeypatch.setitem(sys.modules, "presidio_analyzer", SimpleNamespace(AnalyzerEngine=ends))
    with pytest.raises(ConfigurationError, match="spacy download"):
        redactor()


def test_overlaps_are_one_place() -> None:
    """Where kinds overlap, all of it is replaced once, by the surest kind."""
    found = [
        SimpleNamespace(start=0, end=7, score=1.0, entity_type="EMAIL_ADDRESS"),
        SimpleNamespace(start=2, end=9, score=0.5, entity_type="URL"),
        SimpleNamespace(start=12, end=14, score=0.5, entity_type="URL"),
    ]
    assert list(presidio._merged(found)) == [(0, 9, "[email_address]"), (12, 14, "[url]")]
