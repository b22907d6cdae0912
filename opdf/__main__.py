"""`opdf` and `python -m opdf`."""

import sys


def main() -> None:
    """Run the command line, or say what has to be installed for it."""
    try:
        from .cli import main as run

        run()
    except ModuleNotFoundError as error:
        extras = {"torch": "torch", "jax": "jax", "optax": "jax"} | dict.fromkeys(
            ("tensorly", "torchtt", "quimb"), "oracles"
        )
        package = (error.name or "").partition(".")[0]
        extra = extras.get(package, "cli")
        print(f"opdf: this needs {package}, which is not installed; pip install 'opdf[{extra}]'", file=sys.stderr)  # noqa: T201
        sys.exit(2)


if __name__ == "__main__":
    main()
