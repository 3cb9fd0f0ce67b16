"""The list of providers, and what it promises."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from importlib import import_module

import pytest

from llm_track import lacking, providers


@pytest.mark.parametrize("name", providers.KNOWN)
def test_every_target_exists_in_the_installed_sdk(name):
    """Each method that is named is in one of its homes, unless it is marked as optional; each witness is there."""
    provider = providers.load(name)
    assert provider.name == name
    pytest.importorskip(name, exc_type=ImportError)
    for target in provider.targets:
        with suppress(ModuleNotFoundError):
            owner = lacking.at(import_module(target.module), target.path.rpartition(".")[0])
            assert owner is None or target.witness is None or hasattr(owner, target.witness)
    lacking.note(provider)
    assert name not in lacking.noted


@pytest.mark.parametrize("name", [name for name in providers.KNOWN if providers.load(name).hands])
def test_every_method_that_hands_over_exists_in_the_installed_sdk(name):
    """Each method that gives the program what the SDK makes of an answer is in one of its homes, unless it is marked
    as optional."""
    pytest.importorskip(name, exc_type=ImportError)
    found = {}
    for target in (each for each in providers.load(name).hands if not each.optional):
        path, _, method = target.path.rpartition(".")
        found.setdefault(target.path, None)
        with suppress(ModuleNotFoundError):
            owner = lacking.at(import_module(target.module), path)
            found[target.path] = found.get(target.path) or lacking.inherited(owner, method)
    assert None not in found.values()


@pytest.mark.parametrize("name", ["anthropic", "openai"])
def test_every_answer_of_these_sdks_is_seen_on_the_wire(name):
    """All methods of the two SDKs have a witness; a provider with one that has none says that it does not see all."""
    provider = providers.load(name)
    assert provider.sees_wire
    blind = replace(provider.targets[0], witness=None)
    assert not replace(provider, targets=(*provider.targets, blind)).sees_wire


def test_knowing_a_provider_loads_no_sdk_and_no_format():
    """The list of providers costs neither the import of an SDK nor that of a format."""
    code = (
        "import sys, llm_track.providers\n"
        "sys.exit(bool({'openai', 'anthropic', 'posthog', 'llm_track.formats.messages'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", providers.KNOWN)
def test_describing_a_provider_loads_no_sdk(name):
    """A provider's description names its SDK in strings only."""
    code = f"import sys, llm_track.providers as p; p.load({name!r}); sys.exit({name!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
