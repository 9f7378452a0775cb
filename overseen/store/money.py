"""Sums of money in tables."""

from decimal import Decimal

from sqlalchemy import Numeric, TypeDecorator
from sqlalchemy.engine import Dialect

_CENT = Decimal("0.01")


class Money(TypeDecorator[Decimal]):
    """A sum, kept to a millionth and read back as people write it: two decimals, or more where there are more."""

    impl = Numeric(18, 6)
    cache_ok = True

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Cut the zeros that the column adds."""
        if value is None:
            return None
        cents = value.quantize(_CENT)
        return cents if cents == value else value.normalize()
