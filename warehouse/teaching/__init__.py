"""What people say of pictures, and what it teaches: labels, a training set, precision, what to ask next."""
