"""The Spark jobs of the lakehouse."""
