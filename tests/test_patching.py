"""Putting hooks on and taking them off."""

from __future__ import annotations

import logging
import subprocess
import sys
import types

import anthropic
import openai
import pytest

import llm_track
from llm_track import ConfigurationError, lacking, patching, providers
from llm_track.hooks import Hook
from llm_track.providers import Provider, Target

CLIENTS = [openai.OpenAI, openai.AsyncOpenAI, anthropic.Anthropic, anthropic.AsyncAnthropic, anthropic.AnthropicBedrock]


@pytest.fixture(autouse=True)
def unpatched():
    """Leave no hook behind."""
    yield
    llm_track.unpatch()


def test_hooks_go_on_and_come_off_without_a_trace():
    """After unpatch every class has the very attributes it had before."""
    llm_track.unpatch()
    before = [dict(vars(client)) for client in CLIENTS]
    assert llm_track.autopatch("anthropic", "openai") == {"anthropic": "hooked", "openai": "hooked"}
    assert all(isinstance(vars(client)["request"], Hook) for client in CLIENTS)
    llm_track.unpatch()
    after = [dict(vars(client)) for client in CLIENTS]
    assert all(old.keys() == new.keys() for old, new in zip(before, after, strict=True))
    assert all(old[key] is new[key] for old, new in zip(before, after, strict=True) for key in old)


def test_patching_twice_hooks_once():
    """A second autopatch changes nothing, and one unpatch takes all off."""
    llm_track.autopatch()
    hook = vars(openai.OpenAI)["request"]
    llm_track.autopatch()
    assert vars(openai.OpenAI)["request"] is hook
    assert not isinstance(hook.__wrapped__, Hook)
    llm_track.unpatch()
    assert "request" not in vars(openai.OpenAI)


def test_subclasses_are_hooked_once():
    """A client that inherits a hooked method gets no second hook."""
    llm_track.autopatch()
    assert "request" not in vars(openai.AzureOpenAI)
    assert openai.AzureOpenAI.request.__wrapped__ is openai.OpenAI.request.__wrapped__


def test_one_provider_alone():
    """autopatch("openai") leaves anthropic as it is; an unknown name says which ones there are."""
    llm_track.unpatch()
    assert llm_track.autopatch("openai") == {"openai": "hooked"}
    assert "request" not in vars(anthropic.Anthropic)
    with pytest.raises(ConfigurationError, match="no provider 'opneai'; it knows ai21, .*, anthropic, .*, openai, "):
        llm_track.autopatch("opneai")


@pytest.mark.parametrize("order", ["llm_track.autopatch(); import openai", "import openai; llm_track.autopatch()"])
def test_any_import_order(order):
    """Hooks are on, whether the SDK is imported before or after autopatch."""
    program = f"import llm_track; {order}; print(type(openai.OpenAI.request).__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "BoundHook"


def test_a_method_that_a_version_lacks_is_said_once_and_harms_nothing(caplog, monkeypatch):
    """Missing methods give one log line with SDK, version and names, optional ones none, and the rest is hooked.

    A method that moved is missing if it is in none of its homes; one of a module that is yet to be imported is not.
    """
    seen = []

    def read(invocation):
        seen.append(invocation)

    modules = {
        "odd": types.SimpleNamespace(Client=type("Client", (), {"call": lambda self: 1})),
        "odd.old": types.SimpleNamespace(),
        "odd.other": types.ModuleType("odd.other"),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    targets = (
        Target("odd", "Client.gone", read),
        Target("odd.old", "Client.moved", read),
        Target("odd.other", "Client.moved", read),
        Target("odd.old", "Client.call", read),
        Target("odd", "Client.call", read),
        Target("odd", "Nobody.call", read, optional=True),
        Target("odd.deep.er", "Client.later", read),
        Target("odd.never", "Client.never", read),
    )
    provider = Provider(
        name="odd", distribution="odd-sdk", targets=targets, to_json=lambda result: None, failure=lambda error: {}
    )
    monkeypatch.setattr(patching, "_wanted", {"odd"})
    monkeypatch.setattr(patching, "_undo", {})
    monkeypatch.setattr(providers, "load", lambda name: provider)
    monkeypatch.setitem(providers.KNOWN, "odd", "")
    said = "odd-sdk of unknown version has no Client.gone, Client.moved, Client.never"
    with caplog.at_level(logging.WARNING, "llm_track"):
        for _ in range(2):
            assert llm_track.autopatch("odd") == {"odd": said}
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{said}, which llm_track hooks.")
    assert modules["odd"].Client().call() == 1
    assert len(seen) == 1
    for target in targets:
        owner = types.SimpleNamespace(gone=1, moved=1, never=1, call=1, later=1)
        monkeypatch.setitem(sys.modules, target.module, types.SimpleNamespace(Client=owner))
    lacking.note(provider)
    assert "odd" not in lacking.noted


def test_a_hook_that_raises_does_not_break_the_import(without_pytest, monkeypatch, caplog):
    """A fault while hooking never comes out of the program's own import statement."""
    llm_track.unpatch()
    monkeypatch.setattr(providers, "load", lambda name: 1 / 0)
    llm_track.autopatch("openai")
    assert "could not hook openai (ZeroDivisionError" in caplog.text
    patching._undo.pop("openai", None)


def test_someone_elses_wrapper_stays():
    """unpatch does not throw away a wrapper that another library put over ours."""
    llm_track.autopatch("openai")
    ours = vars(openai.OpenAI)["request"]

    def theirs(self, *args, **kwargs):
        return ours.__get__(self, type(self))(*args, **kwargs)

    openai.OpenAI.request = theirs
    try:
        llm_track.unpatch()
        assert vars(openai.OpenAI)["request"] is theirs
    finally:
        del openai.OpenAI.request


IMPORTED_TWICE = """
import sys
import llm_track
llm_track.autopatch()
for name in [name for name in sys.modules if name.partition(".")[0] == "llm_track"]:
    del sys.modules[name]
import llm_track
from llm_track import patching
llm_track.autopatch("openai")
import openai
hook = vars(openai.OpenAI)["request"]
print(type(hook.__wrapped__).__name__, hook._self_wrapper.__globals__ is vars(sys.modules["llm_track.wrapper"]))
"""


def test_of_two_imports_the_newer_one_hooks():
    """A test runner that forgets llm_track and imports it anew gets hooks of the new one, and no others beneath."""
    ran = subprocess.run([sys.executable, "-c", IMPORTED_TWICE], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout.split()) == (0, ["function", "True"]), ran.stderr
