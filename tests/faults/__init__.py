"""The delivery under faults: sender and receiver report their sequence numbers to a referee, which compares them."""
