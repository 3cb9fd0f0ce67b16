"""Joining the chunks of a stream from Gemini, each of which has the shape of a whole answer."""

from __future__ import annotations

from typing import Any

from llm_track.formats._fold import grow, settled
from llm_track.formats._json import JSON, count, name, obj, objects, text, without


class CandidatesFold:
    """Builds the answer: texts of one kind grow, other parts and candidates follow.  Counts are cumulative."""

    def __init__(self) -> None:
        self.complete = False
        self._body: dict[str, Any] = {}
        self._candidates: dict[int, dict[str, Any]] = {}

    def add(self, chunk: JSON) -> None:
        """Take one chunk."""
        self._body |= settled(without(chunk, "candidates"))
        for position, candidate in enumerate(objects(chunk.get("candidates"))):
            index = count(candidate.get("index"))
            self._grow(self._candidates.setdefault(position if index is None else index, {}), candidate)
        ended = [name(candidate.get("finishReason")) for candidate in self._candidates.values()]
        self.complete = all(ended) if ended else bool(obj(self._body.get("promptFeedback")).get("blockReason"))

    def _grow(self, known: dict[str, Any], more: JSON) -> None:
        content = obj(more.get("content"))
        known |= settled(without(more, "content"))
        if not content:
            return
        grown = known.setdefault("content", {"parts": []})
        grown |= settled(without(content, "parts"))
        for part in objects(content.get("parts")):
            last = grown["parts"][-1] if grown["parts"] else {}
            if _goes_on(last, part):
                grow(last, "text", part["text"])
                last |= settled(without(part, "text"))
            else:
                grown["parts"].append(settled(part))

    def body(self) -> dict[str, Any]:
        """Return the answer as far as it is known."""
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        body: dict[str, Any] = settled(self._body | ({"candidates": candidates} if candidates else {}))
        return body


def _goes_on(last: JSON, part: JSON) -> bool:
    """Tell whether a part is the next bit of the text before it; its signature comes with the last bit."""
    texts = "text" in last and "thoughtSignature" not in last and text(part.get("text")) is not None
    return texts and without(last, "text") == without(part, "text", "thoughtSignature")
