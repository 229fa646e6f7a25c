"""What one person, key or address may do, counted for all processes together (docs/security.md, "Limits")."""
