//! Errors in the converters of a rule.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConverterError {
    #[error("the converter `{0}` does not exist: expected string, int, float, path, uuid or any")]
    Unknown(String),
    #[error("cannot read the converter argument `{0}`: a number, True, False, a word or a quoted string is accepted")]
    MalformedArgument(String),
    /// The converter does not accept this argument or value.
    #[error("the converter `{converter}` does not accept `{argument}`: it accepts {accepted}")]
    Argument {
        converter: &'static str,
        /// The argument as parsed.
        argument: String,
        accepted: &'static str,
    },
}
