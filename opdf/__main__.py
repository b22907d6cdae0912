"""`opdf` and `python -m opdf`."""

import sys


def main() -> None:
    """Run the command line, or say what has to be installed for it."""
    try:
        from .cli import main as run

        run()
    except ModuleNotFoundError as error:
        extra = {"torch": "torch", "jax": "jax", "optax": "jax"}.get(error.name or "", "cli")
        print(f"opdf: this needs {error.name}, which is not installed; pip install 'opdf[{extra}]'", file=sys.stderr)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
