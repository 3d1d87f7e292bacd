//! A server of graphs: the engine behind a job's life.
