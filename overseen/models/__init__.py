"""Routes to models, and the gateway every request passes. Nothing heavy is imported here: routes load on first use."""

from overseen.models.confidence import value_confidence, value_confidences
from overseen.models.errors import (
    AnswerCut,
    BudgetExceeded,
    ModelError,
    NoRoute,
    OutOfTime,
    RequestRejected,
    RouteMisconfigured,
    RouteUnavailable,
    SchemaViolation,
)
from overseen.models.types import (
    ImageInput,
    Message,
    MessageRole,
    ModelAnswer,
    ModelPort,
    ModelRequest,
    ModelRoute,
    PromptReference,
    RouteProfile,
    TokenProbability,
    Usage,
)

__all__ = [
    "AnswerCut",
    "BudgetExceeded",
    "ImageInput",
    "Message",
    "MessageRole",
    "ModelAnswer",
    "ModelError",
    "ModelPort",
    "ModelRequest",
    "ModelRoute",
    "NoRoute",
    "OutOfTime",
    "PromptReference",
    "RequestRejected",
    "RouteMisconfigured",
    "RouteProfile",
    "RouteUnavailable",
    "SchemaViolation",
    "TokenProbability",
    "Usage",
    "value_confidence",
    "value_confidences",
]
