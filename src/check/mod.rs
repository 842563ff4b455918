//! Checks: a request, what came back, what the app saw, and whether that is as expected.
