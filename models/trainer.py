"""One training iteration, the moving average and the schedule (spec/method.md section 5)."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import MultiStepLR

from models.age_code import make_codes
from models.batch import Batch, Codes
from models.checkpoint import Network
from models.cuda_graph import RecordedCall
from models.discriminator import MultiScaleDiscriminator
from models.generator import Generator, TrainingForward
from models.losses import fake_loss, l1_loss, r1_penalty, real_loss
from util.distributed import ALONE, Processes, exchanging

EMA_DECAY = 0.999
MAPPING_LR_SCALE = 0.01
_UNRECORDED = 3  # iterations that run before one is recorded, beside those up to the next R1 penalty

_Made = TypeVar("_Made")
Precision = Literal["fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses; the adversarial one has weight 1.

    Attributes:
        id_warmup: iterations over which the identity weight rises from 0 to its value; a constant encoder satisfies
            that loss, and training can fall into it while pictures are still flat (docs/training_notes.md).
        paired: of the difference to the partner's picture, where a pair is one person; 0 is the paper's, whose photos
            know no such pairs.
    """

    rec: float = 10.0
    cycle: float = 10.0
    identity: float = 1.0
    age: float = 1.0
    r1: float = 10.0
    id_warmup: int = 0
    paired: float = 0.0

    def identity_at(self, iteration: int) -> float:
        """The identity weight after `iteration` iterations."""
        return self.identity * min(1.0, iteration / self.id_warmup) if self.id_warmup else self.identity


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam and its schedule: the rate is multiplied by `decay_gamma` after each of `decay_epochs`."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.999)
    decay_gamma: float = 0.5
    decay_epochs: tuple[int, ...] = (50, 100)
    slow_style_branches: bool = True


@dataclass(frozen=True)
class Execution:
    """How an iteration is computed.

    Attributes:
        precision: of the networks' arithmetic. Losses, and the discriminator where R1 is differentiated through it,
            stay in float32.
        accumulate: parts that a batch is taken through the networks in, one after another; the gradients are those
            of the whole batch, but for the discriminator's minibatch statistic, which is each part's own.
        compile: torch.compile the networks. The discriminator's pass that R1 is differentiated through is not
            compiled: PyTorch has no second derivatives of compiled graphs.
        r1_interval: iterations from one R1 penalty to the next, which then counts as many times (Karras et al.
            2020); 1 is the paper's.
        cuda_graph: iterations are recorded and replayed (models.cuda_graph). One process on CUDA only.
    """

    precision: Precision = "fp32"
    accumulate: int = 1
    compile: bool = False
    r1_interval: int = 1
    cuda_graph: bool = False


class Trainer:
    """Generator, discriminator, their optimisers and the moving average of the generator.

    Args:
        generator: in training, on its device; the moving average starts as its copy.
        discriminator: on the same device.
        weights: of the losses.
        optimizer: Adam's settings.
        rng: CPU generator that the noise of the age codes comes from.
        noise_sigma: of the age codes.
        execution: precision, parts of a batch, and how often R1 is computed.
        processes: those that train together, each on its part of a batch.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: MultiScaleDiscriminator,
        weights: LossWeights,
        optimizer: OptimizerConfig,
        rng: torch.Generator,
        noise_sigma: float,
        execution: Execution = Execution(),
        processes: Processes = ALONE,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.weights = weights
        self.rng = rng
        self.noise_sigma = noise_sigma
        self.execution = execution
        self.processes = processes
        self.iteration = 0
        self._synthesize = generator.synthesize
        if execution.compile:
            self._synthesize = torch.compile(generator.synthesize)
            generator.compile()
            discriminator.compile()
        # The same networks, for the passes that gradients come from.
        self._parallel_generator = processes.parallel(generator)
        self._parallel_discriminator = processes.parallel(discriminator)
        self._last_penalty = torch.zeros((), device=next(generator.parameters()).device)
        self._recorded: dict[bool, RecordedCall[tuple[dict[str, Tensor], TrainingForward]]] = {}
        self._unrecorded = execution.r1_interval + _UNRECORDED
        self.optimizer_g = _adam(_generator_groups(generator, optimizer), optimizer, execution.cuda_graph)
        self.optimizer_d = _adam([{"params": list(discriminator.parameters())}], optimizer, execution.cuda_graph)
        self._schedules = [
            MultiStepLR(adam, list(optimizer.decay_epochs), optimizer.decay_gamma)
            for adam in (self.optimizer_g, self.optimizer_d)
        ]

    @property
    def networks(self) -> dict[Network, nn.Module]:
        """What a checkpoint holds, by its published names."""
        return {"G": self.generator, "D": self.discriminator, "g_running": self.average}

    def step(self, batch: Batch) -> tuple[dict[str, float], TrainingForward]:
        """One iteration on this process's part of a batch, on the networks' device.

        Returns:
            The weighted losses of the whole batch by their logged names, and what the generator made of the first
            part of it, which the next iteration may overwrite.
        """
        codes = self.fresh_codes(batch), self.fresh_codes(batch)
        warming_up = self._unrecorded > 0 or self.iteration < self.weights.id_warmup
        iterate = self._iterate if warming_up or not self.execution.cuda_graph else self._replay
        losses, made = iterate(batch, *codes)
        self._unrecorded -= 1
        self.iteration += 1
        values = self.processes.total(torch.stack(list(losses.values()))).tolist()
        return dict(zip(losses, values, strict=True)), made

    def _iterate(self, batch: Batch, d_codes: Codes, g_codes: Codes) -> tuple[dict[str, Tensor], TrainingForward]:
        tensors = self.discriminator_step(batch, d_codes)
        losses, made = self.generator_step(batch, g_codes)
        self.update_average()
        return {**losses, **tensors}, made

    def _replay(self, batch: Batch, d_codes: Codes, g_codes: Codes) -> tuple[dict[str, Tensor], TrainingForward]:
        """`_iterate` by its recording; one with the R1 penalty and one without."""
        inputs = [*batch.tensors, *d_codes.tensors, *g_codes.tensors]
        if self._regularizes not in self._recorded:

            def iterate(*tensors: Tensor) -> tuple[dict[str, Tensor], TrainingForward]:
                a, b, a_class, b_class, *codes = tensors
                recorded = Batch(a, b, a_class, b_class, batch.whole)
                return self._iterate(recorded, Codes(*codes[:3]), Codes(*codes[3:]))

            self._recorded[self._regularizes] = RecordedCall(iterate, inputs)
        return self._recorded[self._regularizes](*inputs)

    @property
    def _regularizes(self) -> bool:
        return self.iteration % self.execution.r1_interval == 0

    def end_epoch(self) -> None:
        """Moves the learning rates on."""
        for schedule in self._schedules:
            schedule.step()
        # The rates are part of a recording.
        self._recorded.clear()

    def fresh_codes(self, batch: Batch) -> Codes:
        """New codes for the batch; a picture's way back uses the code that its partner went to."""
        a_gen, b_gen, a_source, b_source = (
            self._codes(classes, batch.whole or len(classes))
            for classes in (batch.B_class, batch.A_class, batch.A_class, batch.B_class)
        )
        return Codes(torch.cat([a_gen, b_gen]), torch.cat([b_gen, a_gen]), torch.cat([a_source, b_source]))

    def discriminator_step(self, batch: Batch, codes: Codes) -> dict[str, Tensor]:
        """Updates the discriminator. The generator runs without gradients and without the age encoder.

        Returns the losses, counted by the batch's share of the whole.
        """
        self.optimizer_d.zero_grad(set_to_none=True)
        losses, _ = self._backward(self._parallel_discriminator, self._discriminator_losses, batch, codes)
        self.optimizer_d.step()
        self._last_penalty.copy_(losses.get("loss_D_reg", self._last_penalty))
        return {**losses, "loss_D_reg": self._last_penalty}

    def generator_step(self, batch: Batch, codes: Codes) -> tuple[dict[str, Tensor], TrainingForward]:
        """Updates the generator; the discriminator's parameters are frozen.

        Returns the losses, counted by the batch's share of the whole, and the pictures of the first part.
        """
        self.discriminator.requires_grad_(False)
        self.optimizer_g.zero_grad(set_to_none=True)
        losses, made = self._backward(self._parallel_generator, self._generator_losses, batch, codes)
        self.optimizer_g.step()
        self.discriminator.requires_grad_(True)
        return losses, made

    def _backward(
        self,
        network: nn.Module,
        losses_of: Callable[[Batch, Codes], tuple[dict[str, Tensor], _Made]],
        batch: Batch,
        codes: Codes,
    ) -> tuple[dict[str, Tensor], _Made]:
        """Leaves the gradients of the whole batch in the network, a part at a time."""
        count = self.execution.accumulate
        parts = list(zip(batch.split(count), codes.split(count), strict=True))
        sums: dict[str, Tensor] = {}
        pictures = []
        for number, (part, part_codes) in enumerate(parts, start=1):
            with exchanging(network, now=number == len(parts)):
                losses, made = losses_of(part, part_codes)
                shared = {name: part.share * loss for name, loss in losses.items()}
                # Gradients are averaged over the processes, where the whole batch's are a sum of shares.
                (torch.stack(list(shared.values())).sum() * self.processes.count).backward()
            sums = {name: sums.get(name, 0) + loss.detach() for name, loss in shared.items()}
            pictures.append(made)
        return sums, pictures[0]

    def _discriminator_losses(self, batch: Batch, codes: Codes) -> tuple[dict[str, Tensor], Tensor]:
        reals, execution = batch.reals, self.execution
        regularize = self._regularizes
        with self._autocast(), torch.no_grad():
            fakes = self._synthesize(reals, codes.target)
        reals.requires_grad_(regularize)
        with self._autocast(enabled=not regularize), _compiled(not regularize):
            real_scores = self._parallel_discriminator(reals)
        with self._autocast():
            fake_scores = self._parallel_discriminator(fakes)
        losses = {
            "loss_D_real": real_loss(_float(real_scores), batch.source),
            "loss_D_fake": fake_loss(_float(fake_scores), batch.target),
        }
        if regularize:
            # A part of a batch has a mean over fewer samples, so that each weighs more: the square makes up for it.
            weight = self.weights.r1 * batch.share**2
            losses["loss_D_reg"] = weight * execution.r1_interval * r1_penalty(real_scores, reals)
        return losses, fakes

    def _generator_losses(self, batch: Batch, codes: Codes) -> tuple[dict[str, Tensor], TrainingForward]:
        reals, weights = batch.reals, self.weights
        with self._autocast():
            made = self._parallel_generator(reals, codes.target, codes.cycle, codes.source)
            scores = self.discriminator(made.gen)
        made = made.map(Tensor.float)
        losses = {
            "loss_G_Adv": real_loss(_float(scores), batch.target),
            "loss_G_Cycle": weights.cycle * l1_loss(made.cyc, reals),
            "loss_G_Rec": weights.rec * l1_loss(made.rec, reals),
            "loss_G_identity_reconst": weights.identity_at(self.iteration) * l1_loss(made.fake_id, made.real_id),
            "loss_G_age_reconst": weights.age
            * (l1_loss(made.fake_age, codes.target) + l1_loss(made.real_age, codes.source)),
        }
        if weights.paired:
            losses["loss_G_Paired"] = weights.paired * l1_loss(made.gen, torch.cat([batch.B, batch.A]))
        return losses, made.map(Tensor.detach)

    def _autocast(self, enabled: bool = True) -> torch.autocast:
        device = next(self.generator.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=enabled and self.execution.precision == "bf16")

    @torch.no_grad()
    def update_average(self) -> None:
        """avg = 0.999 * avg + 0.001 * current."""
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - EMA_DECAY)

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs beside the networks: optimisers, schedule, random state, iteration."""
        return {
            "iteration": self.iteration,
            "optimizer_g": self.optimizer_g.state_dict(),
            "optimizer_d": self.optimizer_d.state_dict(),
            "schedules": [schedule.state_dict() for schedule in self._schedules],
            "rng": self.rng.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over a `state_dict`, but for the learning rates and their schedule, which are this run's.

        Raises:
            KeyError, ValueError: it does not fit.
        """
        self.iteration = state["iteration"]
        for adam, saved in ((self.optimizer_g, state["optimizer_g"]), (self.optimizer_d, state["optimizer_d"])):
            # Whether iterations are recorded is this run's choice, too.
            groups = [
                {**group, "capturable": self.execution.cuda_graph, "initial_lr": own["initial_lr"]}
                for group, own in zip(saved["param_groups"], adam.param_groups, strict=True)
            ]
            adam.load_state_dict({**saved, "param_groups": groups})
        for schedule, saved in zip(self._schedules, state["schedules"], strict=True):
            own = {name: getattr(schedule, name) for name in ("milestones", "gamma", "base_lrs")}
            schedule.load_state_dict({**saved, **own})
            decays = sum(epoch <= schedule.last_epoch for epoch in schedule.milestones.elements())
            for group in schedule.optimizer.param_groups:
                group["lr"] = group["initial_lr"]
                for _ in range(decays):
                    group["lr"] *= schedule.gamma
        self.rng.set_state(state["rng"])

    def _codes(self, classes: Tensor, whole: int) -> Tensor:
        """Codes of this process's classes; every process draws those of the whole batch, so that all stay in step."""
        config, mine = self.generator.config, self.processes.part(whole)
        everyone = classes.new_zeros(whole)
        everyone[mine] = classes
        codes = make_codes(everyone, config.num_classes, config.dim_per_class, self.rng, self.noise_sigma)
        return codes[mine].to(classes.device)


def _adam(groups: Sequence[dict[str, Any]], config: OptimizerConfig, capturable: bool) -> torch.optim.Adam:
    return torch.optim.Adam(groups, lr=config.lr, betas=config.betas, capturable=capturable)


def _generator_groups(generator: nn.Module, config: OptimizerConfig) -> list[dict[str, Any]]:
    """The mapping network learns a hundred times slower, and so do the style branches unless told otherwise."""
    slow_names = ("decoder.mlp.", ".mlp_class_") if config.slow_style_branches else ("decoder.mlp.",)
    fast: list[nn.Parameter] = []
    slow: list[nn.Parameter] = []
    for name, parameter in generator.named_parameters():
        (slow if any(part in name for part in slow_names) else fast).append(parameter)
    return [{"params": fast}, {"params": slow, "lr": config.lr * MAPPING_LR_SCALE}]


def _compiled(allowed: bool) -> AbstractContextManager[object]:
    return nullcontext() if allowed else torch.compiler.set_stance("force_eager")


def _float(scores: Sequence[Tensor]) -> list[Tensor]:
    return [score.float() for score in scores]
