"""Networks of a run: encoders of Hugging Face and small ones for images."""

from ._spec import Student, Teacher

__all__ = ["Student", "Teacher"]
