"""How often a run prints, shows and saves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cadence:
    """Frequencies in training pairs, but for the two that count epochs.

    Attributes:
        print: losses to the logs.
        display: pictures to visdom.
        save_latest: checkpoint "latest".
        save_display: pictures to the HTML log.
        save_epoch: a checkpoint of its own, in epochs.
        epochs: the last epoch.
    """

    print: int
    display: int
    save_latest: int
    save_display: int
    save_epoch: int
    epochs: int

    def keeps(self, epoch: int) -> bool:
        """Whether an epoch gets a checkpoint of its own; the last one always does."""
        return epoch % self.save_epoch == 0 or epoch == self.epochs
