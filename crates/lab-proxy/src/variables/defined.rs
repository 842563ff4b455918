//! The variables that a configuration defines: by `set`, by `map`, and by named groups of regular expressions.

/// The names of the variables, each with a slot of [`VariableValues`](super::VariableValues).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefinedVariables {
    list: Vec<String>,
}

impl DefinedVariables {
    /// The slot of a name, which is created if it is new. As in nginx, case does not matter.
    pub(crate) fn define(&mut self, name: &str) -> usize {
        self.slot(name).unwrap_or_else(|| {
            self.list.push(name.to_ascii_lowercase());
            self.list.len() - 1
        })
    }

    /// The slot of a name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|own| own.eq_ignore_ascii_case(name))
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The name of a slot.
    #[must_use]
    pub fn name(&self, slot: usize) -> &str {
        self.list.get(slot).map_or("", String::as_str)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(String::as_str)
    }
}
