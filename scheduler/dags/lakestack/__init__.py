"""What the DAG files of the lakehouse are made of."""
