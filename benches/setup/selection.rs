//! The names that a benchmark is limited to, as in `--only file,gzip-1`.

/// The selected names. The default selects every name.
#[derive(Default)]
pub(crate) struct Selection(Option<Vec<&'static str>>);

impl Selection {
    /// Parses a list of names, or of beginnings of names, separated by commas.
    ///
    /// # Errors
    /// No list, or an item that selects none of `names`: a benchmark that measures nothing must not look like a success.
    pub(crate) fn parse(option: &str, list: Option<&str>, names: &[&'static str]) -> Result<Selection, String> {
        let known = names.join(", ");
        let list = list.ok_or_else(|| format!("{option} takes names, or beginnings of names, of: {known}"))?;
        let mut selected = Vec::new();
        for item in list.split(',').map(str::trim) {
            let is_name = names.contains(&item);
            let before = selected.len();
            selected.extend(names.iter().filter(|name| if is_name { **name == item } else { name.starts_with(item) }));
            if selected.len() == before {
                return Err(format!("{option}: no name begins with `{item}`; the names are: {known}"));
            }
        }
        Ok(Selection(Some(selected)))
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(&name))
    }
}
