"""What a recorded cell did, found without being asked."""
