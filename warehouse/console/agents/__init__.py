"""What is said to agents over MQTT: questions, bundles that are offered, and requests for new products."""
