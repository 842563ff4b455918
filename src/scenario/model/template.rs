//! Texts with placeholders, which are filled in for each stack.

/// Text with placeholders `{client}`, `{host}`, `{port}`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate {
    pub parts: Vec<TextTemplatePart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTemplatePart {
    Text(String),
    Placeholder(Placeholder),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The local address of the check's connection, without port.
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
}

impl TextTemplate {
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
                TextTemplatePart::Placeholder(placeholder) => {
                    text.push('{');
                    text.push_str(placeholder.name());
                    text.push('}');
                }
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
