//! Splits content into text and SSI commands. The content arrives in pieces.

/// The beginning of a command.
const START: &[u8] = b"<!--#";
/// The maximum length of a command's or a parameter's name in bytes, as in nginx.
const NAME_LENGTH: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Text(Vec<u8>),
    Command(Command),
    /// A command with a mistake, which the message describes.
    Malformed(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Command {
    pub(crate) name: Vec<u8>,
    /// Names and values in order.
    pub(crate) parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside of commands, behind this many bytes of [`START`].
    Text(usize),
    BeforeName,
    Name,
    BeforeParameter,
    Parameter,
    BeforeEqualsSign,
    BeforeValue,
    Value(u8),
    Escaped(u8),
    AfterValue,
    /// Behind this many of the two dashes that end a command.
    End(usize),
    /// In a malformed command, behind this many dashes.
    Skip(usize),
}

#[derive(Debug)]
pub(crate) struct Parser {
    state: State,
    command: Command,
    problem: String,
    value_length: usize,
}

impl Parser {
    /// `value_length` bounds the values of parameters.
    pub(crate) fn new(value_length: usize) -> Parser {
        Parser { state: State::Text(0), command: Command::default(), problem: String::new(), value_length }
    }

    /// Appends the tokens of a piece of content.
    pub(crate) fn push(&mut self, content: &[u8], tokens: &mut Vec<Token>) {
        let mut text = Vec::new();
        for &byte in content {
            self.step(byte, &mut text, tokens);
        }
        end_text(&mut text, tokens);
    }

    /// Appends the bytes that were held back, at the end of the content. As in nginx, an incomplete command vanishes.
    pub(crate) fn finish(&mut self, tokens: &mut Vec<Token>) {
        if let State::Text(matched @ 1..) = self.state {
            tokens.push(Token::Text(START[..matched].to_vec()));
        }
        self.state = State::Text(0);
    }

    fn step(&mut self, byte: u8, text: &mut Vec<u8>, tokens: &mut Vec<Token>) {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.state = match self.state {
            State::Text(matched) if START[matched] == byte && matched + 1 == START.len() => {
                end_text(text, tokens);
                self.command = Command::default();
                State::BeforeName
            }
            State::Text(matched) if START[matched] == byte => State::Text(matched + 1),
            State::Text(matched) => {
                text.extend_from_slice(&START[..matched]);
                if byte == START[0] {
                    State::Text(1)
                } else {
                    text.push(byte);
                    State::Text(0)
                }
            }
            State::BeforeName if is_space => State::BeforeName,
            State::BeforeName => {
                self.command.name.push(byte);
                State::Name
            }
            State::Name if is_space => State::BeforeParameter,
            State::Name if byte == b'-' => State::End(1),
            State::Name if self.command.name.len() == NAME_LENGTH => {
                self.fail(format!("the \"{}{}...\" SSI command is too long", self.name(), byte.escape_ascii()), byte)
            }
            State::Name => {
                self.command.name.push(byte);
                State::Name
            }
            State::BeforeParameter if is_space => State::BeforeParameter,
            State::BeforeParameter if byte == b'-' => State::End(1),
            State::BeforeParameter => {
                self.command.parameters.push((vec![byte], Vec::new()));
                State::Parameter
            }
            State::Parameter if is_space => State::BeforeEqualsSign,
            State::Parameter if byte == b'=' => State::BeforeValue,
            State::Parameter if byte == b'-' => {
                let message = format!("invalid \"{}-\" parameter in \"{}\" SSI command", self.parameter(), self.name());
                self.fail(message, byte)
            }
            State::Parameter if self.command.parameters.last().is_some_and(|(name, _)| name.len() == NAME_LENGTH) => {
                let (parameter, byte_text) = (self.parameter(), byte.escape_ascii());
                let message =
                    format!("too long \"{parameter}{byte_text}...\" parameter in \"{}\" SSI command", self.name());
                self.fail(message, byte)
            }
            State::Parameter => {
                if let Some((name, _)) = self.command.parameters.last_mut() {
                    name.push(byte);
                }
                State::Parameter
            }
            State::BeforeEqualsSign | State::BeforeValue if is_space => self.state,
            State::BeforeEqualsSign if byte == b'=' => State::BeforeValue,
            State::BeforeEqualsSign => self.fail_at(byte, "after"),
            State::BeforeValue if matches!(byte, b'"' | b'\'') => State::Value(byte),
            State::BeforeValue => self.fail_at(byte, "before value of"),
            State::Value(quote) if byte == quote => State::AfterValue,
            State::Value(quote) => {
                self.push_value(byte, if byte == b'\\' { State::Escaped(quote) } else { self.state })
            }
            // the backslash is already part of the value
            State::Escaped(quote) if byte == b'\\' => State::Value(quote),
            State::Escaped(quote) => self.push_value(byte, State::Value(quote)),
            State::AfterValue if is_space => State::BeforeParameter,
            State::AfterValue if byte == b'-' => State::End(1),
            State::AfterValue => self.fail_at(byte, "after value of"),
            State::End(1) if byte == b'-' => State::End(2),
            State::End(2..) if byte == b'>' => {
                tokens.push(Token::Command(std::mem::take(&mut self.command)));
                State::Text(0)
            }
            State::End(_) => {
                let message =
                    format!("unexpected \"{}\" symbol in \"{}\" SSI command", byte.escape_ascii(), self.name());
                self.fail(message, byte)
            }
            State::Skip(dashes @ (0 | 1)) if byte == b'-' => State::Skip(dashes + 1),
            State::Skip(2..) if byte == b'>' => {
                tokens.push(Token::Malformed(std::mem::take(&mut self.problem)));
                State::Text(0)
            }
            State::Skip(_) => State::Skip(0),
        };
    }

    fn push_value(&mut self, byte: u8, next: State) -> State {
        let limit = self.value_length;
        match self.command.parameters.last_mut() {
            Some((_, value)) if value.len() < limit => {
                value.push(byte);
                next
            }
            _ => {
                let (parameter, name) = (self.parameter(), self.name());
                self.fail(format!("too long value of \"{parameter}\" parameter in \"{name}\" SSI command"), byte)
            }
        }
    }

    fn fail_at(&mut self, byte: u8, place: &str) -> State {
        let (parameter, name, byte_text) = (self.parameter(), self.name(), byte.escape_ascii());
        let message =
            format!("unexpected \"{byte_text}\" symbol {place} \"{parameter}\" parameter in \"{name}\" SSI command");
        self.fail(message, byte)
    }

    /// Skips the rest of the command.
    fn fail(&mut self, problem: String, byte: u8) -> State {
        self.problem = problem;
        State::Skip(usize::from(byte == b'-'))
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(&self.command.name).into_owned()
    }

    fn parameter(&self) -> String {
        self.command.parameters.last().map_or_else(String::new, |(name, _)| String::from_utf8_lossy(name).into_owned())
    }
}

fn end_text(text: &mut Vec<u8>, tokens: &mut Vec<Token>) {
    if !text.is_empty() {
        tokens.push(Token::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a text, with neighbouring texts joined.
    fn parse(content: &str, size: usize) -> Vec<Token> {
        let mut parser = Parser::new(20);
        let mut tokens = Vec::new();
        for piece in content.as_bytes().chunks(size) {
            parser.push(piece, &mut tokens);
        }
        parser.finish(&mut tokens);
        tokens.into_iter().fold(Vec::new(), |mut joined, token| {
            match (joined.last_mut(), token) {
                (Some(Token::Text(text)), Token::Text(more)) => text.extend(more),
                (_, token) => joined.push(token),
            }
            joined
        })
    }

    #[test]
    fn commands_are_found_across_pieces() {
        let content = "a<<!-<!--#  echo var=\"n\\\"\\\\\" default='' -->b<!--#endif--><!--";
        let command = |name: &str, parameters: &[(&str, &str)]| {
            let parameters =
                parameters.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            Token::Command(Command { name: name.as_bytes().to_vec(), parameters: parameters.collect() })
        };
        let expected = [
            Token::Text(b"a<<!-".to_vec()),
            command("echo", &[("var", "n\\\"\\"), ("default", "")]),
            Token::Text(b"b".to_vec()),
            command("endif", &[]),
            Token::Text(b"<!--".to_vec()),
        ];
        for size in 1..=content.len() {
            assert_eq!(parse(content, size), expected, "{size}");
        }
    }

    #[test]
    fn malformed_commands_are_skipped() {
        for (content, message) in [
            ("<!--#echo var-->x", "invalid \"var-\" parameter in \"echo\" SSI command"),
            ("<!--#echo var x='a' -->x", "unexpected \"x\" symbol after \"var\" parameter in \"echo\" SSI command"),
            (
                "<!--#echo var=x -->x",
                "unexpected \"x\" symbol before value of \"var\" parameter in \"echo\" SSI command",
            ),
            (
                "<!--#echo var='a'x -->x",
                "unexpected \"x\" symbol after value of \"var\" parameter in \"echo\" SSI command",
            ),
            ("<!--#echo -x -->x", "unexpected \"x\" symbol in \"echo\" SSI command"),
            (
                "<!--#echo var='123456789012345678901' -->x",
                "too long value of \"var\" parameter in \"echo\" SSI command",
            ),
        ] {
            let expected = [Token::Malformed(message.to_owned()), Token::Text(b"x".to_vec())];
            assert_eq!(parse(content, 1000), expected, "{content}");
        }
    }
}
