"""Overseen: hand multi-step work to LLM agents and stay in charge of it."""
