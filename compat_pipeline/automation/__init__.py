"""What starts runs: jobs, and later sensors and schedules."""
