"""From events to the broker: outbox, delivery, announcements."""
