//! What all pages of a request share.

use std::collections::HashMap;

/// The variables of `set`, and the named groups of regular expressions.
#[derive(Debug, Default)]
pub(crate) struct SsiState {
    variables: HashMap<Vec<u8>, Vec<u8>>,
}

impl SsiState {
    /// Sets a variable. Case does not matter in names.
    pub(crate) fn set(&mut self, name: &[u8], value: Vec<u8>) {
        self.variables.insert(name.to_ascii_lowercase(), value);
    }

    /// The value of a variable, by its name in lower case.
    pub(super) fn variable(&self, name: &[u8]) -> Option<&Vec<u8>> {
        self.variables.get(name)
    }
}
