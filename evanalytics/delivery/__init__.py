"""How requests are sent, retried and given up: the policy, its live dispatcher, its simulator."""
