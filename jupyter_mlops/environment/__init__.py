"""What a run ran on: packages, hardware, git; and the same environment built again."""
