//! `lab init`: finds the parts of a deployment in a folder, and writes a scenario for them.
//!
//! It reads files and starts nothing. [`survey()`] looks at the files, [`Deployment`] is what they say together, and
//! [`scenario_text()`] writes the scenario. It names what was not found, and guesses nothing silently.

mod app;
mod command_line;
mod compose;
mod deployment;
mod image_files;
mod kubernetes;
mod launch_files;
mod makefile;
mod nginx;
mod pages;
mod platforms;
mod python;
mod scenario_text;
mod service;
mod survey;
mod template;
mod variables;

pub use deployment::{App, Deployment, Packages, RequiredValue, ServerCommand, Service, SettingLine, Setup};
pub use scenario_text::{Refusals, scenario_text, site_wrapper};
pub use survey::{SurveyError, survey};
