"""Durable execution: workflows, workers, recovery, and the composition root."""
