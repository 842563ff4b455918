//! Reports: pure exporters from a record to bytes.
