//! Errors in the converters of a rule.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConverterError {
    #[error("the converter `{0}` does not exist: string, int, float, path, uuid and any do")]
    Unknown(String),
    #[error("cannot read the converter argument `{0}`: a number, True, False, a word or a quoted string is accepted")]
    MalformedArgument(String),
    /// The converter does not take this argument, or not this value.
    #[error("the converter `{converter}` does not take `{argument}`: it takes {accepted}")]
    Argument {
        converter: &'static str,
        /// The argument as parsed.
        argument: String,
        accepted: &'static str,
    },
}
