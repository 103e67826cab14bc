"""The discrepancy report, made from the receiver's database."""
