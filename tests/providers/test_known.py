"""The list of providers, and what it promises."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import reduce
from importlib import import_module
from typing import Any

import pytest

from llm_track import providers


@pytest.mark.parametrize("name", providers.KNOWN)
def test_every_target_exists_in_the_installed_sdk(name):
    """Each method that is named, and its witness, is there, unless it is marked as optional."""
    provider = providers.load(name)
    assert provider.name == name
    pytest.importorskip(name, exc_type=ImportError)
    for target in provider.targets:
        path, _, method = target.path.rpartition(".")
        owner = reduce(lambda place, part: getattr(place, part, None), filter(None, path.split(".")), _module(target))
        assert (owner is not None and hasattr(owner, method)) or target.optional
        if owner is not None:
            assert target.witness is None or hasattr(owner, target.witness)


def _module(target: providers.Target) -> Any:
    return import_module(target.module)


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
