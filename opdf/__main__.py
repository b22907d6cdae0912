"""`python -m opdf`."""

from .cli import main

main()
