"""Experiments behind what the documentation says, each a command: python -m opdf.evidence.NAME."""
