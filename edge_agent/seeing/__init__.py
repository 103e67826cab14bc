"""From pictures to the crops that are worth classifying: view guard, slots, change gate, empty pictures."""
