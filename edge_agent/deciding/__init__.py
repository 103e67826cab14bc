"""From classified crops to verdicts, alerts, events and states. Knows neither threads nor the network."""
