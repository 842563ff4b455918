//! Does another driver agree under a load?

use std::fmt::Write as _;

use super::style::{TITLE, UNSURE, rendered, styled};
use crate::record::Validation;
use crate::report::view::validation;

pub(super) fn section(text: &mut String, validation: &Validation, width: usize) {
    let Validation { load, by, by_driver, missing, .. } = validation;
    let _ = writeln!(text, "{}", styled(TITLE, &format!("Does {by_driver} agree under {load}?")));
    match missing {
        Some(missing) => {
            let _ = writeln!(text, "  {} {by} was left out: {missing}\n", styled(UNSURE, "unavailable"));
        }
        None => {
            let _ = writeln!(text, "{}\n", rendered(&validation::table(validation), 1..4, width));
        }
    }
}
