"""How fast requests may start: the policy, its live manager, its simulator."""
