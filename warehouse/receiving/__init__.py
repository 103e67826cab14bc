"""What agents say, received and stored once."""
