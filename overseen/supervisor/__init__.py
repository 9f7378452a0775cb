"""Pure policy: plans, rulings, the boundary, proposals, explanations and answers."""
