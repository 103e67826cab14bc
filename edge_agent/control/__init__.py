"""What flows in: expected stock, commands, another configuration."""
