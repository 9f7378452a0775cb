"""Which tools there are: the built-in ones, and those of other packages through the entry-point group `overseen`."""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from overseen.domain.calls import Effect
from overseen.errors import Misconfigured, NotFound
from overseen.tools.types import ToolSpec

ENTRY_POINT_GROUP = "overseen"
_PREFIX = "tool."


class ToolRegistry:
    """Tools by name. Those of other packages are loaded when first asked for, so a broken one stops nobody else."""

    def __init__(
        self, specs: Iterable[ToolSpec] = (), *, factories: Mapping[str, Callable[[], ToolSpec]] | None = None
    ) -> None:
        self._specs: dict[str, ToolSpec] = {}
        self._factories = dict(factories or {})
        for spec in specs:
            if spec.name in self._specs or spec.name in self._factories:
                raise Misconfigured(
                    f"There are two tools named {spec.name}.",
                    not_done="No tools were loaded.",
                    next_step="Rename one, or remove the package that brings the second.",
                )
            self._specs[spec.name] = spec

    @property
    def names(self) -> frozenset[str]:
        """Names of all tools, loaded or not."""
        return frozenset(self._specs) | frozenset(self._factories)

    def get(self, name: str) -> ToolSpec:
        """The tool of that name. Raises NotFound when there is none, Misconfigured when it cannot be loaded."""
        if name not in self._specs and name in self._factories:
            self._specs[name] = self._factories[name]()
        if name not in self._specs:
            raise NotFound(
                f"There is no tool named {name}.",
                not_done="Nothing was called.",
                next_step=f"The tools are: {', '.join(sorted(self.names))}.",
            )
        return self._specs[name]

    def effect_of(self, name: str) -> Effect | None:
        """What the tool does to the world; None when there is no such tool."""
        return self.get(name).effect if name in self.names else None

    def all(self) -> list[ToolSpec]:
        """All tools by name. Raises Misconfigured naming the first that cannot be loaded."""
        return [self.get(name) for name in sorted(self.names)]


def load_registry() -> ToolRegistry:
    """The built-in tools and those that installed packages declare as `tool.<name>`."""
    from overseen.tools.builtin.specs import BUILT_IN

    return ToolRegistry(BUILT_IN, factories=specs_by_entry_point(entry_points(group=ENTRY_POINT_GROUP)))


def tool_distributions() -> tuple[str, ...]:
    """Names of the installed packages that declare tools: sandboxes need their code, and what they require."""
    points = [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name.startswith(_PREFIX)]
    return tuple(sorted({point.dist.name for point in points if point.dist is not None}))


def specs_by_entry_point(points: Iterable[EntryPoint]) -> dict[str, Callable[[], ToolSpec]]:
    """How to load each tool among entry points of the group; entry points of other kinds are left out."""
    return {point.name.removeprefix(_PREFIX): _factory(point) for point in points if point.name.startswith(_PREFIX)}


def _factory(point: EntryPoint) -> Callable[[], ToolSpec]:
    def load() -> ToolSpec:
        package = point.dist.name if point.dist else "an installed package"
        name = point.name.removeprefix(_PREFIX)
        try:
            loaded: object = point.load()
        except ImportError as error:
            missing = error.name or str(error)
            raise Misconfigured(
                f"The tool {name} of {package} cannot be loaded: {missing} is missing.",
                not_done="The tool was not called.",
                next_step=f"Install {missing} (perhaps an extra of {package}), or remove {package}.",
            ) from error
        except AttributeError as error:
            raise Misconfigured(
                f"The tool {name} of {package} cannot be loaded: {point.value} does not exist.",
                not_done="The tool was not called.",
                next_step=f"Correct the entry point of {package}.",
            ) from error
        spec: object = loaded if isinstance(loaded, ToolSpec) else getattr(loaded, "tool_spec", None)
        if not isinstance(spec, ToolSpec) or spec.name != name:
            raise Misconfigured(
                f"{point.value} of {package} is not a tool named {name}.",
                not_done="The tool was not called.",
                next_step="Name a ToolSpec, or a function declared with @tool, under the name of the tool.",
            )
        return spec

    return load
