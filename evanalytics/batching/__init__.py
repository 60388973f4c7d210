"""When events leave together: the policy, its live processor, its simulator."""
