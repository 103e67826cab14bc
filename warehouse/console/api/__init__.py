"""The API's routes by subject, and the records that they answer with."""
