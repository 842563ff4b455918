//! Texts with placeholders, which are filled in for each stack.

use lab_load::wire::Values;

/// Text with placeholders `{client}`, `{host}`, `{port}`, and names of extracted values; `{{` and `}}` are braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextTemplate {
    pub parts: Vec<TextTemplatePart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTemplatePart {
    Text(String),
    Placeholder(Placeholder),
    /// The value of this name, which an earlier step of the sequence has extracted.
    Value(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The address of the check's client as the stack sees it, without port.
    Client,
    /// The address that the check connects to, without port.
    Host,
    /// The port that the check connects to.
    Port,
}

/// The values of the placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholders {
    pub client: String,
    pub host: String,
    pub port: u16,
    /// The values that earlier steps of the sequence have extracted.
    pub extracted: Values,
}

impl Placeholders {
    /// The placeholders of a request outside a sequence.
    #[must_use]
    pub fn new(client: impl Into<String>, host: impl Into<String>, port: u16) -> Placeholders {
        Placeholders { client: client.into(), host: host.into(), port, extracted: Values::new() }
    }
}

impl TextTemplate {
    /// A text without placeholders.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> TextTemplate {
        TextTemplate { parts: vec![TextTemplatePart::Text(text.into())] }
    }

    /// The same text with the values of these names filled in.
    #[must_use]
    pub fn with_values(&self, values: &Values) -> TextTemplate {
        let part = |part: &TextTemplatePart| match part {
            TextTemplatePart::Value(name) => TextTemplatePart::Text(values.get(name).cloned().unwrap_or_default()),
            other => other.clone(),
        };
        TextTemplate { parts: self.parts.iter().map(part).collect() }
    }

    /// The text with all placeholders replaced.
    #[must_use]
    pub fn fill(&self, values: &Placeholders) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TextTemplatePart::Text(piece) => text.push_str(piece),
                TextTemplatePart::Placeholder(Placeholder::Client) => text.push_str(&values.client),
                TextTemplatePart::Placeholder(Placeholder::Host) => text.push_str(&values.host),
                TextTemplatePart::Placeholder(Placeholder::Port) => text.push_str(&values.port.to_string()),
                TextTemplatePart::Value(name) => {
                    text.push_str(values.extracted.get(name).map_or("", String::as_str));
                }
            }
        }
        text
    }

    /// The text as written in the scenario file.
    #[must_use]
    pub fn source(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TextTemplatePart::Text(piece) => text.push_str(&piece.replace('{', "{{").replace('}', "}}")),
                TextTemplatePart::Placeholder(placeholder) => push_name(&mut text, placeholder.name()),
                TextTemplatePart::Value(name) => push_name(&mut text, name),
            }
        }
        text
    }
}

impl Placeholder {
    pub const ALL: [Placeholder; 3] = [Placeholder::Client, Placeholder::Host, Placeholder::Port];

    /// The name in scenario files, without braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::Client => "client",
            Placeholder::Host => "host",
            Placeholder::Port => "port",
        }
    }
}

fn push_name(text: &mut String, name: &str) {
    text.push('{');
    text.push_str(name);
    text.push('}');
}
