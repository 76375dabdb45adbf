"""Resuming from a training state, and from weights of earlier versions."""

import torch

from models.batch import Batch
from models.checkpoint import CheckpointFolder, Position, save
from models.execution import Execution
from models.resume import resume
from tests.golden_weights import golden_input
from tests.models.test_trainer import make_trainer


def test_moments_in_another_order_are_not_given_to_the_wrong_parameters(tmp_path, caplog):
    """With --conv_weight_norm false, earlier versions had weight and bias in the opposite order."""
    trainer, folder = make_trainer(Execution()), CheckpointFolder(tmp_path)
    images, classes = (golden_input(name, (2, 3, 64, 64)) for name in "AB"), torch.tensor([0, 3])
    trainer.step(Batch(*images, classes, classes + 1))
    save(folder, ["latest"], trainer=trainer, position=Position(2, 1, 8), pairs=2)

    def resumed():
        fresh = make_trainer(Execution())
        assert resume(folder, "latest", fresh, batch_size=2, batches_per_epoch=3) == Position(2, 1, 8)
        assert fresh.iteration == 1
        assert all(map(torch.equal, trainer.generator.parameters(), fresh.generator.parameters()))
        return fresh

    assert resumed().optimizer_g.state
    assert not caplog.records
    state = torch.load(folder.state("latest"), weights_only=True)
    state["networks"]["G"] = dict(reversed(state["networks"]["G"].items()))
    torch.save(state, folder.state("latest"))
    fresh = resumed()
    assert not fresh.optimizer_g.state
    assert not fresh.optimizer_d.state
    (warning,) = caplog.messages
    assert "Adam's moments start anew" in warning
