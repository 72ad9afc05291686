//! Tests of the Kafka log against a real broker.
