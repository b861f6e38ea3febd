"""What starts runs: jobs, sensors, the schedule; and the sensor that tells people when something is wrong."""
