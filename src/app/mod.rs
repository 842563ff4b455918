//! The Flask-style framework and the sample app.
