"""What every room stands on: where files live, how a process is started and ended, errors meant for people."""
