"""Goals of the attacker, one a file."""
