//! The reverse proxy: the nginx twin.
