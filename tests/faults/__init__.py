"""The delivery under faults: a sender and a receiver report their sequence numbers to a referee, which compares them."""
