"""What every room needs and nothing knows of cartons: errors, files, tables, console, secrets, logs, clock."""
