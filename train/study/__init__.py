"""Many runs laid side by side: folds and seeds, the founding study."""
