"""Networks, training and models in use. `from models import AgeTransformer` is all that most callers need."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.transformer import AgeTransformer

__all__ = ["AgeTransformer"]


def __getattr__(name: str) -> Any:
    """Imports the class when it is asked for: commands that use other modules need not wait for it."""
    if name != "AgeTransformer":
        raise AttributeError(f"module 'models' has no attribute '{name}'")
    from models.transformer import AgeTransformer

    return AgeTransformer
