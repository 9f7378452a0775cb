"""Routes to models and the gateway every request passes."""
