//! The parts of WSGI (PEP 3333) that need no Python: the environ variables of a request, and the validation of an
//! application's response head. Pure; `lab-python` adds the interpreter.

pub mod environ;
pub mod response;
