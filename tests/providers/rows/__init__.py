"""The SDKs of the conformance suite, a module each."""
