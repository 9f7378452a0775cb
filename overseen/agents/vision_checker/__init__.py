"""The vision checker: photos, and what they give away."""
