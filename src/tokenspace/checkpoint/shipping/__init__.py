"""New rows without their model: a file of rows, or a PEFT adapter."""
