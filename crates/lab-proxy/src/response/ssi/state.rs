//! What all pages of a request share.

use std::collections::HashMap;

use super::parser::Command;

/// The variables of `set`, the named groups of regular expressions, and the contents of `block`.
#[derive(Debug, Default)]
pub(crate) struct SsiState {
    variables: HashMap<Vec<u8>, Vec<u8>>,
    /// Names and contents in order.
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
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

    /// The content of the first block with this name.
    pub(super) fn block(&self, name: &[u8]) -> Option<&Vec<u8>> {
        self.blocks.iter().find(|(own, _)| own == name).map(|(_, content)| content)
    }

    pub(super) fn begin_block(&mut self, name: &[u8]) {
        self.blocks.push((name.to_vec(), Vec::new()));
    }

    /// Appends to the block that was begun last.
    pub(super) fn append_to_block(&mut self, content: &[u8]) {
        if let Some((_, block)) = self.blocks.last_mut() {
            block.extend_from_slice(content);
        }
    }

    /// Appends a command to that block, where it is executed later.
    pub(super) fn append_command_to_block(&mut self, command: &Command) {
        self.append_to_block(&[b"<!--#", &*command.name].concat());
        for (name, value) in &command.parameters {
            self.append_to_block(&[b" ", &**name, b"=\"", value, b"\""].concat());
        }
        self.append_to_block(b" -->");
    }
}
