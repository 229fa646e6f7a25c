"""What one user, key, guest or address may do in a time, counted for all processes together (docs/security.md, "Limits")."""
