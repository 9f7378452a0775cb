"""The policy lookup: the policy and the clause that applies."""
