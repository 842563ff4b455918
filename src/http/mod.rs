//! HTTP shared by checks and twins.

pub mod extensions;
pub mod view;
