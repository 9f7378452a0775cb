"""Doubles for tests, ours and those of people who extend Overseen."""
