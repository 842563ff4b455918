//! The HTTP/1.1 both twins speak.
