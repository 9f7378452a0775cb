"""Plans: the steps the supervisor decided on."""

from dataclasses import dataclass

from overseen.domain.canonical import digest


@dataclass(frozen=True, kw_only=True)
class Step:
    """One delegation to an agent. `needs` and `produces` are fact names; the order of work follows from them."""

    step_id: str
    agent: str
    goal: str
    needs: tuple[str, ...]
    produces: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps in an order in which each can run. `origin` is model, repaired or playbook."""

    steps: tuple[Step, ...]
    origin: str

    @property
    def digest(self) -> str:
        """Digest of the steps; a locked plan is known by it."""
        return digest(self.steps)

    def step(self, step_id: str) -> Step:
        """The step with that id; KeyError when the plan has none."""
        for step in self.steps:
            if step.step_id == step_id:
                return step
        raise KeyError(step_id)
