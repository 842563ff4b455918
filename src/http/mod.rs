//! HTTP shared by checks and twins.

pub mod view;
