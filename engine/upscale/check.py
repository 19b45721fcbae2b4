"""The type of the function by which a caller ends the work of an upscaler."""

from collections.abc import Callable

# Called again and again during the work. It may raise an exception to end the work.
Check = Callable[[], None]
