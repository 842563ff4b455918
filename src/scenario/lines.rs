//! Where the parts of a scenario are written, for messages about a run. Pure.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The lines of a scenario's tables, counted from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScenarioLines {
    stacks: Vec<(String, usize)>,
    checks: Vec<(String, usize)>,
    loads: Vec<(String, usize)>,
    /// `[[matrix]]`, which makes stacks without tables of their own.
    matrix: Option<usize>,
    /// `[gate]`.
    pub gate: Option<usize>,
}

impl ScenarioLines {
    /// Reads a scenario that has been validated. Nothing is known of a text that is not TOML.
    #[must_use]
    pub fn read(text: &str) -> ScenarioLines {
        let Ok(document) = DeTable::parse(text) else { return ScenarioLines::default() };
        let table = document.get_ref();
        let line = |offset: usize| 1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
        let named = |key: &str| -> Vec<(String, usize)> {
            let tables = table.get(key).and_then(|value| value.get_ref().as_array());
            let named = tables.into_iter().flatten().filter_map(|one| Some((name(one)?, line(one.span().start))));
            named.collect()
        };
        let first = |key: &str| {
            let value = table.get(key)?;
            let first = value.get_ref().as_array().and_then(|tables| tables.iter().next());
            Some(line(first.map_or_else(|| value.span().start, |table| table.span().start)))
        };
        ScenarioLines {
            stacks: named("stack"),
            checks: named("check"),
            loads: named("load"),
            matrix: first("matrix"),
            gate: first("gate"),
        }
    }

    /// Where a stack is defined, or the matrix that it may come from.
    #[must_use]
    pub fn stack(&self, name: &str) -> Option<usize> {
        find(&self.stacks, name).or(self.matrix)
    }

    #[must_use]
    pub fn check(&self, name: &str) -> Option<usize> {
        find(&self.checks, name)
    }

    #[must_use]
    pub fn load(&self, name: &str) -> Option<usize> {
        find(&self.loads, name)
    }
}

fn name(table: &Spanned<DeValue<'_>>) -> Option<String> {
    Some(table.get_ref().as_table()?.get("name")?.get_ref().as_str()?.to_owned())
}

fn find(lines: &[(String, usize)], name: &str) -> Option<usize> {
    lines.iter().find(|(known, _)| known == name).map(|(_, line)| *line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_lines() {
        let text = "schema = 1\n\n[[stack]]\nname = \"a\"\n\n[[check]]\nname = \"one\"\n[[check]]\n# more\nname = \"two\"\n\n\
                    [gate]\nmargins = {}\n";
        let lines = ScenarioLines::read(text);
        assert_eq!((lines.stack("a"), lines.stack("b")), (Some(3), None));
        assert_eq!((lines.check("one"), lines.check("two")), (Some(6), Some(8)));
        assert_eq!((lines.gate, lines.load("x")), (Some(12), None));
        assert_eq!(ScenarioLines::read("not TOML ["), ScenarioLines::default());
        assert_eq!(ScenarioLines::read("[[matrix]]\nserver = []\n").stack("gunicorn"), Some(1));
    }
}
