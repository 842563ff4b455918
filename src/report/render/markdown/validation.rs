//! Whether another driver agrees under a load.

use std::fmt::Write as _;

use super::table::{escaped, table};
use crate::record::Validation;
use crate::report::view::validation;

pub(super) fn section(text: &mut String, validation: &Validation) {
    let Validation { load, by, by_driver, missing, .. } = validation;
    let _ = writeln!(text, "## {} under {}\n", escaped(by_driver), escaped(load));
    if let Some(missing) = missing {
        let _ = writeln!(text, "{} was left out: {}\n", escaped(by), escaped(missing));
        return;
    }
    let mut view = validation::table(validation);
    view.header.iter_mut().chain(view.rows.iter_mut().flatten()).for_each(|cell| *cell = escaped(cell));
    let _ = writeln!(text, "{}\n", table(&view.header(), &view.rows));
}
