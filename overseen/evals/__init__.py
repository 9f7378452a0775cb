"""Measure a playbook on its sample cases: every part real, nothing touched that anybody else uses."""
