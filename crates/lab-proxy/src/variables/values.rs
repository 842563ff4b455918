//! The values of a request's defined variables, and the captures of its last regular expression.
//!
//! As in nginx, writing a template can change both: a `map` is evaluated when its variable is first read, which keeps
//! the value from then on, and a regular expression in it replaces `$1`.

use std::cell::{OnceCell, RefCell};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use super::DefinedVariables;

#[derive(Debug, Default)]
pub struct VariableValues {
    slots: RefCell<Vec<Slot>>,
    captures: RefCell<Captures>,
    request_id: OnceCell<[u8; 32]>,
    user_id: OnceCell<[u8; 16]>,
    /// A regular expression whose match took too many steps.
    failed_match: RefCell<Option<Box<str>>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Empty,
    /// Being looked up: a `map` that depends on itself finds nothing.
    Busy,
    Value(Box<[u8]>),
}

/// The groups of the last regular expression that matched.
#[derive(Debug, Default)]
struct Captures {
    text: Vec<u8>,
    spans: Vec<Option<(usize, usize)>>,
}

impl VariableValues {
    /// No variable has a value yet.
    #[must_use]
    pub fn new(names: &DefinedVariables) -> VariableValues {
        VariableValues { slots: RefCell::new(vec![Slot::Empty; names.count()]), ..VariableValues::default() }
    }

    /// The values so far, for a copy of the request.
    #[must_use]
    pub fn duplicate(&self) -> VariableValues {
        VariableValues { slots: self.slots.clone(), ..VariableValues::default() }
    }

    pub fn set(&self, slot: usize, value: &[u8]) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot) {
            *slot = Slot::Value(value.into());
        }
    }

    #[must_use]
    pub fn get(&self, slot: usize) -> Option<Box<[u8]>> {
        match self.slots.borrow().get(slot) {
            Some(Slot::Value(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Appends the value of a variable. False if it has none.
    pub(crate) fn write(&self, slot: usize, out: &mut Vec<u8>) -> bool {
        match self.slots.borrow().get(slot) {
            Some(Slot::Value(value)) => {
                out.extend_from_slice(value);
                true
            }
            _ => false,
        }
    }

    /// Marks a variable as being looked up. False if it already is.
    pub(crate) fn begin_lookup(&self, slot: usize) -> bool {
        let mut slots = self.slots.borrow_mut();
        slots.get_mut(slot).is_some_and(|slot| std::mem::replace(slot, Slot::Busy) != Slot::Busy)
    }

    /// Ends a lookup whose value is not kept.
    pub(crate) fn clear(&self, slot: usize) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(slot) {
            *slot = Slot::Empty;
        }
    }

    /// Keeps the captures of a regular expression: the text it matched, and its groups without the whole match.
    pub(crate) fn set_captures(&self, text: &[u8], spans: &[Option<(usize, usize)>]) {
        let mut captures = self.captures.borrow_mut();
        captures.spans.clear();
        captures.spans.extend_from_slice(spans);
        captures.text.clear();
        if !spans.is_empty() {
            captures.text.extend_from_slice(text);
        }
    }

    /// Notes that the match of a regular expression took too many steps.
    pub(crate) fn note_failed_match(&self, pattern: &str) {
        *self.failed_match.borrow_mut() = Some(pattern.into());
    }

    /// The regular expression whose match took too many steps since the last call.
    pub(crate) fn take_failed_match(&self) -> Option<Box<str>> {
        self.failed_match.borrow_mut().take()
    }

    /// Appends a group by its number, from 1. False if there is no such group, or if it took no part in the match.
    pub(crate) fn write_capture(&self, number: usize, out: &mut Vec<u8>) -> bool {
        let captures = self.captures.borrow();
        let Some(Some((start, end))) = captures.spans.get(number - 1) else { return false };
        out.extend_from_slice(&captures.text[*start..*end]);
        true
    }

    /// The new identifier of `userid`, which is created once.
    pub(crate) fn user_id(&self, create: impl FnOnce() -> [u8; 16]) -> &[u8; 16] {
        self.user_id.get_or_init(create)
    }

    /// 32 hexadecimal digits, unique to the request.
    pub(crate) fn request_id(&self) -> &[u8; 32] {
        self.request_id.get_or_init(|| {
            // the keys of each state come from the system's random numbers
            let half = || RandomState::new().build_hasher().finish();
            let digit = |number: u128, place: usize| b"0123456789abcdef"[(number >> (4 * place)) as usize & 15];
            let number = u128::from(half()) << 64 | u128::from(half());
            std::array::from_fn(|place| digit(number, place))
        })
    }
}
