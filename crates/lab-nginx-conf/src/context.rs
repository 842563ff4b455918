//! The blocks of a configuration.

use std::fmt;

/// The block that contains a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The top level of the file.
    Main,
    /// `events { }`
    Events,
    /// `http { }`
    Http,
    /// `upstream name { }`
    Upstream,
    /// `server { }`
    Server,
    /// `location path { }`
    Location,
    /// `if (condition) { }` in a server
    ServerIf,
    /// `if (condition) { }` in a location
    LocationIf,
    /// `map source $variable { }`
    Map,
    /// `types { }`
    Types,
    /// `geo $source $variable { }`
    Geo,
    /// `split_clients source $variable { }`
    SplitClients,
    /// `charset_map ONE OTHER { }`
    CharsetMap,
    /// `limit_except METHOD { }`
    LimitExcept,
}

impl Context {
    pub(crate) const ALL: [Context; 14] = [
        Context::Main,
        Context::Events,
        Context::Http,
        Context::Upstream,
        Context::Server,
        Context::Location,
        Context::ServerIf,
        Context::LocationIf,
        Context::Map,
        Context::Types,
        Context::Geo,
        Context::SplitClients,
        Context::CharsetMap,
        Context::LimitExcept,
    ];

    /// The block as messages name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Context::Main => "the main level",
            Context::Events => "\"events\"",
            Context::Http => "\"http\"",
            Context::Upstream => "\"upstream\"",
            Context::Server => "\"server\"",
            Context::Location => "\"location\"",
            Context::ServerIf => "\"if\" in \"server\"",
            Context::LocationIf => "\"if\" in \"location\"",
            Context::Map => "\"map\"",
            Context::Types => "\"types\"",
            Context::Geo => "\"geo\"",
            Context::SplitClients => "\"split_clients\"",
            Context::CharsetMap => "\"charset_map\"",
            Context::LimitExcept => "\"limit_except\"",
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
