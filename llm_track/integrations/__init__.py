"""Where a framework wants to be handed an object of its own kind: one file for each."""
