"""Teaching by what people say of pictures: labels, a training set, precision, what to ask next."""
