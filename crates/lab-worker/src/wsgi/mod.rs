//! What WSGI (PEP 3333) asks of a server and can be said without Python: which peer is believed, which variables a
//! request becomes, and what an application may answer. Pure; `crates/lab-python` is the glue.

pub mod trust;
pub mod environ;
pub mod response;
