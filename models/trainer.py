"""One training iteration: discriminator, generator, moving average (docs/method.md, Losses)."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.batch import Batch, Codes, draw_codes
from models.checkpoint import Network
from models.cuda_graph import RecordedCall
from models.discriminator import MultiScaleDiscriminator
from models.ema import start_average, update_average
from models.execution import Execution
from models.generator import Generator, Synthesizer, TrainingForward
from models.loss_record import LossRecord
from models.losses import LossWeights, discriminator_losses, generator_losses, target_losses
from models.optimizers import (
    OptimizerConfig,
    discriminator_adam,
    generator_adam,
    load_moments,
    set_learning_rate,
    steady_step,
)
from models.precision import autocast
from util.distributed import SINGLE_PROCESS, Processes, gradient_sync

# Iterations that run before one is recorded, beside those up to the next R1 penalty.
_GRAPH_WARMUP = 3

_Losses = dict[str, Tensor]


class Trainer:
    """Generator, discriminator, their optimizers and the moving average of the generator.

    Both networks are on one device. `rng` is the CPU generator of the age codes' noise. `average` is the model that
    is used afterwards: the moving average, or the generator itself if none is kept.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: MultiScaleDiscriminator,
        *,
        weights: LossWeights,
        optimizer: OptimizerConfig,
        rng: torch.Generator,
        noise_sigma: float,
        execution: Execution,
        processes: Processes = SINGLE_PROCESS,
        moving_average: bool = True,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.average = start_average(generator) if moving_average else generator
        self.weights = weights
        self.rng = rng
        self.noise_sigma = noise_sigma
        self.execution = execution
        self.processes = processes
        self.device = next(generator.parameters()).device
        self.iteration = 0
        self._autocast = partial(autocast, execution.precision, self.device)
        self._record = LossRecord(self.device)
        self._synthesize = generator.synthesize
        trained = Synthesizer(generator) if weights.of_target_only else generator
        if execution.compile:
            self._synthesize = torch.compile(generator.synthesize)
            trained.compile()
            discriminator.compile()
        # The same networks, for the passes that gradients come from.
        self._parallel_generator = processes.parallel(trained)
        self._parallel_discriminator = processes.parallel(discriminator)
        self._last_penalty = torch.zeros((), device=self.device)
        self._recorded: dict[bool, RecordedCall[_Losses]] = {}
        self._graph_warmup = execution.r1_interval + _GRAPH_WARMUP
        self._config = optimizer
        self.optimizer_g = generator_adam(generator, optimizer, capturable=execution.cuda_graph)
        self.optimizer_d = discriminator_adam(discriminator, optimizer, capturable=execution.cuda_graph)

    @property
    def networks(self) -> dict[Network, nn.Module]:
        """What a checkpoint holds, by its published names."""
        average: dict[Network, nn.Module] = {} if self.average is self.generator else {"g_running": self.average}
        return {"G": self.generator, "D": self.discriminator, **average}

    def start_epoch(self, epoch: int) -> None:
        """Sets the learning rates of an epoch, counted from 1."""
        for adam in (self.optimizer_g, self.optimizer_d):
            set_learning_rate(adam, self._config, epoch)
        # The rates are part of a recording.
        self._recorded.clear()

    def step(self, batch: Batch) -> None:
        """One iteration on this process's part of a batch in the CPU's memory. It never waits for the GPU."""
        codes = self.draw_codes(batch), self.draw_codes(batch)
        inputs = [tensor for part in (batch, *codes) for tensor in part.to(self.device).tensors]
        iterate = partial(self._iterate, batch.global_size)
        changing = self.iteration < max(self.weights.id_warmup, self._config.steady_start)
        warming_up = self._graph_warmup > 0 or changing
        if self.execution.cuda_graph and not warming_up:
            # There is a recording with the R1 penalty and one without.
            if self._regularizes not in self._recorded:
                self._recorded[self._regularizes] = RecordedCall(iterate, inputs)
            losses = self._recorded[self._regularizes](*inputs)
        else:
            losses = iterate(*inputs)
        self._graph_warmup -= 1
        self.iteration += 1
        self._record.add(list(losses), self.processes.total(torch.stack(list(losses.values()))))

    def losses(self) -> dict[str, float]:
        """The weighted losses of the last iteration over all processes. This waits for the GPU.

        Raises:
            DivergedError: they are not finite, or were not in an earlier iteration.
        """
        return self._record.read()

    def show(self, batch: Batch) -> TrainingForward:
        """What the model that is used makes of a batch's first pair.

        The noise has a generator of its own, so that training is the same however often somebody looks.
        """
        pair = batch.split(len(batch.A))[0].to(self.device)
        rng = torch.Generator().manual_seed(self.iteration)
        codes = draw_codes(pair, self.generator.config, rng, sigma=self.noise_sigma, part=slice(1)).to(self.device)
        with torch.inference_mode(), self._autocast():
            made: TrainingForward = self.average(pair.reals, codes.target, codes.cycle, codes.source)
        return made

    def draw_codes(self, batch: Batch) -> Codes:
        """New codes for this process's part of a batch."""
        part = self.processes.part(batch.global_size or len(batch.A))
        return draw_codes(batch, self.generator.config, self.rng, sigma=self.noise_sigma, part=part)

    def discriminator_step(self, batch: Batch, codes: Codes) -> _Losses:
        """Updates the discriminator; the generator runs without gradients. Returns shares of the losses."""
        self.optimizer_d.zero_grad(set_to_none=True)
        losses = self._backward(self._parallel_discriminator, self._discriminate, batch, codes)
        self.optimizer_d.step()
        self._last_penalty.copy_(losses.get("loss_D_reg", self._last_penalty))
        return {**losses, "loss_D_reg": self._last_penalty}

    def generator_step(self, batch: Batch, codes: Codes) -> _Losses:
        """Updates the generator; the discriminator is frozen. Returns shares of the losses."""
        self.discriminator.requires_grad_(False)
        self.optimizer_g.zero_grad(set_to_none=True)
        losses = self._backward(self._parallel_generator, self._generate, batch, codes)
        with steady_step(self.generator) if self.iteration < self._config.steady_start else nullcontext():
            self.optimizer_g.step()
        self.discriminator.requires_grad_(True)
        return losses

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs beside the networks: optimizers, random state, iteration."""
        return {
            "iteration": self.iteration,
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "rng": self.rng.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any], *, moments: bool = True) -> None:
        """Takes over a `state_dict`, without Adam's `moments` if those cannot be used.

        Learning rates are not a part of it: they follow from the epoch and the options.

        Raises:
            KeyError, ValueError: it does not fit.
        """
        if moments:
            load_moments(self.optimizer_g, state["optimizer_g"])
            load_moments(self.optimizer_d, state["optimizer_d"])
        self.rng.set_state(state["rng"])
        self.start_at(state["iteration"])

    def start_at(self, iteration: int) -> None:
        """Goes on after so many iterations."""
        self.iteration = iteration
        self._record = LossRecord(self.device, iteration=iteration)

    def _iterate(self, global_size: int | None, *tensors: Tensor) -> _Losses:
        """One iteration on tensors alone, as a CUDA graph needs it: those of the batch, then of both steps' codes."""
        batch = Batch(*tensors[:-6], global_size=global_size)
        of_discriminator = self.discriminator_step(batch, Codes(*tensors[-6:-3])) if self.weights.adv else {}
        losses = self.generator_step(batch, Codes(*tensors[-3:]))
        if self.average is not self.generator:
            update_average(self.average, self.generator)
        return {**losses, **of_discriminator}

    @property
    def _regularizes(self) -> bool:
        """Whether this iteration computes the R1 penalty."""
        return self.iteration % self.execution.r1_interval == 0

    def _backward(
        self,
        network: nn.Module,
        losses_of: Callable[[Batch, Codes], _Losses],
        batch: Batch,
        codes: Codes,
    ) -> _Losses:
        """Leaves the gradients of the whole batch in the network, one part after another.

        Returns the sums of the parts' shares of the losses.
        """
        count = self.execution.accumulate
        parts = list(zip(batch.split(count), codes.split(count), strict=True))
        sums: _Losses = {}
        for number, (part, part_codes) in enumerate(parts, start=1):
            with gradient_sync(network, enabled=number == len(parts)):
                shares = {name: part.share * loss for name, loss in losses_of(part, part_codes).items()}
                # DDP averages gradients over the processes, but the global batch's gradients are the sum of shares.
                (torch.stack(list(shares.values())).sum() * self.processes.count).backward()
            sums = {name: sums.get(name, 0) + share.detach() for name, share in shares.items()}
        return sums

    def _discriminate(self, batch: Batch, codes: Codes) -> _Losses:
        """The discriminator's losses on a part of a batch."""
        reals, regularize = batch.reals, self._regularizes
        with self._autocast(), torch.no_grad():
            fakes = self._synthesize(batch.inputs, codes.target)
        reals.requires_grad_(regularize)
        stance = "force_eager" if regularize else "default"
        with self._autocast(enabled=not regularize), torch.compiler.set_stance(stance):
            real_scores = self._parallel_discriminator(reals)
        with self._autocast():
            fake_scores = self._parallel_discriminator(fakes)
        return discriminator_losses(
            self.weights,
            batch=batch,
            real_scores=real_scores,
            fake_scores=fake_scores,
            penalised=reals if regularize else None,
            # The mean over a part's few samples gives each more weight; the square makes up for it.
            r1_scale=batch.share**2 * self.execution.r1_interval,
        )

    def _generate(self, batch: Batch, codes: Codes) -> _Losses:
        """The generator's losses on a part of a batch."""
        target_only = self.weights.of_target_only
        others = () if target_only else (codes.cycle, codes.source)
        with self._autocast():
            made = self._parallel_generator(batch.inputs, codes.target, *others)
            gen = made if target_only else made.gen
            scores = self.discriminator(gen) if self.weights.adv else []
        if target_only:
            return target_losses(self.weights, batch=batch, gen=gen, scores=scores)
        return generator_losses(
            self.weights, batch=batch, codes=codes, made=made, scores=scores, iteration=self.iteration
        )
