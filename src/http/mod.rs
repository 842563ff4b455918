//! HTTP shared by checks and twins.

pub mod view;

pub use lab_server::extensions;
