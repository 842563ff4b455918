//! Rules for values of JSON documents.

use serde_json::{Map, Number, Value};

use super::{Placeholders, TextRule, TextTemplate};

/// A rule for the value at one place of a JSON document.
#[derive(Debug, Clone)]
pub enum JsonRule {
    Equal(JsonTemplate),
    /// A text contains this text; a list has an item equal to it.
    Contains(TextTemplate),
    /// A text that satisfies this rule; of a number or a boolean, its text in the document.
    Text(TextRule),
    /// A text, a list or an object without content.
    Empty,
    Null,
    /// There is no value at this place.
    Absent,
    Present,
    /// A list with this many items, or an object with this many members.
    Count(usize),
    /// A number of this size at least.
    AtLeast(Number),
    AtMost(Number),
    /// Does not satisfy this rule.
    Not(Box<JsonRule>),
}

/// A JSON value whose texts have placeholders.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    Text(TextTemplate),
    Number(Number),
    Boolean(bool),
    List(Vec<JsonTemplate>),
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// The value with all placeholders replaced.
    #[must_use]
    pub fn fill(&self, values: &Placeholders) -> Value {
        match self {
            JsonTemplate::Text(text) => Value::String(text.fill(values)),
            JsonTemplate::Number(number) => Value::Number(number.clone()),
            JsonTemplate::Boolean(flag) => Value::Bool(*flag),
            JsonTemplate::List(items) => items.iter().map(|item| item.fill(values)).collect(),
            JsonTemplate::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.clone(), value.fill(values)));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}
